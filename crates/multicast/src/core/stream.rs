//! One sender's sequence at one member: what was received, what is kept, and who else has it.
//!
//! Received messages are a watermark (`through`: everything up to it) and the slots above it with their gaps, never an
//! endless set. Slots from `base` on are kept for members that may lack them.

use std::collections::{BTreeSet, VecDeque};

use super::frame::{Ended, Message, StreamId};
use crate::limits::{GAPS_TOLD_MAX, HOLD_MAX, WINDOW_MESSAGES};

/// A message kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) message: Message,
    /// The Lamport time of the receive (of the send, for one's own).
    pub(super) received: u64,
    /// When it was received, in the driver's time.
    pub(super) seen_at: u64,
    /// Bytes of the stream's messages before this one that passed through here.
    pub(super) bytes_before: u64,
}

/// One place of the sequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// Not received yet.
    Gap,
    /// Nobody has it any more: skipped and told.
    Missed,
    Held(Held),
}

impl Slot {
    fn bytes(&self) -> u64 {
        match self {
            Slot::Held(held) => held.message.data.len() as u64,
            Slot::Missed | Slot::Gap => 0,
        }
    }
}

/// What is known of another member's copy of the stream, and how far it has been sent there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) through: u64,
    pub(super) delivered: u64,
    pub(super) purged: u64,
    pub(super) dropped: u64,
    pub(super) had: u64,
    pub(super) lost: Vec<(u64, u64)>,
    pub(super) beyond: Vec<(u64, u64)>,
    /// The next sequence to send to it.
    pub(super) cursor: u64,
    /// Messages that may be on their way.
    pub(super) window: u64,
    /// When something was last sent or acknowledged.
    pub(super) moved_at: u64,
    /// How often in a row it had to be sent again.
    pub(super) resent: u32,
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
    pub(super) fn learn(&mut self, through: u64) {
        self.through = through;
        self.cursor = self.cursor.max(through + 1);
    }

    /// Whether the member is known to have `sequence`.
    pub(super) fn has(&self, sequence: u64) -> bool {
        sequence <= self.through || within(&self.beyond, sequence)
    }

    /// Whether the member is known to be able to give `sequence`.
    pub(super) fn can_give(&self, sequence: u64) -> bool {
        sequence > self.purged && self.has(sequence) && !within(&self.lost, sequence)
    }

    /// How far the member has given up `next` and what follows it.
    pub(super) fn gave_up(&self, next: u64) -> Option<u64> {
        (self.dropped >= next && self.had < next).then_some(self.dropped)
    }

    /// The first sequence from `next` on that the member is known to be able to give.
    fn first_from(&self, next: u64) -> Option<u64> {
        let starts = [next, self.purged + 1].into_iter();
        let starts = starts
            .chain(self.lost.iter().map(|range| range.1 + 1))
            .chain(self.beyond.iter().map(|range| range.0));
        starts
            .filter(|&sequence| sequence >= next && self.can_give(sequence))
            .min()
    }
}

fn within(ranges: &[(u64, u64)], sequence: u64) -> bool {
    ranges.iter().any(|&(from, to)| (from..=to).contains(&sequence))
}

/// Puts `sequence` at the end of ascending ranges.
fn extend(ranges: &mut Vec<(u64, u64)>, sequence: u64) {
    match ranges.last_mut() {
        Some(range) if range.1 + 1 == sequence => range.1 = sequence,
        _ => ranges.push((sequence, sequence)),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    /// The sequence of `slots[0]`; everything before is delivered and no longer kept.
    pub(super) base: u64,
    pub(super) slots: VecDeque<Slot>,
    pub(super) through: u64,
    pub(super) delivered: u64,
    /// Every member has delivered everything up to here, in this life or a former one.
    pub(super) stable: u64,
    /// Deliveries and misses that are not known to be safe, each miss by the first sequence of its range. They need not be told
    /// in their sequence: a miss goes before a held message that waits for its turn below it.
    pub(super) untaken: BTreeSet<u64>,
    /// Something up to here was given up.
    pub(super) dropped: u64,
    /// A former self, whose state is lost, delivered everything up to here: what of it is not here was not given up.
    pub(super) had: u64,
    /// How many slots are [`Slot::Missed`].
    missed: usize,
    /// The stamp of the message at `through`: later ones have larger stamps.
    pub(super) last_stamp: u64,
    pub(super) ended: Option<Ended>,
    pub(super) views: Vec<View>,
    /// Bytes of all messages that passed through here.
    pub(super) bytes: u64,
    /// Bytes of those kept.
    pub(super) kept_bytes: u64,
    /// What the own messages already said to come after.
    pub(super) declared: u64,
}

/// What became of a message offered to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It would be new.
    New,
    /// It was received before.
    Duplicate,
    /// It lies too far above a gap to be kept.
    TooFar,
}

impl Stream {
    /// A stream of which everything up to `start` is behind us.
    pub(super) fn new(id: StreamId, start: u64, members: usize) -> Self {
        let view = View {
            cursor: start + 1,
            ..View::default()
        };
        Self {
            id,
            base: start + 1,
            slots: VecDeque::new(),
            through: start,
            delivered: start,
            stable: 0,
            untaken: BTreeSet::new(),
            dropped: 0,
            had: 0,
            missed: 0,
            last_stamp: 0,
            ended: None,
            views: vec![view; members],
            bytes: 0,
            kept_bytes: 0,
            declared: 0,
        }
    }

    /// Everything up to here is no longer kept.
    pub(super) fn purged(&self) -> u64 {
        self.base - 1
    }

    /// How far the others may know this member to be: what follows it may need again from them after a crash.
    pub(super) fn safe(&self) -> u64 {
        let taken = self.untaken.first().map_or(u64::MAX, |first| first - 1);
        // What a former self had, or everybody, was safe before this life began.
        self.delivered.min(taken.max(self.had).max(self.stable))
    }

    /// The highest sequence received.
    pub(super) fn top(&self) -> u64 {
        self.purged() + self.slots.len() as u64
    }

    /// Where `sequence` would go.
    pub(super) fn place(&self, sequence: u64) -> Place {
        if sequence <= self.through {
            Place::Duplicate
        } else if sequence > self.through + HOLD_MAX {
            Place::TooFar
        } else {
            match self.slots.get((sequence - self.base) as usize) {
                None | Some(Slot::Gap) => Place::New,
                Some(Slot::Held(_) | Slot::Missed) => Place::Duplicate,
            }
        }
    }

    /// Keeps a message whose place is [`Place::New`] and moves the watermark over it and what stands ready above.
    pub(super) fn insert(&mut self, message: Message, received: u64, seen_at: u64) {
        let sequence = message.id.sequence;
        debug_assert_eq!(self.place(sequence), Place::New);
        let held = Held {
            bytes_before: self.bytes,
            message,
            received,
            seen_at,
        };
        self.bytes += held.message.data.len() as u64;
        self.kept_bytes += held.message.data.len() as u64;
        let index = (sequence - self.base) as usize;
        if index == self.slots.len() {
            self.slots.push_back(Slot::Held(held));
        } else {
            while self.slots.len() <= index {
                self.slots.push_back(Slot::Gap);
            }
            self.slots[index] = Slot::Held(held);
        }
        self.advance();
    }

    fn advance(&mut self) {
        loop {
            match self.slots.get((self.through + 1 - self.base) as usize) {
                Some(Slot::Held(held)) => self.last_stamp = held.message.stamp,
                Some(Slot::Missed) => {}
                Some(Slot::Gap) | None => return,
            }
            self.through += 1;
        }
    }

    pub(super) fn held(&self, sequence: u64) -> Option<&Held> {
        match self.slots.get(sequence.checked_sub(self.base)? as usize) {
            Some(Slot::Held(held)) => Some(held),
            _ => None,
        }
    }

    /// The next message to deliver in the stream's own order.
    pub(super) fn head(&self) -> Option<&Held> {
        if self.delivered == self.through {
            None
        } else {
            self.held(self.delivered + 1)
        }
    }

    /// Messages delivered and kept for others.
    #[cfg(test)]
    pub(super) fn kept_for_others(&self) -> u64 {
        self.delivered + 1 - self.base
    }

    /// Moves over messages that nobody has any more.
    pub(super) fn skip_missed(&mut self) {
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
    pub(super) fn lost_through(&self) -> u64 {
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

    /// What was skipped and still has its slot, as ranges.
    pub(super) fn lost(&self) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        if self.missed > 0 {
            for sequence in self.base..=self.top() {
                if matches!(self.slots[(sequence - self.base) as usize], Slot::Missed) {
                    extend(&mut ranges, sequence);
                }
            }
        }
        ranges
    }

    /// Gives up everything not received up to `last`. Returns the ranges given up.
    pub(super) fn give_up(&mut self, last: u64) -> Vec<(u64, u64)> {
        let missed = self.skip(last);
        self.dropped = self.dropped.max(last);
        missed
    }

    /// A former self delivered everything up to `last`: what is not here is not waited for, and cannot be had here. What was
    /// received is kept for others.
    pub(super) fn had(&mut self, last: u64) {
        self.had = self.had.max(last);
        if last > self.delivered {
            // What this life delivered and has not declared yet stays to be declared.
            let all_declared = self.declared >= self.delivered;
            self.skip(last);
            self.delivered = self.delivered.max(last);
            self.skip_missed();
            if all_declared {
                self.declared = self.delivered;
            }
        }
    }

    /// Moves the watermark over everything not received up to `last`. Returns the ranges that lack.
    pub(super) fn skip(&mut self, last: u64) -> Vec<(u64, u64)> {
        let mut missed: Vec<(u64, u64)> = Vec::new();
        let mut miss = |from: u64, to: u64| match missed.last_mut() {
            Some(range) if range.1 + 1 == from => range.1 = to,
            _ => missed.push((from, to)),
        };
        let top = self.top().max(self.through);
        for sequence in self.through + 1..=last.min(top) {
            let slot = &mut self.slots[(sequence - self.base) as usize];
            if matches!(slot, Slot::Gap) {
                *slot = Slot::Missed;
                self.missed += 1;
                miss(sequence, sequence);
            }
        }
        self.advance();
        if last > self.through {
            // Nothing is held up there: the watermark jumps, and what is kept below keeps its slots.
            miss(self.through + 1, last);
            if self.slots.is_empty() {
                self.base = last + 1;
                self.delivered = last;
            } else {
                self.missed += (last - self.through) as usize;
                self.slots.extend((self.through..last).map(|_| Slot::Missed));
            }
            self.through = last;
        }
        self.skip_missed();
        missed
    }

    /// Forgets what lies beyond `last`, the end of the stream: in this life it was never delivered. A former self that lost its
    /// state may have been further, with messages that died with it and the sender.
    pub(super) fn cut(&mut self, last: u64) {
        let keep = (last + 1).saturating_sub(self.base) as usize;
        for slot in self.slots.drain(keep.min(self.slots.len())..) {
            self.missed -= usize::from(slot == Slot::Missed);
            self.kept_bytes -= slot.bytes();
        }
        self.through = self.through.min(last);
        if self.delivered > last {
            debug_assert!(
                self.slots.is_empty(),
                "only a start may lie beyond the end of a stream"
            );
            self.delivered = last;
            self.base = last + 1;
        }
    }

    /// Drops the oldest message kept, if it is delivered. Returns its size.
    pub(super) fn purge_one(&mut self) -> Option<u64> {
        if self.base > self.delivered {
            return None;
        }
        let slot = self.slots.pop_front()?;
        self.base += 1;
        self.missed -= usize::from(slot == Slot::Missed);
        self.kept_bytes -= slot.bytes();
        Some(slot.bytes())
    }

    /// Gives back the room of a burst that is over; what a window needs is kept.
    pub(super) fn give_back_room(&mut self) {
        let needed = self.slots.len().max(WINDOW_MESSAGES as usize);
        if self.slots.capacity() > 2 * needed {
            self.slots.shrink_to(needed);
        }
    }

    /// What is held above the watermark, as ranges.
    pub(super) fn beyond(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for sequence in self.through + 1..=self.top() {
            if self.held(sequence).is_none() {
                continue;
            }
            if let Some(range) = ranges.last_mut().filter(|range| range.1 + 1 == sequence) {
                range.1 = sequence;
            } else if ranges.len() < GAPS_TOLD_MAX {
                ranges.push((sequence, sequence));
            } else {
                break;
            }
        }
        ranges
    }

    /// Bytes between what `view` has and its cursor.
    pub(super) fn bytes_under_way(&self, view: &View) -> u64 {
        let at = |sequence: u64| self.held(sequence).map_or(self.bytes, |held| held.bytes_before);
        if view.cursor <= view.through + 1 {
            0
        } else {
            at(view.cursor).saturating_sub(at((view.through + 1).max(self.base)))
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::core::frame::MessageId;
    use crate::members::Member;

    fn id() -> StreamId {
        StreamId {
            origin: Member::new(0),
            incarnation: 1,
        }
    }

    fn offer(stream: &mut Stream, sequence: u64) -> Place {
        let place = stream.place(sequence);
        if place == Place::New {
            let id = MessageId {
                stream: id(),
                sequence,
            };
            let message = Message {
                id,
                stamp: sequence * 10,
                after: None,
                data: Bytes::from_static(b"xy"),
            };
            stream.insert(message, 0, 0);
        }
        place
    }

    #[test]
    fn a_watermark_and_its_gaps_stand_for_the_whole_history() {
        let mut stream = Stream::new(id(), 0, 2);
        assert_eq!(
            [1, 2, 2, 1].map(|s| offer(&mut stream, s)),
            [Place::New, Place::New, Place::Duplicate, Place::Duplicate]
        );
        assert_eq!([4, 7, 5].map(|s| offer(&mut stream, s)), [Place::New; 3]);
        assert_eq!((stream.through, stream.beyond()), (2, vec![(4, 5), (7, 7)]));
        assert_eq!(offer(&mut stream, 3), Place::New);
        assert_eq!(
            (stream.through, stream.last_stamp, stream.beyond()),
            (5, 50, vec![(7, 7)])
        );
        assert_eq!(offer(&mut stream, 5 + HOLD_MAX + 1), Place::TooFar);
    }

    #[test]
    fn giving_up_skips_exactly_what_is_not_there() {
        let mut stream = Stream::new(id(), 0, 2);
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

    #[test]
    fn only_delivered_messages_are_purged() {
        let mut stream = Stream::new(id(), 0, 2);
        offer(&mut stream, 1);
        assert_eq!(stream.purge_one(), None);
        stream.delivered = 1;
        assert_eq!(
            (stream.purge_one(), stream.purged(), stream.purge_one()),
            (Some(2), 1, None)
        );
        assert_eq!(offer(&mut stream, 1), Place::Duplicate);
    }
}
