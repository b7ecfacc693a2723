//! Where an event stands in the traces.

use std::fmt;

/// Where an event stands: the number of its source, from 0 in the order they were added, its line, and which it is on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

impl Place {
    const NTH_BITS: u32 = 12;
    const LINE_BITS: u32 = 40;

    /// The line `line` of the source number `source`, and the first event on it.
    ///
    /// # Panics
    ///
    /// Beyond 2^12 sources or 2^40 lines.
    #[must_use]
    pub const fn new(source: u32, line: u64) -> Self {
        assert!(source < 1 << (64 - Self::LINE_BITS - Self::NTH_BITS) && line < 1 << Self::LINE_BITS);
        Self(((source as u64) << Self::LINE_BITS | line) << Self::NTH_BITS)
    }

    /// Another event on the same line, counted from 0.
    ///
    /// # Panics
    ///
    /// Beyond 2^12 events.
    #[must_use]
    pub const fn with_nth(self, nth: u32) -> Self {
        assert!(nth < 1 << Self::NTH_BITS);
        Self(self.0 >> Self::NTH_BITS << Self::NTH_BITS | nth as u64)
    }

    /// The number of the source.
    #[must_use]
    pub const fn source(self) -> u32 {
        (self.0 >> (Self::LINE_BITS + Self::NTH_BITS)) as u32
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(self) -> u64 {
        self.0 >> Self::NTH_BITS & ((1 << Self::LINE_BITS) - 1)
    }

    /// Which event on the line, from 0: most lines tell one.
    #[must_use]
    pub const fn nth(self) -> u32 {
        (self.0 & ((1 << Self::NTH_BITS) - 1)) as u32
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source(), self.line(), self.nth())
    }
}
