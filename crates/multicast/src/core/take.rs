//! What became of the deliveries: only what is safe is told to the others.
//!
//! A member that says that it delivered a message allows the others to forget it. If it crashed then and the application had not
//! taken the message, nobody could give it to the member's next life. So a delivery counts for the group when it is safe: with the
//! application, or in the member's own store.

use super::Peer;
use crate::limits::ACK_AFTER;

impl Peer {
    /// The oldest `count` deliveries are safe.
    pub(super) fn taken(&mut self, count: u64) {
        self.taken = self.told.min(self.taken + count);
        let mut of_others = false;
        for (index, origin) in self.origins.iter_mut().enumerate() {
            for stream in &mut origin.streams {
                of_others |= stream.untaken.take(self.taken) && index != self.settings.me.index();
            }
        }
        if of_others {
            self.status_at = self.status_at.min(self.now + ACK_AFTER);
        }
        if self.taken == self.told {
            self.stabilise();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use crate::core::frame::{About, Frame, Have, Message, MessageId, Status, StreamId};
    use crate::core::{Input, Memory, Order, Output, Peer, Saved, Settings};
    use crate::members::{Member, MemberSet};

    const OTHER: usize = 1;
    const THIRD: usize = 2;

    /// The message `sequence` of member `of`, to be delivered after the first of each of the members `after`.
    fn message(of: usize, sequence: u64, after: &[usize]) -> Message {
        let id = |of, sequence| MessageId {
            stream: stream(of),
            sequence,
        };
        Message {
            id: id(of, sequence),
            stamp: sequence,
            after: Some(after.iter().map(|&cause| id(cause, 1)).collect()),
            data: Bytes::from_static(b"x"),
        }
    }

    fn stream(of: usize) -> StreamId {
        StreamId {
            origin: Member::new(of),
            incarnation: 1,
        }
    }

    /// The status of member 1, which sent `sent` messages and gave up all of them up to `dropped`.
    fn status(number: u64, sent: u64, dropped: u64) -> Frame {
        let have = Have {
            stream: stream(OTHER),
            through: sent,
            delivered: sent,
            purged: dropped,
            stable: 0,
            dropped,
            had: 0,
            lost: Vec::new(),
            beyond: Vec::new(),
            ended: None,
        };
        let lives = About {
            incarnation: 1,
            announced: 1,
            ..About::default()
        };
        Frame::Status(Arc::new(Status {
            incarnation: 1,
            number,
            hears: MemberSet::EMPTY.with(Member::new(0)),
            wants: MemberSet::EMPTY,
            members: vec![lives; 3],
            streams: vec![have],
        }))
    }

    /// Member 0 of 3 in causal order, in its place and linked with member 1.
    fn peer() -> Peer {
        let saved = Saved {
            wants: MemberSet::EMPTY,
            members: Vec::new(),
            streams: Vec::new(),
        };
        let memory = Memory {
            incarnation: 1,
            clock: 0,
            saved: Some(saved),
        };
        let mut peer = Peer::new(Settings::new(Member::new(0), 3, Order::Causal), memory);
        feed(&mut peer, Input::LinkUp(Member::new(OTHER)));
        peer
    }

    /// What is told to the application of it: the sender and the sequences.
    fn feed(peer: &mut Peer, input: Input) -> Vec<(usize, u64, u64)> {
        let mut out = Vec::new();
        peer.step(0, input, &mut out);
        let told = out.into_iter().filter_map(|output| match output {
            Output::Deliver { message, .. } => {
                let sequence = message.id.sequence;
                Some((message.id.stream.origin.index(), sequence, sequence))
            }
            Output::Missed { stream, from, to } => Some((stream.origin.index(), from, to)),
            _ => None,
        });
        told.collect()
    }

    fn feed_frame(peer: &mut Peer, frame: Frame) -> Vec<(usize, u64, u64)> {
        feed(peer, Input::Frame(Member::new(OTHER), frame))
    }

    /// How far of member 1's messages `peer` says to be.
    fn told_to_others(peer: &mut Peer) -> u64 {
        let status = peer.status();
        let of = status.streams.iter().find(|have| have.stream == stream(OTHER));
        of.expect("something of it came").delivered
    }

    /// A miss is told when it is known, which may be before the message that it follows may be delivered. An application that
    /// took the miss does not have that message yet.
    #[test]
    fn a_miss_taken_first_does_not_make_the_delivery_before_it_safe() {
        let mut peer = peer();
        feed_frame(&mut peer, status(1, 1, 0));
        let waits = Frame::Data(message(OTHER, 1, &[THIRD]));
        assert_eq!(feed_frame(&mut peer, waits), [], "its cause is not here");
        assert_eq!(feed_frame(&mut peer, status(2, 2, 2)), [(OTHER, 2, 2)], "missed");
        let cause = Frame::Data(message(THIRD, 1, &[]));
        assert_eq!(feed_frame(&mut peer, cause), [(THIRD, 1, 1), (OTHER, 1, 1)]);

        let mut after_taking = || {
            feed(&mut peer, Input::Taken(1));
            told_to_others(&mut peer)
        };
        assert_eq!(after_taking(), 0, "the miss, 2");
        assert_eq!(after_taking(), 0, "the cause");
        assert_eq!(after_taking(), 2, "the delivery before the miss, 1");
    }
}
