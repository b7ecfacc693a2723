//! The one line that a busy group is made of, read without a general JSON parser.
//!
//! Only what [`write`](super::write) makes of a message that needs no escapes is read here; for anything else the answer is
//! nothing, and serde reads it.

use std::sync::Arc;

use bytes::Bytes;

use super::plain::{count, number};
use super::upkeep::{check_streams, stream_id};
use crate::core::frame::{Message, MessageId, StreamId};
use crate::group_file::Members;

/// Bytes of a text looked at together.
const BLOCK: usize = 32;

/// What the messages on a link have in common, so that it is compared from one to the next and not read anew.
#[derive(Debug, Default)]
pub(super) struct Familiar {
    /// What stood between the stamp and the sequence of the latest message read.
    between: Vec<u8>,
    /// The stream it names.
    stream: Option<StreamId>,
    /// What the latest message comes after, while it is read.
    after: Vec<MessageId>,
}

impl Familiar {
    /// Reads a message in exactly the form described above.
    pub(super) fn read(
        &mut self,
        line: &[u8],
        share: impl Fn(&[u8]) -> Bytes,
        members: &Members,
    ) -> Option<Message> {
        let (stamp, rest) = number(line.strip_prefix(br#"{"lamport":"#)?)?;
        let (stream, rest) = match (self.stream, rest.strip_prefix(self.between.as_slice())) {
            (Some(stream), Some(after)) => (stream, after),
            _ => self.get_to_know(rest, members)?,
        };
        let (sequence, rest) = count(rest)?;
        let (after, rest) = match rest.strip_prefix(br#","after":["#) {
            None => (None, rest),
            Some(list) => {
                let rest = self.read_after(list, members.len())?;
                (Some(Arc::from(self.after.as_slice())), rest)
            }
        };
        let data = rest.strip_prefix(br#","data":""#)?.strip_suffix(br#""}"#)?;
        if !stands_for_itself(data) {
            return None;
        }
        Some(Message {
            id: MessageId {
                stream,
                sequence: sequence.get(),
            },
            stamp,
            after,
            data: share(data),
        })
    }

    /// Reads what a message comes after, from behind the bracket that opens the list. Returns what follows the one that closes it.
    fn read_after<'a>(&mut self, mut text: &'a [u8], members: usize) -> Option<&'a [u8]> {
        self.after.clear();
        loop {
            let (origin, rest) = number(text.strip_prefix(b"[")?)?;
            let (incarnation, rest) = count(rest.strip_prefix(b",")?)?;
            let (sequence, rest) = number(rest.strip_prefix(b",")?)?;
            let stream = stream_id(u8::try_from(origin).ok()?, incarnation, members).ok()?;
            self.after.push(MessageId { stream, sequence });
            match rest.strip_prefix(b"]")?.split_first()? {
                (b',', rest) => text = rest,
                (b']', rest) => {
                    check_streams(self.after.len(), members).ok()?;
                    return Some(rest);
                }
                _ => return None,
            }
        }
    }

    /// Reads the part between stamp and sequence; the next message is likely to have the same.
    fn get_to_know<'a>(&mut self, text: &'a [u8], members: &Members) -> Option<(StreamId, &'a [u8])> {
        let rest = text.strip_prefix(br#","event":"message","from":""#)?;
        let quote = memchr::memchr(b'"', rest)?;
        let origin = members.find(std::str::from_utf8(&rest[..quote]).ok()?)?;
        let (incarnation, rest) = count(rest[quote..].strip_prefix(br#"","incarnation":"#)?)?;
        let rest = rest.strip_prefix(br#","sequence":"#)?;
        let stream = StreamId {
            origin,
            incarnation: incarnation.get(),
        };
        self.between.clear();
        self.between.extend_from_slice(&text[..text.len() - rest.len()]);
        self.stream = Some(stream);
        Some((stream, rest))
    }
}

/// Whether the inside of a JSON string is the text itself: UTF-8 without escapes, and no end of the string within.
fn stands_for_itself(text: &[u8]) -> bool {
    let (mut escapes, mut beyond_ascii) = (false, false);
    // No early exit: so the compiler looks at all bytes of a block at once.
    let mut look = |byte: u8| {
        escapes |= (byte < b' ') | (byte == b'"') | (byte == b'\\');
        beyond_ascii |= byte >= 0x80;
    };
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for block in blocks {
        block.iter().copied().for_each(&mut look);
    }
    rest.iter().copied().for_each(&mut look);
    !escapes && (!beyond_ascii || std::str::from_utf8(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `lines` in turn: sender's index, incarnation, sequence and data.
    fn check(lines: &[&str], expected: &[Option<(usize, u64, u64, &str)>]) {
        let members = Members::builtin();
        let mut familiar = Familiar::default();
        let read: Vec<_> = lines
            .iter()
            .map(|line| familiar.read(line.as_bytes(), Bytes::copy_from_slice, &members))
            .collect();
        let seen: Vec<_> = read
            .iter()
            .map(|message| {
                message.as_ref().map(|message| {
                    let stream = message.id.stream;
                    let text = std::str::from_utf8(&message.data).unwrap();
                    (
                        stream.origin.index(),
                        stream.incarnation,
                        message.id.sequence,
                        text,
                    )
                })
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_familiar_is_not_taken_for_something_else() {
        check(
            &[
                r#"{"lamport":1,"event":"message","from":"P1","incarnation":2,"sequence":3,"data":"a"}"#,
                r#"{"lamport":10,"event":"message","from":"P1","incarnation":2,"sequence":4,"data":"b"}"#,
                r#"{"lamport":11,"event":"message","from":"P1","incarnation":22,"sequence":1,"data":"c"}"#,
                r#"{"lamport":12,"event":"message","from":"P3","incarnation":2,"sequence":7,"data":""}"#,
                r#"{"lamport":13,"event":"message","from":"P1","incarnation":2,"sequence":5,"data":"d"}"#,
            ],
            &[
                Some((0, 2, 3, "a")),
                Some((0, 2, 4, "b")),
                Some((0, 22, 1, "c")),
                Some((2, 2, 7, "")),
                Some((0, 2, 5, "d")),
            ],
        );
    }

    #[test]
    fn what_a_message_comes_after_is_read_with_it() {
        let members = Members::builtin();
        let mut familiar = Familiar::default();
        let mut read = |after: &str| {
            let line = format!(
                r#"{{"lamport":9,"event":"message","from":"P1","incarnation":2,"sequence":3{after},"data":"a"}}"#
            );
            let message = familiar.read(line.as_bytes(), Bytes::copy_from_slice, &members)?;
            let id = |id: &MessageId| (id.stream.origin.index(), id.stream.incarnation, id.sequence);
            Some(
                message
                    .after
                    .map(|after| after.iter().map(id).collect::<Vec<_>>()),
            )
        };
        let three = r#","after":[[1,3,5],[2,1,40],[2,12,7]]"#;
        assert_eq!(read(three), Some(Some(vec![(1, 3, 5), (2, 1, 40), (2, 12, 7)])));
        assert_eq!(read(r#","after":[[0,1,2]]"#), Some(Some(vec![(0, 1, 2)])));
        assert_eq!(
            read(""),
            Some(None),
            "what the one before came after is not this one's"
        );
        for unusual in [
            "[]",
            "[[1,3]]",
            "[[1,3,5,7]]",
            "[[1,3,5],]",
            "[[1,3,5]",
            "[[1, 3,5]]",
            "[[3,1,1]]",
            "[[256,1,1]]",
            "[[1,-3,5]]",
        ] {
            assert_eq!(read(&format!(r#","after":{unusual}"#)), None, "{unusual}");
        }
    }

    #[test]
    fn anything_unusual_is_left_to_serde() {
        let unusual = [
            r#"{"lamport":01,"event":"message","from":"P1","incarnation":2,"sequence":3,"data":"a"}"#,
            r#"{"lamport":12345678901234567,"event":"message","from":"P1","incarnation":2,"sequence":3,"data":"a"}"#,
            r#"{"lamport":1,"event":"message","from":"P1","incarnation":2,"sequence":,"data":"a"}"#,
            r#"{"lamport":1,"event":"message","from":"P1","incarnation":2,"sequence":3,"data":"a","x":"b"}"#,
            r#"{"lamport":1,"event":"message","from":"P1","incarnation":2,"sequence":3,"data":"\u0041"}"#,
            r#"{"lamport":1,"event":"message","from":"P9","incarnation":2,"sequence":3,"data":"a"}"#,
            r#"{"lamport":1,"event":"promise","incarnation":2,"clock":3,"sent":4}"#,
        ];
        check(&unusual, &[None; 7]);
    }

    #[test]
    fn a_text_stands_for_itself_wherever_its_block_ends() {
        for length in 0..80 {
            let mut text = vec![b'x'; length];
            assert!(stands_for_itself(&text));
            for at in 0..length {
                for byte in [b'"', b'\\', b'\n', 0xff] {
                    text[at] = byte;
                    assert!(!stands_for_itself(&text), "{byte} at {at} of {length}");
                }
                text[at] = b'x';
            }
        }
        assert!(stands_for_itself(
            "Olá a todos, num texto mais longo do que um bloco só".as_bytes()
        ));
    }
}
