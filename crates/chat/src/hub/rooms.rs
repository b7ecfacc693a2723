//! The rooms: who is in each, and the number of its latest event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::io::{ConnectionId, RoomId, RoomLine};
use crate::limits::ROOMS_LISTED_MAX;
use crate::names::{Name, NameKey};

/// All rooms. A room stays when its last member leaves, because its log does, until its place is needed.
///
/// Invariants: every key of every room's name leads to that room, and no key leads anywhere else. No number of a room
/// that was forgotten is above `forgotten_through`.
#[derive(Debug)]
pub(super) struct Rooms {
    max: usize,
    by_id: BTreeMap<RoomId, Room>,
    by_key: BTreeMap<NameKey, RoomId>,
    /// Rooms opened so far: ids are not given twice.
    opened: u64,
    forgotten_through: u64,
}

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Name,
    /// The number of the latest event; 0 before the first.
    pub(super) seq: u64,
    pub(super) members: BTreeSet<ConnectionId>,
}

impl Rooms {
    /// No rooms yet, and at most `max`.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            by_id: BTreeMap::new(),
            by_key: BTreeMap::new(),
            opened: 0,
            forgotten_through: 0,
        }
    }

    /// How many there may be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The room that goes by this name.
    pub(super) fn find(&self, name: &Name) -> Option<RoomId> {
        name.keys().iter().find_map(|key| self.by_key.get(key)).copied()
    }

    /// Whether one more room can be opened.
    pub(super) fn has_space(&self) -> bool {
        self.by_id.len() < self.max
    }

    /// The number after which a room begins that is opened now.
    pub(super) fn begins_after(&self) -> u64 {
        self.forgotten_through
    }

    /// Numbers up to `seq` were used in rooms that are not here.
    pub(super) fn leave_out(&mut self, seq: u64) {
        self.forgotten_through = self.forgotten_through.max(seq);
    }

    /// Forgets as many empty rooms as are in the way of `count` new ones, those with the lowest numbers first, and
    /// returns their names.
    ///
    /// They have the least to lose, and they age: what is opened later begins with higher numbers than any of them had.
    /// If the longest idle gave way, whoever opens one room after the other would soon have every conversation
    /// forgotten that nobody is in at the moment; so, such rooms take the place of their like first.
    pub(super) fn make_space(&mut self, count: usize) -> Vec<Arc<str>> {
        let excess = (self.by_id.len() + count).saturating_sub(self.max);
        if excess == 0 {
            return Vec::new();
        }
        let empty = self.by_id.iter().filter(|(_, room)| room.members.is_empty());
        let mut empty: Vec<(u64, RoomId)> = empty.map(|(&id, room)| (room.seq, id)).collect();
        if excess < empty.len() {
            empty.select_nth_unstable(excess);
            empty.truncate(excess);
        }
        empty.sort_unstable();
        empty
            .into_iter()
            .filter_map(|(seq, id)| self.forget(id, seq))
            .collect()
    }

    fn forget(&mut self, id: RoomId, seq: u64) -> Option<Arc<str>> {
        let room = self.by_id.remove(&id)?;
        for key in room.name.keys() {
            self.by_key.remove(key);
        }
        self.leave_out(seq);
        Some(room.name.shared())
    }

    /// Opens a room behind all numbers of those that were forgotten: it may be one of them, under this or a similar
    /// spelling, and a number is never given twice. There is none of that name yet.
    pub(super) fn open(&mut self, name: Name) -> RoomId {
        self.recall(name, self.begins_after())
    }

    /// Takes a room in whose latest event has number `seq`. There is none of that name yet.
    pub(super) fn recall(&mut self, name: Name, seq: u64) -> RoomId {
        let id = RoomId(self.opened);
        self.opened += 1;
        for key in name.keys() {
            let before = self.by_key.insert(key.clone(), id);
            debug_assert!(before.is_none(), "two rooms would have the name {name}");
        }
        self.by_id.insert(
            id,
            Room {
                name,
                seq,
                members: BTreeSet::new(),
            },
        );
        id
    }

    pub(super) fn get(&self, id: RoomId) -> &Room {
        self.by_id
            .get(&id)
            .expect("rooms are forgotten only between requests, and only empty ones")
    }

    pub(super) fn get_mut(&mut self, id: RoomId) -> &mut Room {
        self.by_id
            .get_mut(&id)
            .expect("rooms are forgotten only between requests, and only empty ones")
    }

    /// Takes everybody out of every room: who was where, room by room.
    pub(super) fn empty_all(&mut self) -> Vec<(RoomId, ConnectionId)> {
        let mut gone = Vec::new();
        for (&id, room) in &mut self.by_id {
            gone.extend(
                std::mem::take(&mut room.members)
                    .into_iter()
                    .map(|member| (id, member)),
            );
        }
        gone
    }

    pub(super) fn memberships(&self) -> u64 {
        self.by_id.values().map(|room| room.members.len() as u64).sum()
    }

    /// The rooms with the most members first, and whether that is not all of them.
    pub(super) fn list(&self) -> (Vec<RoomLine>, bool) {
        let mut lines: Vec<RoomLine> = self.by_id.values().map(Room::line).collect();
        lines.sort_by(|a, b| b.members.cmp(&a.members).then_with(|| a.room.cmp(&b.room)));
        let more = lines.len() > ROOMS_LISTED_MAX;
        lines.truncate(ROOMS_LISTED_MAX);
        (lines, more)
    }
}

impl Room {
    /// The number of the next event.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn line(&self) -> RoomLine {
        RoomLine {
            room: self.name.shared(),
            members: self.members.len() as u64,
            seq: self.seq,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::room(text).unwrap()
    }

    /// As many rooms as there may be; room `n` has had `n` events.
    fn full() -> Rooms {
        let mut rooms = Rooms::new(100);
        for n in 0..100 {
            rooms.recall(name(&format!("room {n}")), n);
        }
        rooms
    }

    #[test]
    fn an_empty_room_gives_way_the_one_with_the_lowest_number_first() {
        let mut rooms = full();
        assert!(rooms.make_space(0).is_empty());
        let occupied = rooms.find(&name("room 1")).unwrap();
        rooms.get_mut(occupied).members.insert(ConnectionId(7));
        let forgotten = rooms.make_space(2);
        assert_eq!(
            forgotten.iter().map(|name| &**name).collect::<Vec<_>>(),
            ["room 0", "room 2"]
        );
        assert!(rooms.has_space() && rooms.make_space(2).is_empty());
        assert_eq!(rooms.find(&name("room 2")), None);
        assert_eq!(rooms.find(&name("room 1")), Some(occupied));
    }

    #[test]
    fn no_number_is_given_twice() {
        let mut rooms = full();
        assert_eq!(rooms.make_space(3).len(), 3);
        // It was forgotten at 2; another spelling of it is the same room.
        let again = rooms.open(name("ROOM 2"));
        assert_eq!(rooms.get_mut(again).next_seq(), 3);
        let anew = rooms.open(name("never seen"));
        assert_eq!(rooms.get_mut(anew).next_seq(), 3);
        assert_ne!(again, anew);
    }

    #[test]
    fn rooms_opened_without_end_take_the_place_of_their_like() {
        let mut rooms = Rooms::new(100);
        rooms.recall(name("a conversation"), 1000);
        for n in 0..100 * 100 {
            rooms.make_space(1);
            let id = rooms.open(name(&format!("flood {n}")));
            // Somebody entered and left.
            rooms.get_mut(id).seq += 2;
        }
        assert!(rooms.find(&name("a conversation")).is_some());
    }

    #[test]
    fn where_everybody_is_inside_nothing_is_forgotten() {
        let mut rooms = full();
        for room in rooms.by_id.values_mut() {
            room.members.insert(ConnectionId(7));
        }
        assert!(rooms.make_space(1).is_empty() && !rooms.has_space());
    }
}
