//! The one line that a busy group is made of, read without a general JSON parser.
//!
//! Only what [`write`](super::write) makes of a message that needs no escapes and comes after nothing is read here; for anything
//! else the answer is nothing, and serde reads it.

use bytes::Bytes;

use crate::core::frame::{Message, MessageId, StreamId};
use crate::group_file::Members;

/// Bytes of a text looked at together.
const BLOCK: usize = 32;

/// Digits of the largest stamp.
const DIGITS_MAX: usize = 16;

/// What the messages on a link have in common, so that it is compared from one to the next and not read anew.
#[derive(Debug, Default)]
pub(super) struct Familiar {
    /// What stood between the stamp and the sequence of the latest message read.
    between: Vec<u8>,
    /// The stream it names.
    stream: Option<StreamId>,
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
        if stamp > lamport::TIME_MAX {
            // The general way says what is wrong.
            return None;
        }
        let (stream, rest) = match (self.stream, rest.strip_prefix(self.between.as_slice())) {
            (Some(stream), Some(after)) => (stream, after),
            _ => self.get_to_know(rest, members)?,
        };
        let (sequence, rest) = number(rest)?;
        let data = rest.strip_prefix(br#","data":""#)?.strip_suffix(br#""}"#)?;
        if !stands_for_itself(data) {
            return None;
        }
        Some(Message {
            id: MessageId { stream, sequence },
            stamp,
            after: None,
            data: share(data),
        })
    }

    /// Reads the part between stamp and sequence; the next message is likely to have the same.
    fn get_to_know<'a>(&mut self, text: &'a [u8], members: &Members) -> Option<(StreamId, &'a [u8])> {
        let rest = text.strip_prefix(br#","event":"message","from":""#)?;
        let quote = memchr::memchr(b'"', rest)?;
        let origin = members.find(std::str::from_utf8(&rest[..quote]).ok()?)?;
        let (incarnation, rest) = number(rest[quote..].strip_prefix(br#"","incarnation":"#)?)?;
        let rest = rest.strip_prefix(br#","sequence":"#)?;
        let stream = StreamId { origin, incarnation };
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

/// The number that the text begins with, as JSON writes it, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut digits) = (0, 0);
    while let Some(digit) = text.get(digits).map(|byte| byte.wrapping_sub(b'0'))
        && digit <= 9
    {
        if digits == DIGITS_MAX {
            return None;
        }
        value = value * 10 + u64::from(digit);
        digits += 1;
    }
    if digits == 0 || (digits > 1 && text[0] == b'0') {
        return None;
    }
    Some((value, &text[digits..]))
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
