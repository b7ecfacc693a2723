//! What is written: one record for each thing that a next life must know, in bytes and back.
//!
//! Numbers are LEB128, seven bits a byte, the lowest first; a text is its length and its bytes; a list its length and its
//! elements. A record begins with a byte that says which it is.

use std::sync::Arc;

use bytes::Bytes;

use crate::core::frame::{About, Message, MessageId, StreamId};
use crate::core::{Saved, SavedStream};
use crate::limits::MEMBERS_MAX;
use crate::members::{Member, MemberSet};

/// One thing that a next life must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A message was received, or sent, at this Lamport time.
    Kept { message: Message, time: u64 },
    /// The application is told this next.
    Told(Entry),
    /// The application took everything up to this number.
    Taken(u64),
    /// So many entries lie before those that follow.
    Before(u64),
    /// Where the core stands.
    Marks(Marks),
}

/// What the application is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Delivered {
        message: Message,
        /// The Lamport time of the delivery.
        time: u64,
        later: bool,
        /// The wall clock, in milliseconds.
        at: u64,
    },
    Missed {
        stream: StreamId,
        from: u64,
        to: u64,
    },
}

/// Where the core stands, but for the messages it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) clock: u64,
    pub(crate) outline: Saved,
}

/// The bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its bytes are no record")]
pub(crate) struct NoRecord;

impl Record {
    /// Bytes of payload in it.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Kept { message, .. } | Self::Told(Entry::Delivered { message, .. }) => message.data.len(),
            _ => 0,
        }
    }
}

impl Entry {
    /// What it takes to keep it, roughly.
    pub(crate) fn bytes(&self) -> usize {
        const BESIDES_DATA: usize = 100;
        match self {
            Self::Delivered { message, .. } => BESIDES_DATA + message.data.len(),
            Self::Missed { .. } => BESIDES_DATA,
        }
    }
}

impl Record {
    /// Appends the record's bytes.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        let mut to = Writer(bytes);
        match self {
            Self::Kept { message, time } => to.byte(1).message(message).number(*time),
            Self::Told(Entry::Delivered {
                message,
                time,
                later,
                at,
            }) => to
                .byte(2)
                .message(message)
                .number(*time)
                .byte(u8::from(*later))
                .number(*at),
            Self::Told(Entry::Missed {
                stream,
                from,
                to: last,
            }) => to.byte(3).stream(*stream).number(*from).number(*last),
            Self::Taken(number) => to.byte(4).number(*number),
            Self::Before(number) => to.byte(5).number(*number),
            Self::Marks(marks) => to.byte(6).marks(marks),
        };
    }

    /// Reads the record at the front of `bytes` and moves on behind it.
    pub(crate) fn read(bytes: &mut Bytes) -> Result<Self, NoRecord> {
        let mut from = Reader(bytes);
        Ok(match from.byte()? {
            1 => Self::Kept {
                message: from.message()?,
                time: from.number()?,
            },
            2 => Self::Told(Entry::Delivered {
                message: from.message()?,
                time: from.number()?,
                later: from.byte()? != 0,
                at: from.number()?,
            }),
            3 => Self::Told(Entry::Missed {
                stream: from.stream()?,
                from: from.number()?,
                to: from.number()?,
            }),
            4 => Self::Taken(from.number()?),
            5 => Self::Before(from.number()?),
            6 => Self::Marks(from.marks()?),
            _ => return Err(NoRecord),
        })
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn stream(&mut self, id: StreamId) -> &mut Self {
        self.byte(id.origin.index() as u8).number(id.incarnation)
    }

    fn message(&mut self, message: &Message) -> &mut Self {
        self.stream(message.id.stream)
            .number(message.id.sequence)
            .number(message.stamp);
        // One more than the length, so that "nothing changed" differs from an empty list.
        self.number(message.after.as_ref().map_or(0, |after| after.len() as u64 + 1));
        for id in message.after.iter().flat_map(|after| after.iter()) {
            self.stream(id.stream).number(id.sequence);
        }
        self.bytes(&message.data)
    }

    fn marks(&mut self, marks: &Marks) -> &mut Self {
        debug_assert!(super::book::is_outline(&marks.outline));
        self.number(marks.clock).number(marks.outline.wants.bits());
        self.number(marks.outline.members.len() as u64);
        for about in &marks.outline.members {
            self.number(about.incarnation)
                .number(about.announced)
                .number(about.closed)
                .number(about.horizon)
                .number(about.sent);
        }
        self.number(marks.outline.streams.len() as u64);
        for stream in &marks.outline.streams {
            self.stream(stream.id)
                .number(stream.base)
                .number(stream.through)
                .number(stream.delivered)
                .number(stream.stable)
                .number(stream.dropped)
                .number(stream.had)
                .number(stream.last.map_or(0, |last| last + 1));
        }
        self
    }
}

struct Reader<'a>(&'a mut Bytes);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, NoRecord> {
        let byte = *self.0.first().ok_or(NoRecord)?;
        let _ = self.0.split_to(1);
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, NoRecord> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(NoRecord)
    }

    /// A length of something of which each element takes at least a byte.
    fn length(&mut self) -> Result<usize, NoRecord> {
        let length = usize::try_from(self.number()?).map_err(|_| NoRecord)?;
        if length > self.0.len() {
            Err(NoRecord)
        } else {
            Ok(length)
        }
    }

    fn stream(&mut self) -> Result<StreamId, NoRecord> {
        let origin = usize::from(self.byte()?);
        if origin >= MEMBERS_MAX {
            return Err(NoRecord);
        }
        Ok(StreamId {
            origin: Member::new(origin),
            incarnation: self.number()?,
        })
    }

    fn id(&mut self) -> Result<MessageId, NoRecord> {
        Ok(MessageId {
            stream: self.stream()?,
            sequence: self.number()?,
        })
    }

    fn message(&mut self) -> Result<Message, NoRecord> {
        let id = self.id()?;
        let stamp = self.number()?;
        let after = match self.length()? {
            0 => None,
            more => Some((1..more).map(|_| self.id()).collect::<Result<Arc<[_]>, _>>()?),
        };
        let length = self.length()?;
        // Copied, so that one message kept does not keep the whole file in memory.
        let data = Bytes::copy_from_slice(&self.0.split_to(length));
        Ok(Message {
            id,
            stamp,
            after,
            data,
        })
    }

    fn marks(&mut self) -> Result<Marks, NoRecord> {
        let clock = self.number()?;
        let wants = MemberSet::from_bits(self.number()?);
        let members = (0..self.length()?).map(|_| {
            Ok(About {
                incarnation: self.number()?,
                announced: self.number()?,
                closed: self.number()?,
                horizon: self.number()?,
                sent: self.number()?,
            })
        });
        let members = members.collect::<Result<Vec<_>, NoRecord>>()?;
        let streams = (0..self.length()?).map(|_| {
            Ok(SavedStream {
                id: self.stream()?,
                base: self.number()?,
                through: self.number()?,
                delivered: self.number()?,
                stable: self.number()?,
                dropped: self.number()?,
                had: self.number()?,
                last: self.number()?.checked_sub(1),
                messages: Vec::new(),
            })
        });
        let streams = streams.collect::<Result<Vec<_>, NoRecord>>()?;
        Ok(Marks {
            clock,
            outline: Saved {
                wants,
                members,
                streams,
            },
        })
    }
}

/// One record of each kind, as they follow one another in a small run.
#[cfg(test)]
pub(super) fn samples() -> Vec<Record> {
    let stream = StreamId {
        origin: Member::new(1),
        incarnation: 300,
    };
    let message = |sequence: u64, after: Option<Arc<[MessageId]>>| Message {
        id: MessageId { stream, sequence },
        stamp: sequence << 40,
        after,
        data: Bytes::from(format!("número {sequence}")),
    };
    let kept = |sequence, after| Record::Kept {
        message: message(sequence, after),
        time: sequence + 1,
    };
    let about = About {
        incarnation: 300,
        announced: 1,
        closed: 2,
        horizon: u64::MAX,
        sent: 0,
    };
    let outline = Saved {
        wants: MemberSet::all(2),
        members: vec![about; 3],
        streams: vec![SavedStream {
            id: stream,
            base: 2,
            through: 3,
            delivered: 2,
            stable: 1,
            dropped: 0,
            had: 0,
            last: None,
            messages: Vec::new(),
        }],
    };
    vec![
        kept(1, None),
        Record::Told(Entry::Delivered {
            message: message(1, None),
            time: 2,
            later: true,
            at: 1_763_690_000_123,
        }),
        Record::Taken(1),
        kept(2, Some([message(1, None).id].into())),
        kept(3, Some([].into())),
        Record::Told(Entry::Missed {
            stream,
            from: 4,
            to: 9,
        }),
        Record::Marks(Marks { clock: 44, outline }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_back() {
        let mut bytes = Vec::new();
        let records = samples();
        records.iter().for_each(|record| record.write(&mut bytes));
        let mut bytes = Bytes::from(bytes);
        for record in records {
            assert_eq!(Record::read(&mut bytes), Ok(record));
        }
        assert!(bytes.is_empty());
    }

    #[test]
    fn bytes_cut_anywhere_are_no_record() {
        for record in samples() {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            for length in 0..bytes.len() {
                let mut cut = Bytes::copy_from_slice(&bytes[..length]);
                assert_eq!(
                    Record::read(&mut cut),
                    Err(NoRecord),
                    "{record:?} cut to {length}"
                );
            }
        }
    }
}
