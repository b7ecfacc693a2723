//! What the application is told is numbered without gaps, and a number means the same for good: over crashes too, where the
//! member keeps a journal. An application that stores its position has every message exactly once by it.

use crate::sim::history::History;

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    history.misnumbered.clone().map_or(Ok(()), Err)
}
