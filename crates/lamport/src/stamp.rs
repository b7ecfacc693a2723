//! A point in the total order of all events.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ProcessId;

/// A Lamport time and the process it was read at: Lamport's total order `=>` (1978, section "Ordering the Events
/// Totally").
///
/// Stamps compare by `time` first and by `process` where two times are equal. If an event happened before another,
/// its stamp is smaller; the converse does not hold, and that is all a Lamport clock can tell.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The process's clock at the event.
    #[serde(rename = "lamport")]
    pub time: u64,
    /// The process at which the event happened; breaks ties.
    pub process: ProcessId,
}

impl Stamp {
    /// The stamp of an event at `process` when its clock showed `time`.
    #[must_use]
    pub fn new(time: u64, process: ProcessId) -> Self {
        Self { time, process }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.time, self.process)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(time: u64, process: &str) -> Stamp {
        Stamp::new(time, ProcessId::new(process).unwrap())
    }

    #[test]
    fn time_decides_and_the_process_breaks_ties() {
        assert!(stamp(1, "P9") < stamp(2, "P1"));
        assert!(stamp(2, "P1") < stamp(2, "P2"));
        assert!(stamp(2, "P2") < stamp(2, "P10"));
        assert_eq!(stamp(2, "P2"), stamp(2, "P2"));
    }
}
