//! Where an event stands in the traces.

use std::fmt;

/// Where an event stands: the number of its source, from 0 in the order they were added, and its line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

impl Place {
    const LINE_BITS: u32 = 44;

    /// The line `line` of the source number `source`.
    ///
    /// # Panics
    ///
    /// Beyond 2^20 sources or 2^44 lines.
    #[must_use]
    pub const fn new(source: u32, line: u64) -> Self {
        assert!(source < 1 << (64 - Self::LINE_BITS) && line < 1 << Self::LINE_BITS);
        Self((source as u64) << Self::LINE_BITS | line)
    }

    /// The number of the source.
    #[must_use]
    pub const fn source(self) -> u32 {
        (self.0 >> Self::LINE_BITS) as u32
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(self) -> u64 {
        self.0 & ((1 << Self::LINE_BITS) - 1)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source(), self.line())
    }
}
