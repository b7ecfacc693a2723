//! What has happened in the rooms and is not stored yet.
//!
//! Pure: it is told the time. The hub's side appends, the writer takes copies of what waits and says when they are
//! stored; until then reads find the events here. With `--memory` nothing is ever taken and this is the whole
//! history.

mod room;

use std::{collections::BTreeMap, mem, sync::Arc, time::Instant};

use super::{
    block::Block,
    lease::Lease,
    limits::{CLOCK_LEASE_MAX, CLOCK_LEASE_MIN},
    reservations::Reservations,
};
use room::Room;

/// Events and reservations on their way to the disk.
#[derive(Debug)]
pub(super) struct Queue {
    rooms: BTreeMap<Arc<str>, Room>,
    dirty: Vec<Arc<str>>,
    bytes: usize,
    oldest: Option<Instant>,
    clock: Lease,
    asked: Reservations,
    /// No room that was forgotten used a higher number: what is not known begins behind it.
    forgotten_through: u64,
    events_max: u64,
}

/// Blocks of one room that wait to be stored.
pub(super) type Batch = Vec<(Arc<str>, Vec<Block>)>;

impl Queue {
    /// An empty queue: the clock was used up to `clock`, rooms that were forgotten up to `forgotten_through`, and a room
    /// keeps `events_max` events.
    pub(super) fn new(clock: u64, forgotten_through: u64, events_max: u64) -> Self {
        Self {
            rooms: BTreeMap::new(),
            dirty: Vec::new(),
            bytes: 0,
            oldest: None,
            clock: Lease::after(clock, CLOCK_LEASE_MIN, CLOCK_LEASE_MAX),
            asked: Reservations::default(),
            forgotten_through,
            events_max: events_max.max(1),
        }
    }

    /// A room known from before, its numbers used up to `last`.
    pub(super) fn restore(&mut self, name: Arc<str>, last: u64) {
        self.rooms.insert(name, Room::after(last));
    }

    /// Takes the events `first..=last` of a room in, and asks for more numbers when few are left.
    pub(super) fn append(&mut self, name: &str, first: u64, last: u64, lines: &[u8], now: Instant) {
        if !self.rooms.contains_key(name) {
            self.rooms
                .insert(name.into(), Room::after(self.forgotten_through));
        }
        let (key, _) = self
            .rooms
            .get_key_value(name)
            .expect("just looked up or inserted");
        let key = Arc::clone(key);
        let room = self.rooms.get_mut(name).expect("just looked up or inserted");
        assert!(
            room.last < first && first <= last,
            "room {name}: {first}..={last} after {}",
            room.last
        );
        room.push(first, last, lines, self.events_max);
        self.bytes += lines.len();
        if let Some(through) = room.lease.ask(last, last + 1, now) {
            self.asked.rooms.insert(Arc::clone(&key), through);
        }
        if !mem::replace(&mut room.dirty, true) {
            self.dirty.push(key);
        }
        self.oldest.get_or_insert(now);
    }

    /// The last number a room may use.
    pub(super) fn seqs_through(&self, name: &str) -> u64 {
        self.rooms.get(name).map_or(0, |room| room.lease.through())
    }

    /// Asks for a room's numbers up to `at_least`, unless that is asked already.
    pub(super) fn ask_seqs(&mut self, name: &str, at_least: u64, now: Instant) {
        let key: Arc<str> = match self.rooms.get_key_value(name) {
            Some((key, _)) => Arc::clone(key),
            None => name.into(),
        };
        let room = self
            .rooms
            .entry(Arc::clone(&key))
            .or_insert_with(|| Room::after(self.forgotten_through));
        if let Some(through) = room.lease.ask(room.last, at_least, now) {
            self.asked.rooms.insert(key, through);
        }
    }

    /// Forgets a room with everything that waits of it.
    pub(super) fn forget(&mut self, name: &str) {
        let Some((name, mut room)) = self.rooms.remove_entry(name) else {
            return;
        };
        room.seal();
        self.bytes -= room.sealed.iter().map(|block| block.lines.len()).sum::<usize>();
        if room.dirty {
            self.dirty.retain(|dirty| *dirty != name);
        }
        self.forgotten_through = self.forgotten_through.max(room.last);
        self.asked.rooms.remove(&name);
        self.asked.forgotten.insert(name);
        self.asked.forgotten_through = self.forgotten_through;
    }

    /// The last time the clock may show.
    pub(super) fn clock_through(&self) -> u64 {
        self.clock.through()
    }

    /// The clock shows `used` and may have to show `at_least`: asks for more when that is needed.
    pub(super) fn ask_clock(&mut self, used: u64, at_least: u64, now: Instant) {
        if let Some(through) = self.clock.ask(used, at_least, now) {
            self.asked.clock = self.asked.clock.max(Some(through));
        }
    }

    /// Whether somebody asked for numbers since they were last taken.
    pub(super) fn has_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The reservations asked for, to be granted when they are durable.
    pub(super) fn take_asked(&mut self) -> Reservations {
        mem::take(&mut self.asked)
    }

    /// The reservations may be used from now on.
    pub(super) fn grant(&mut self, granted: &Reservations) {
        for (name, through) in &granted.rooms {
            // What was reserved before a room was forgotten is forgotten with it, though it may have been opened again.
            if let Some(room) = self.rooms.get_mut(name)
                && !self.asked.forgotten.contains(name)
            {
                room.lease.granted(*through);
            }
        }
        if let Some(through) = granted.clock {
            self.clock.granted(through);
        }
    }

    /// The exact marks: what every room has really used, for a clean end.
    pub(super) fn exact(&self, clock: u64) -> Reservations {
        let rooms = self
            .rooms
            .iter()
            .map(|(name, room)| (Arc::clone(name), room.last))
            .collect();
        Reservations {
            rooms,
            clock: Some(clock),
            ..Reservations::default()
        }
    }

    /// Bytes waiting.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when the oldest event has been waiting.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// Copies of waiting blocks, oldest first within a room and about `bytes` in all.
    pub(super) fn batch(&mut self, bytes: usize) -> Batch {
        let mut batch = Batch::new();
        let mut taken = 0;
        for name in &self.dirty {
            if taken >= bytes {
                break;
            }
            let room = self.rooms.get_mut(name).expect("a dirty room exists");
            room.seal();
            let mut blocks = Vec::new();
            for block in &room.sealed {
                if taken >= bytes {
                    break;
                }
                taken += block.lines.len();
                blocks.push(block.clone());
            }
            batch.push((Arc::clone(name), blocks));
        }
        batch
    }

    /// The blocks of `batch` are stored: they need no longer wait.
    pub(super) fn stored(&mut self, batch: &Batch, now: Instant) {
        for (name, blocks) in batch {
            let through = blocks.last().map_or(0, |block| block.last);
            let Some(room) = self.rooms.get_mut(name) else {
                continue; // forgotten meanwhile
            };
            while room.sealed.front().is_some_and(|block| block.last <= through) {
                self.bytes -= room.drop_first();
            }
        }
        let rooms = &mut self.rooms;
        self.dirty.retain(|name| {
            let room = rooms.get_mut(name).expect("a dirty room exists");
            room.dirty = room.events > 0;
            room.dirty
        });
        // What is left is younger than what was stored; how much younger does not matter.
        self.oldest = (!self.dirty.is_empty()).then_some(now);
    }

    /// Gives up the oldest events of the rooms that hold most until at most `bytes` are waiting, and says how many
    /// were given up. A room is shortened by an eighth at a time, so that the search for the largest is rare.
    pub(super) fn shed(&mut self, bytes: usize) -> u64 {
        let mut shed = 0;
        while self.bytes > bytes {
            let Some(room) = self.rooms.values_mut().max_by_key(|room| room.events) else {
                break;
            };
            room.seal();
            let goal = room.events - room.events.div_ceil(8);
            while room.events > goal {
                shed += room.sealed.front().map_or(0, Block::events);
                self.bytes -= room.drop_first();
            }
        }
        shed
    }

    /// Forgets what the rooms hold beyond their bound: `--memory` keeps its history here.
    pub(super) fn prune(&mut self, name: &str) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        while room
            .sealed
            .front()
            .is_some_and(|block| room.events - block.events() >= self.events_max)
        {
            self.bytes -= room.drop_first();
        }
    }

    /// All waiting blocks of a room, oldest first.
    pub(super) fn snapshot(&self, name: &str) -> Vec<Block> {
        self.rooms.get(name).map_or_else(Vec::new, Room::snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reserved_before_a_room_was_forgotten_is_not_for_the_next_of_its_name() {
        let (mut queue, now) = (Queue::new(0, 0, 100), Instant::now());
        queue.ask_seqs("tea", 5000, now);
        let on_its_way = queue.take_asked();
        queue.forget("tea");
        queue.ask_seqs("tea", 7, now);
        queue.grant(&on_its_way);
        assert_eq!(queue.seqs_through("tea"), 0, "the disk is about to forget that");
        let asked = queue.take_asked();
        assert!(asked.forgotten.contains("tea"));
        queue.grant(&asked);
        assert_eq!(queue.seqs_through("tea"), asked.rooms["tea"]);
    }

    #[test]
    fn what_waits_of_a_forgotten_room_no_longer_waits() {
        let (mut queue, now) = (Queue::new(0, 0, 100), Instant::now());
        queue.append("tea", 1, 2, b"a\nb\n", now);
        queue.append("lobby", 1, 1, b"a\n", now);
        let on_its_way = queue.batch(1000);
        queue.forget("tea");
        queue.append("tea", 3, 3, b"c\n", now);
        queue.stored(&on_its_way, now);
        assert_eq!(queue.bytes(), 2);
        assert_eq!(queue.batch(1000)[0].1[0].first, 3);
    }

    #[test]
    fn what_is_owed_of_a_forgotten_room_is_no_longer_owed() {
        let (mut queue, now) = (Queue::new(0, 0, 100), Instant::now());
        queue.ask_seqs("tea", 5000, now);
        let mut owed = queue.take_asked();
        queue.forget("tea");
        owed.extend(queue.take_asked());
        assert!(owed.rooms.is_empty() && owed.forgotten.contains("tea"));
        queue.ask_seqs("tea", 7, now);
        let asked = queue.take_asked();
        let mark = asked.rooms["tea"];
        owed.extend(asked);
        assert_eq!(owed.rooms["tea"], mark);
    }
}
