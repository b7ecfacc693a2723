//! Bytes into a record, whatever they are.

use std::sync::Arc;

use bytes::Bytes;

use super::{Entry, Marks, Record, kind};
use crate::core::frame::{About, Message, MessageId, StreamId};
use crate::core::{Saved, SavedStream};
use crate::limits::MEMBERS_MAX;
use crate::members::{Member, MemberSet};

/// The bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its bytes are no record")]
pub(crate) struct NoRecord;

impl Record {
    /// Reads the record at the front of `bytes` and moves on behind it.
    pub(crate) fn read(bytes: &mut Bytes) -> Result<Self, NoRecord> {
        let mut from = Reader(bytes);
        Ok(match from.byte()? {
            kind::KEPT => Self::Kept {
                message: from.message()?,
                time: from.number()?,
            },
            kind::DELIVERED => Self::Told(Entry::Delivered {
                message: from.message()?,
                time: from.number()?,
                later: from.byte()? != 0,
                at: from.number()?,
            }),
            kind::MISSED => Self::Told(Entry::Missed {
                stream: from.stream()?,
                from: from.number()?,
                to: from.number()?,
            }),
            kind::TAKEN => Self::Taken(from.number()?),
            kind::BEFORE => Self::Before(from.number()?),
            kind::MARKS => Self::Marks(from.marks()?),
            _ => return Err(NoRecord),
        })
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
