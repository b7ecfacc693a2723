//! What a member has delivered of each origin, also where its trace has holes.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Place;

#[derive(Debug, Default)]
pub(super) struct Member {
    /// By stream.
    pub(super) held: Vec<Held>,
    /// Streams of which it delivered something since its last own broadcast.
    pub(super) fresh: BTreeSet<u32>,
    pub(super) last: Option<(u64, u32, Place)>,
    /// The epoch of its trace in which it started with nothing delivered; `None` if it started again without its
    /// memory, so that what it has from before is not known.
    pub(super) began: Option<u32>,
}

/// What a member delivered, or was told it never will, of one stream.
#[derive(Debug, Default, Clone)]
pub(super) struct Held {
    /// All numbers up to here.
    pub(super) through: u64,
    above: BTreeSet<u64>,
    /// Beyond a number that may still come: first and last of what will not.
    missed: BTreeMap<u64, u64>,
    /// Of the numbers up to here it is not known which came: they may or may not come again.
    floor: u64,
    pub(super) place: Option<Place>,
    /// The epoch in which all of this is known for sure.
    pub(super) epoch: Option<u32>,
}

impl Member {
    pub(super) fn held(&mut self, stream: u32) -> &mut Held {
        let index = stream as usize;
        if self.held.len() <= index {
            self.held.resize(
                index + 1,
                Held {
                    epoch: self.began,
                    ..Held::default()
                },
            );
        }
        &mut self.held[index]
    }
}

impl Held {
    /// Takes a number; false if it was there.
    pub(super) fn take(&mut self, number: u64) -> bool {
        if number <= self.floor {
            return true;
        }
        if number <= self.through || !self.above.insert(number) {
            return false;
        }
        self.close();
        true
    }

    /// What came just before this number is not known.
    pub(super) fn resume_at(&mut self, number: u64) {
        if number > self.through + 1 {
            self.floor = number - 1;
            self.through = number - 1;
            self.above = self.above.split_off(&number);
            self.close();
        }
    }

    /// The numbers from `first` through `last` will never come.
    pub(super) fn miss(&mut self, first: u64, last: u64) {
        let end = self.missed.entry(first).or_insert(last);
        *end = last.max(*end);
        self.close();
    }

    fn close(&mut self) {
        loop {
            if let Some(missed) = self.missed.first_entry()
                && *missed.key() <= self.through + 1
            {
                self.through = self.through.max(missed.remove());
                self.above = self.above.split_off(&(self.through + 1));
            } else if self.above.remove(&(self.through + 1)) {
                self.through += 1;
            } else {
                return;
            }
        }
    }
}
