//! The rooms: who is in each, and the number of its latest event.

use std::collections::{BTreeMap, BTreeSet};

use super::io::{ConnectionId, RoomId, RoomLine};
use crate::limits::{ROOMS_LISTED_MAX, ROOMS_MAX};
use crate::names::{Name, NameKey};

/// All rooms. A room stays when its last member leaves, because its log does.
///
/// Invariant: every key of every room's name leads to that room or to one older than it.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    by_id: BTreeMap<RoomId, Room>,
    by_key: BTreeMap<NameKey, RoomId>,
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
    /// The room that goes by this name.
    pub(super) fn find(&self, name: &Name) -> Option<RoomId> {
        name.keys().iter().find_map(|key| self.by_key.get(key)).copied()
    }

    /// Whether one more room can be opened.
    pub(super) fn has_space(&self) -> bool {
        self.by_id.len() < ROOMS_MAX
    }

    /// Opens a room whose latest event has number `seq`.
    pub(super) fn open(&mut self, name: Name, seq: u64) -> RoomId {
        let id = RoomId(self.by_id.len() as u64);
        for key in name.keys() {
            self.by_key.entry(key.clone()).or_insert(id);
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
        self.by_id.get(&id).expect("rooms stay, so their ids do")
    }

    pub(super) fn get_mut(&mut self, id: RoomId) -> &mut Room {
        self.by_id.get_mut(&id).expect("rooms stay, so their ids do")
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
