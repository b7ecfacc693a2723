//! What is to be reserved and forgotten, on its way to the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How far numbers are to be reserved.
///
/// All of it is made durable at once: a room is gone from the disk only together with the number that it leaves behind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Reservations {
    pub(super) rooms: BTreeMap<Arc<str>, u64>,
    pub(super) clock: Option<u64>,
    /// Rooms to be forgotten. They come before `rooms`: one may have been opened again.
    pub(super) forgotten: BTreeSet<Arc<str>>,
    /// No room forgotten so far used a higher number.
    pub(super) forgotten_through: u64,
}

impl Reservations {
    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.clock.is_none() && self.forgotten.is_empty()
    }

    /// Adds what was asked for later; the further mark counts.
    pub(super) fn extend(&mut self, later: Self) {
        for room in later.forgotten {
            self.rooms.remove(&room);
            self.forgotten.insert(room);
        }
        for (room, through) in later.rooms {
            let mark = self.rooms.entry(room).or_default();
            *mark = through.max(*mark);
        }
        self.clock = self.clock.max(later.clock);
        self.forgotten_through = self.forgotten_through.max(later.forgotten_through);
    }
}
