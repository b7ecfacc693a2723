//! What a stream goes on without: messages that nobody has any more, that a former self had, or that lie beyond its end.

use super::ranges::extend;
use super::{Slot, Stream};
use crate::limits::{LOST_TOLD_MAX, SKIPPED_SLOTS_MAX};

impl Stream {
    /// Moves over messages that nobody has any more.
    pub(in crate::core) fn skip_missed(&mut self) {
        while self.delivered < self.through
            && matches!(
                self.slots.get((self.delivered + 1 - self.base) as usize),
                Some(Slot::Missed)
            )
        {
            self.delivered += 1;
        }
    }

    /// How far a stream that nobody can give the next message of must be given up: up to the first that can be had, else up
    /// to its end as far as it is known.
    pub(in crate::core) fn lost_through(&self) -> u64 {
        let next = self.through + 1;
        let here = (next..=self.top()).find(|&sequence| self.held(sequence).is_some());
        let elsewhere = self.views.iter().filter_map(|view| view.first_from(next)).min();
        let end = self.ended.map(|ended| ended.last + 1);
        let known = self.views.iter().map(|view| view.through + 1).max().unwrap_or(0);
        here.into_iter()
            .chain(elsewhere)
            .chain(end)
            .min()
            .unwrap_or(known)
            .saturating_sub(1)
    }

    /// What cannot be had here: everything up to a sequence, and the last ranges above it that were skipped.
    pub(in crate::core) fn unavailable(&self) -> (u64, Vec<(u64, u64)>) {
        let mut lost = self.lost();
        let untold = lost.len().saturating_sub(LOST_TOLD_MAX);
        let purged = lost
            .drain(..untold)
            .next_back()
            .map_or(self.purged(), |range| range.1);
        (purged, lost)
    }

    /// What was skipped and still has its slot, as ranges.
    fn lost(&self) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        if self.missed > 0 {
            for sequence in self.base..=self.top() {
                if matches!(self.slots[(sequence - self.base) as usize], Slot::Missed) {
                    extend(&mut ranges, sequence, sequence);
                }
            }
        }
        ranges
    }

    /// Gives up what was not received up to `last`, as far as there is room to [skip](Self::skip) it. Returns the ranges given up.
    pub(in crate::core) fn give_up(&mut self, last: u64) -> Vec<(u64, u64)> {
        let missed = self.skip(last);
        self.dropped = self.dropped.max(last.min(self.through));
        missed
    }

    /// A former self delivered everything up to `last`: what is not here is not waited for, and cannot be had here. What was
    /// received is kept for others.
    pub(in crate::core) fn had(&mut self, last: u64) {
        self.had = self.had.max(last);
        if last > self.delivered {
            // What this life delivered and has not declared yet stays to be declared.
            let all_declared = self.declared >= self.delivered;
            self.skip(last);
            if self.through < last {
                // Of what is kept below nothing waits for its turn any more, and others have it too.
                self.restart_after(last);
            }
            self.delivered = self.delivered.max(last);
            self.skip_missed();
            if all_declared {
                self.declared = self.delivered;
            }
        }
    }

    /// Moves the watermark over what was not received up to `last`. Returns the ranges that lack.
    ///
    /// What is skipped above something kept takes a slot each. So a jump that is too long for that forgets what is kept for others, and
    /// goes no further than [`SKIPPED_SLOTS_MAX`] over what waits for its turn.
    pub(in crate::core) fn skip(&mut self, last: u64) -> Vec<(u64, u64)> {
        let mut missed = Vec::new();
        let top = self.top().max(self.through);
        for sequence in self.through + 1..=last.min(top) {
            let slot = &mut self.slots[(sequence - self.base) as usize];
            if matches!(slot, Slot::Gap) {
                *slot = Slot::Missed;
                self.missed += 1;
                extend(&mut missed, sequence, sequence);
            }
        }
        self.advance();
        self.skip_missed();
        if last > self.through {
            // Nothing is held up there.
            let before = self.through;
            let room = SKIPPED_SLOTS_MAX.saturating_sub(self.missed) as u64;
            if self.slots.is_empty() {
                self.restart_after(last);
            } else if last - before > room && self.delivered == before {
                self.dropped = self.dropped.max(before);
                self.restart_after(last);
            } else {
                self.skip_in_slots(last.min(before + room));
            }
            if self.through > before {
                extend(&mut missed, before + 1, self.through);
            }
        }
        missed
    }

    /// Skips everything up to `last` as a former life did, which had the slots for it.
    pub(in crate::core) fn skip_again(&mut self, last: u64) {
        self.skip(last);
        self.skip_in_slots(last);
    }

    fn skip_in_slots(&mut self, last: u64) {
        let more = last.saturating_sub(self.through);
        self.missed += more as usize;
        self.slots.extend((0..more).map(|_| Slot::Missed));
        self.through += more;
        self.skip_missed();
    }

    /// Forgets what lies beyond `last`, the end of the stream: in this life it was never delivered. A former self that lost its
    /// state may have been further, with messages that died with it and the sender.
    pub(in crate::core) fn cut(&mut self, last: u64) {
        let keep = (last + 1).saturating_sub(self.base) as usize;
        for slot in self.slots.drain(keep.min(self.slots.len())..) {
            self.missed -= usize::from(slot == Slot::Missed);
            self.kept_bytes -= slot.bytes();
        }
        self.through = self.through.min(last);
        if self.delivered > last {
            // Only a start lies beyond the end of a stream.
            self.restart_after(last);
        }
    }

    /// Goes on after `last` with nothing kept.
    fn restart_after(&mut self, last: u64) {
        self.slots.clear();
        self.missed = 0;
        self.kept_bytes = 0;
        self.base = last + 1;
        self.through = last;
        self.delivered = last;
    }
}

#[cfg(test)]
mod tests {
    use lamport::TIME_MAX;

    use super::*;
    use crate::core::stream::Place;
    use crate::core::stream::tests::{offer, stream};

    #[test]
    fn giving_up_skips_exactly_what_is_not_there() {
        let mut stream = stream();
        for sequence in [1, 4, 6] {
            offer(&mut stream, sequence);
        }
        stream.delivered = 1;
        assert_eq!(stream.give_up(4), [(2, 3)]);
        assert_eq!(
            (stream.through, stream.delivered),
            (4, 3),
            "4 is held and still to be delivered"
        );
        assert_eq!(stream.give_up(9), [(5, 5), (7, 9)]);
        assert_eq!((stream.through, stream.delivered), (9, 3));
        stream.delivered = 4;
        stream.skip_missed();
        assert_eq!(stream.head().map(|held| held.message.id.sequence), Some(6));
    }

    /// A stream with the messages up to `received`, of which those up to `delivered` were.
    fn with(received: u64, delivered: u64) -> Stream {
        let mut stream = stream();
        for sequence in 1..=received {
            offer(&mut stream, sequence);
        }
        stream.delivered = delivered;
        stream
    }

    #[test]
    fn a_jump_takes_no_room() {
        let mut stream = with(3, 3);
        assert_eq!(stream.give_up(TIME_MAX), [(4, TIME_MAX)]);
        assert_eq!((stream.through, stream.delivered), (TIME_MAX, TIME_MAX));
        assert_eq!((stream.slots.len(), stream.kept_bytes), (0, 0));
        assert_eq!(stream.dropped, TIME_MAX, "what was kept for others too");
        assert_eq!(stream.place(TIME_MAX), Place::Duplicate);
    }

    #[test]
    fn a_jump_over_what_waits_goes_on_when_that_is_delivered() {
        let mut stream = with(3, 1);
        for _ in 0..5 {
            stream.give_up(TIME_MAX);
            assert_eq!(stream.slots.len(), 3 + SKIPPED_SLOTS_MAX);
            assert_eq!((stream.delivered, stream.dropped), (1, stream.through));
        }
        stream.delivered = 3;
        stream.skip_missed();
        let from = stream.through + 1;
        assert_eq!(stream.give_up(TIME_MAX), [(from, TIME_MAX)]);
        assert_eq!((stream.delivered, stream.slots.len()), (TIME_MAX, 0));
    }

    #[test]
    fn what_a_former_self_had_is_behind_however_far_it_was() {
        let mut stream = with(3, 1);
        stream.had(TIME_MAX);
        assert_eq!((stream.through, stream.delivered), (TIME_MAX, TIME_MAX));
        assert_eq!(stream.slots.len(), 0);
    }

    #[test]
    fn a_journal_s_skips_are_skipped_again() {
        let mut stream = with(3, 1);
        stream.skip_again(2 * SKIPPED_SLOTS_MAX as u64);
        assert_eq!(
            (stream.through, stream.delivered),
            (2 * SKIPPED_SLOTS_MAX as u64, 1)
        );
    }

    #[test]
    fn the_end_of_a_stream_may_lie_before_what_is_kept() {
        let mut stream = with(6, 2);
        stream.had(6);
        stream.cut(4);
        assert_eq!((stream.through, stream.delivered, stream.purged()), (4, 4, 4));
        assert_eq!((stream.slots.len(), stream.kept_bytes), (0, 0));
    }

    #[test]
    fn skipped_ranges_are_told_so_many_and_no_more() {
        let mut stream = stream();
        let last = 2 * LOST_TOLD_MAX as u64 + 4;
        for sequence in (2..=last).step_by(2) {
            offer(&mut stream, sequence);
        }
        stream.give_up(last);
        let (purged, lost) = stream.unavailable();
        assert_eq!((purged, lost.len()), (3, LOST_TOLD_MAX));
        assert_eq!((lost[0], lost[LOST_TOLD_MAX - 1]), ((5, 5), (last - 1, last - 1)));
    }
}
