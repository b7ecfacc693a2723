//! Where blocks stand, where the journal ends, and where to begin to look for an entry.

use super::sector::Chain;

/// Sectors between two marks of the index: how much is read at most to find an entry among short blocks.
pub(super) const MARK_SECTORS: u64 = 128;

/// Where a sector stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) sector: u32,
}

impl Place {
    /// The place as one number, which goes into the sector's checksum.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.sector)
    }
}

/// The end of the journal, and all that the next block depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Where the next block goes, unless it does not fit there.
    pub(crate) place: Place,
    /// Where the last block stands.
    pub(crate) last: Place,
    /// The number of the last block, 0 if there is none.
    pub(crate) block: u64,
    /// Its chain.
    pub(crate) chain: Chain,
    /// The number of the last entry.
    pub(crate) last_entry: u64,
    /// Its checksum.
    pub(crate) entry_chain: u32,
}

impl Cursor {
    /// The beginning of an empty journal.
    pub(crate) const START: Self = Self {
        place: Place {
            segment: 1,
            sector: 1,
        },
        last: Place {
            segment: 0,
            sector: 0,
        },
        block: 0,
        chain: [0; 32],
        last_entry: 0,
        entry_chain: 0,
    };
}

/// Where a block with this first entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) first_number: u64,
    pub(crate) place: Place,
}

/// Some blocks' places, in order, close enough to find every entry quickly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks(pub(crate) Vec<Mark>);

impl Marks {
    /// Takes note of a block if it is far enough from the last one noted.
    pub(crate) fn note(&mut self, mark: Mark) {
        let far = |last: &Mark| mark.place.number() - last.place.number() >= MARK_SECTORS;
        if self.0.last().is_none_or(far) {
            self.0.push(mark);
        }
    }

    /// The last mark at or before the entry.
    pub(super) fn before(&self, number: u64) -> Option<Mark> {
        let after = self.0.partition_point(|mark| mark.first_number <= number);
        after.checked_sub(1).map(|at| self.0[at])
    }
}
