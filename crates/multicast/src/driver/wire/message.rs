//! The one line that a busy group is made of, read without a general JSON parser.
//!
//! Only what [`write`](super::write) makes of a message that needs no escapes and comes after nothing is read here; for anything
//! else the answer is nothing, and serde reads it.

use bytes::Bytes;

use crate::core::frame::{Message, MessageId, StreamId};
use crate::group_file::Members;

/// Bytes of a text looked at together.
const BLOCK: usize = 32;

/// Reads a message in exactly the form described above.
pub(super) fn read(line: &[u8], share: impl Fn(&[u8]) -> Bytes, members: &Members) -> Option<Message> {
    let (stamp, rest) = number(line.strip_prefix(br#"{"lamport":"#)?)?;
    let rest = rest.strip_prefix(br#","event":"message","from":""#)?;
    let quote = rest.iter().position(|&byte| byte == b'"')?;
    let origin = members.find(std::str::from_utf8(&rest[..quote]).ok()?)?;
    let (incarnation, rest) = number(rest[quote..].strip_prefix(br#"","incarnation":"#)?)?;
    let (sequence, rest) = number(rest.strip_prefix(br#","sequence":"#)?)?;
    let data = rest.strip_prefix(br#","data":""#)?.strip_suffix(br#""}"#)?;
    if !stands_for_itself(data) {
        return None;
    }
    let stream = StreamId { origin, incarnation };
    Some(Message {
        id: MessageId { stream, sequence },
        stamp,
        after: None,
        data: share(data),
    })
}

/// Whether the inside of a JSON string is the text itself: UTF-8 without escapes, and no end of the string within.
fn stands_for_itself(text: &[u8]) -> bool {
    let (mut escapes, mut beyond_ascii) = (false, false);
    // No early exit within a block: so the compiler looks at all its bytes at once.
    for block in text.chunks(BLOCK) {
        for &byte in block {
            escapes |= byte < b' ' || byte == b'"' || byte == b'\\';
            beyond_ascii |= byte >= 0x80;
        }
        if escapes {
            return false;
        }
    }
    !beyond_ascii || std::str::from_utf8(text).is_ok()
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 16 || (digits > 1 && text[0] == b'0') {
        return None;
    }
    let value = text[..digits]
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some((value, &text[digits..]))
}
