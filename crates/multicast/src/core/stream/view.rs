//! What a member knows of another member's copy of a stream, and how far it has sent it there.

use super::ranges::within;
use crate::limits::WINDOW_MESSAGES;

/// What is known of another member's copy of the stream, and how far it has been sent there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::core) struct View {
    pub(in crate::core) through: u64,
    pub(in crate::core) delivered: u64,
    pub(in crate::core) purged: u64,
    pub(in crate::core) dropped: u64,
    pub(in crate::core) had: u64,
    pub(in crate::core) lost: Vec<(u64, u64)>,
    pub(in crate::core) beyond: Vec<(u64, u64)>,
    /// The next sequence to send to it.
    pub(in crate::core) cursor: u64,
    /// Messages that may be on their way.
    pub(in crate::core) window: u64,
    /// When something was last sent or acknowledged.
    pub(in crate::core) moved_at: u64,
    /// How often in a row it had to be sent again.
    pub(in crate::core) resent: u32,
}

impl Default for View {
    fn default() -> Self {
        Self {
            through: 0,
            delivered: 0,
            purged: 0,
            dropped: 0,
            had: 0,
            lost: Vec::new(),
            beyond: Vec::new(),
            cursor: 1,
            window: WINDOW_MESSAGES,
            moved_at: 0,
            resent: 0,
        }
    }
}

impl View {
    /// The member has everything up to `through`, however it got it: the cursor never stands below.
    pub(in crate::core) fn learn(&mut self, through: u64) {
        self.through = through;
        self.cursor = self.cursor.max(through + 1);
    }

    /// Whether the member is known to have `sequence`.
    pub(in crate::core) fn has(&self, sequence: u64) -> bool {
        sequence <= self.through || within(&self.beyond, sequence)
    }

    /// Whether the member is known to be able to give `sequence`.
    pub(in crate::core) fn can_give(&self, sequence: u64) -> bool {
        sequence > self.purged && self.has(sequence) && !within(&self.lost, sequence)
    }

    /// How far the member has given up `next` and what follows it.
    pub(in crate::core) fn gave_up(&self, next: u64) -> Option<u64> {
        (self.dropped >= next && self.had < next).then_some(self.dropped)
    }

    /// The first sequence from `next` on that the member is known to be able to give.
    pub(super) fn first_from(&self, next: u64) -> Option<u64> {
        let starts = [next, self.purged + 1].into_iter();
        let starts = starts
            .chain(self.lost.iter().map(|range| range.1 + 1))
            .chain(self.beyond.iter().map(|range| range.0));
        starts
            .filter(|&sequence| sequence >= next && self.can_give(sequence))
            .min()
    }
}
