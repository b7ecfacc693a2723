//! A record into bytes.

use super::{Entry, Marks, Record, kind};
use crate::core::frame::{Message, StreamId};
use crate::durable::book;

impl Record {
    /// Appends the record's bytes.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        let mut to = Writer(bytes);
        match self {
            Self::Kept { message, time } => to.byte(kind::KEPT).message(message).number(*time),
            Self::Told(Entry::Delivered {
                message,
                time,
                later,
                at,
            }) => to
                .byte(kind::DELIVERED)
                .message(message)
                .number(*time)
                .byte(u8::from(*later))
                .number(*at),
            Self::Told(Entry::Missed {
                stream,
                from,
                to: last,
            }) => to.byte(kind::MISSED).stream(*stream).number(*from).number(*last),
            Self::Taken(number) => to.byte(kind::TAKEN).number(*number),
            Self::Before(number) => to.byte(kind::BEFORE).number(*number),
            Self::Marks(marks) => to.byte(kind::MARKS).marks(marks),
        };
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
        debug_assert!(book::is_outline(&marks.outline));
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
