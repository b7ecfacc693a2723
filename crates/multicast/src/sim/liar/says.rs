//! What the liar says: any frame, with numbers that are near what is so or as far from it as the wire allows.

use std::sync::Arc;

use bytes::Bytes;
use lamport::TIME_MAX;

use super::{LIFE, Lies, MEMBERS, Stage};
use crate::core::frame::{About, Ended, Frame, Have, Message, MessageId, Promise, Status, StreamId, Welcome};
use crate::limits::{GAPS_TOLD_MAX, HOLD_MAX, LOST_TOLD_MAX, STREAMS_MAX};
use crate::members::{Member, MemberSet};
use crate::sim::Random;

impl Stage {
    /// A frame as it may come out of the decoder.
    pub(super) fn lie(&mut self) -> Frame {
        match self.random.below(8) {
            0 | 1 => Frame::Data(self.message()),
            2 => Frame::Promise(Promise {
                incarnation: self.life,
                clock: self.number(),
                sent: self.number(),
            }),
            3 => Frame::Welcome(Arc::new(self.welcome())),
            4 if !self.seen.is_empty() => {
                let seen = self.random.below(self.seen.len() as u64) as usize;
                match self.seen[seen].clone() {
                    // What is so, but for one thing.
                    Frame::Status(status) => {
                        let mut status = Status::clone(&status);
                        status.incarnation = self.life;
                        status.members[self.liar.index()].incarnation = self.life;
                        status.number = self.number();
                        if let Some(have) = status.streams.first_mut() {
                            let stream = have.stream;
                            *have = self.have(stream);
                        }
                        Frame::Status(Arc::new(status))
                    }
                    frame => frame,
                }
            }
            _ => Frame::Status(Arc::new(self.status())),
        }
    }

    /// A number that is near what is so, or as far from it as a frame allows.
    fn number(&mut self) -> u64 {
        let far = [TIME_MAX, TIME_MAX - 1, 1 << 40, HOLD_MAX, HOLD_MAX + 1, 100];
        match self.random.below(4) {
            0 => self.random.one_of(&far),
            _ => self.random.below(12),
        }
    }

    fn stream(&mut self) -> StreamId {
        StreamId {
            origin: Member::new(self.random.below(MEMBERS as u64) as usize),
            incarnation: self.number().clamp(1, TIME_MAX),
        }
    }

    fn ranges(&mut self, most: usize) -> Vec<(u64, u64)> {
        let count = self.random.one_of(&[0, 0, 1, 2, most]);
        let mut ends: Vec<u64> = (0..2 * count).map(|_| self.number().max(1)).collect();
        ends.sort_unstable();
        ends.dedup();
        ends.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    }

    fn message(&mut self) -> Message {
        let mut stream = self.stream();
        let sequence = self.number().max(1);
        if self.lies == Lies::Detectable {
            stream.origin = self.liar;
            // One and the same under this name.
            let mut drawn = Random(stream.incarnation.wrapping_mul(31) ^ sequence);
            std::mem::swap(&mut self.random, &mut drawn);
            let message = self.message_of(stream, sequence);
            std::mem::swap(&mut self.random, &mut drawn);
            return message;
        }
        self.message_of(stream, sequence)
    }

    fn message_of(&mut self, stream: StreamId, sequence: u64) -> Message {
        let after = self.random.below(4);
        let after = (0..after).map(|_| MessageId {
            stream: self.stream(),
            sequence: self.number(),
        });
        let after: Vec<_> = after.collect();
        Message {
            id: MessageId { stream, sequence },
            stamp: self.number(),
            after: (!after.is_empty()).then(|| after.into()),
            data: Bytes::from_static(b"lie"),
        }
    }

    fn status(&mut self) -> Status {
        let members = (0..MEMBERS).map(|_| {
            let lives = self.random.chance(50);
            About {
                incarnation: if lives { LIFE } else { self.number() },
                announced: if lives { LIFE } else { self.number() },
                closed: self.number(),
                horizon: self.number(),
                sent: self.number(),
            }
        });
        let members = members.collect();
        let most = self.random.one_of(&[2, 6, MEMBERS * STREAMS_MAX]);
        let mut streams: Vec<_> = (0..most)
            .map(|_| {
                let mut stream = self.stream();
                // The streams there are, more often than not.
                let is_former = stream.origin != self.liar && stream.incarnation < LIFE;
                if stream.incarnation.is_multiple_of(2) || (is_former && self.lies == Lies::Detectable) {
                    stream.incarnation = LIFE;
                }
                stream
            })
            .collect();
        streams.sort_unstable();
        streams.dedup();
        let wants = if self.random.chance(70) {
            0
        } else {
            self.random.below(8)
        };
        Status {
            incarnation: self.life,
            number: self.number(),
            hears: MemberSet::from_bits(self.random.below(8)),
            wants: MemberSet::from_bits(wants),
            members,
            streams: streams.into_iter().map(|stream| self.have(stream)).collect(),
        }
    }

    fn have(&mut self, stream: StreamId) -> Have {
        Have {
            stream,
            through: self.number(),
            delivered: self.number(),
            purged: self.number(),
            stable: self.number(),
            dropped: self.number(),
            had: self.number(),
            lost: self.ranges(LOST_TOLD_MAX),
            beyond: self.ranges(GAPS_TOLD_MAX),
            ended: self.random.chance(50).then(|| Ended {
                by: self.number(),
                last: self.number(),
            }),
        }
    }

    fn welcome(&mut self) -> Welcome {
        let delivered = self.random.below((MEMBERS * STREAMS_MAX) as u64);
        let former = self.random.below(STREAMS_MAX as u64);
        Welcome {
            incarnation: self.random.one_of(&[LIFE, LIFE, LIFE, 4]),
            from: self.life,
            clock: self.number(),
            delivered: (0..delivered).map(|_| (self.stream(), self.number())).collect(),
            former: (0..former).map(|_| (self.number(), self.number())).collect(),
        }
    }
}
