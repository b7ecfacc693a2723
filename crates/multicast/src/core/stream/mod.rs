//! One sender's sequence at one member: what was received, what is kept, and who else has it.
//!
//! Received messages are a watermark (`through`: everything up to it) and the slots above it with their gaps, never an
//! endless set. Slots from `base` on are kept for members that may lack them.

mod missed;
mod ranges;
mod untaken;
mod view;

use std::collections::VecDeque;

use self::ranges::extend;
use self::untaken::Untaken;
pub(in crate::core) use self::view::View;
use super::frame::{Ended, Message, StreamId};
use crate::limits::{GAPS_TOLD_MAX, HOLD_MAX, WINDOW_MESSAGES};

/// A message kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::core) struct Held {
    pub(in crate::core) message: Message,
    /// The Lamport time of the receive (of the send, for one's own).
    pub(in crate::core) received: u64,
    /// When it was received, in the driver's time.
    pub(in crate::core) seen_at: u64,
    /// Bytes of the stream's messages before this one that passed through here.
    pub(in crate::core) bytes_before: u64,
}

/// One place of the sequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::core) enum Slot {
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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::core) struct Stream {
    pub(in crate::core) id: StreamId,
    /// The sequence of `slots[0]`; everything before is delivered and no longer kept.
    pub(in crate::core) base: u64,
    pub(in crate::core) slots: VecDeque<Slot>,
    pub(in crate::core) through: u64,
    pub(in crate::core) delivered: u64,
    /// Every member has delivered everything up to here, in this life or a former one.
    pub(in crate::core) stable: u64,
    pub(in crate::core) untaken: Untaken,
    /// Something up to here was given up.
    pub(in crate::core) dropped: u64,
    /// A former self, whose state is lost, delivered everything up to here: what of it is not here was not given up.
    pub(in crate::core) had: u64,
    /// How many slots are [`Slot::Missed`].
    missed: usize,
    /// The stamp of the message at `through`: later ones have larger stamps.
    pub(in crate::core) last_stamp: u64,
    pub(in crate::core) ended: Option<Ended>,
    pub(in crate::core) views: Vec<View>,
    /// Bytes of all messages that passed through here.
    pub(in crate::core) bytes: u64,
    /// Bytes of those kept.
    pub(in crate::core) kept_bytes: u64,
    /// What the own messages already said to come after.
    pub(in crate::core) declared: u64,
}

/// What became of a message offered to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Place {
    /// It would be new.
    New,
    /// It was received before.
    Duplicate,
    /// It lies too far above a gap to be kept.
    TooFar,
}

impl Stream {
    /// A stream of which everything up to `start` is behind us.
    pub(in crate::core) fn new(id: StreamId, start: u64, members: usize) -> Self {
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
            untaken: Untaken::default(),
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
    pub(in crate::core) fn purged(&self) -> u64 {
        self.base - 1
    }

    /// How far the others may know this member to be: what follows it may need again from them after a crash.
    pub(in crate::core) fn safe(&self) -> u64 {
        let taken = self.untaken.lowest().map_or(u64::MAX, |first| first - 1);
        // What a former self had, or everybody, was safe before this life began.
        self.delivered.min(taken.max(self.had).max(self.stable))
    }

    /// The highest sequence received.
    pub(in crate::core) fn top(&self) -> u64 {
        self.purged() + self.slots.len() as u64
    }

    /// The largest stamp received.
    pub(in crate::core) fn top_stamp(&self) -> u64 {
        let top = self.held(self.top()).map_or(0, |held| held.message.stamp);
        top.max(self.last_stamp)
    }

    /// Where `sequence` would go.
    pub(in crate::core) fn place(&self, sequence: u64) -> Place {
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

    /// Keeps a message that is not here yet and moves the watermark over it and what stands ready above.
    pub(in crate::core) fn insert(&mut self, message: Message, received: u64, seen_at: u64) {
        let sequence = message.id.sequence;
        debug_assert_ne!(self.place(sequence), Place::Duplicate);
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

    pub(in crate::core) fn held(&self, sequence: u64) -> Option<&Held> {
        match self.slots.get(sequence.checked_sub(self.base)? as usize) {
            Some(Slot::Held(held)) => Some(held),
            _ => None,
        }
    }

    /// The next message to deliver in the stream's own order.
    pub(in crate::core) fn head(&self) -> Option<&Held> {
        if self.delivered == self.through {
            None
        } else {
            self.held(self.delivered + 1)
        }
    }

    /// Messages delivered and kept for others.
    #[cfg(test)]
    pub(in crate::core) fn kept_for_others(&self) -> u64 {
        self.delivered + 1 - self.base
    }

    /// Drops the oldest message kept, if it is delivered. Returns its size.
    pub(in crate::core) fn purge_one(&mut self) -> Option<u64> {
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
    pub(in crate::core) fn give_back_room(&mut self) {
        let needed = self.slots.len().max(WINDOW_MESSAGES as usize);
        if self.slots.capacity() > 2 * needed {
            self.slots.shrink_to(needed);
        }
    }

    /// What is held above the watermark, as ranges: the first [`GAPS_TOLD_MAX`].
    pub(in crate::core) fn beyond(&self) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        for sequence in self.through + 1..=self.top() {
            if self.held(sequence).is_some() {
                extend(&mut ranges, sequence, sequence);
            }
            if ranges.len() > GAPS_TOLD_MAX {
                ranges.pop();
                break;
            }
        }
        ranges
    }

    /// Bytes between what `view` has and its cursor.
    pub(in crate::core) fn bytes_under_way(&self, view: &View) -> u64 {
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

    pub(super) fn stream() -> Stream {
        Stream::new(id(), 0, 2)
    }

    pub(super) fn offer(stream: &mut Stream, sequence: u64) -> Place {
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
        let mut stream = stream();
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
    fn only_delivered_messages_are_purged() {
        let mut stream = stream();
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
