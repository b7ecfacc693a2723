//! Lines in exactly the form in which members write them: what is cheap to read so, and what reading them so needs.

use lamport::TIME_MAX;

use super::number::Count;
use crate::core::frame::Promise;

/// Digits of the largest number.
const DIGITS_MAX: usize = 16;

/// Reads a promise as [`write`](super::write) makes it; nothing for any other line. In total order there is one for every message.
pub(super) fn promise(line: &[u8]) -> Option<Promise> {
    let (incarnation, rest) = count(line.strip_prefix(br#"{"event":"promise","incarnation":"#)?)?;
    let (clock, rest) = number(rest.strip_prefix(br#","clock":"#)?)?;
    let (sent, rest) = number(rest.strip_prefix(br#","sent":"#)?)?;
    (rest == b"}").then_some(Promise {
        incarnation: incarnation.get(),
        clock,
        sent,
    })
}

/// A number from 1 on that the text begins with, and what follows it.
pub(super) fn count(text: &[u8]) -> Option<(Count, &[u8])> {
    let (value, rest) = number(text)?;
    Some((Count::new(value)?, rest))
}

/// The number that the text begins with, as JSON writes it, and what follows it; nothing for one that is too large, which the
/// general way refuses.
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
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
    if digits == 0 || (digits > 1 && text[0] == b'0') || value > TIME_MAX {
        return None;
    }
    Some((value, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_read_in_its_one_form() {
        let line = r#"{"event":"promise","incarnation":2,"clock":44,"sent":17}"#;
        let expected = Promise {
            incarnation: 2,
            clock: 44,
            sent: 17,
        };
        assert_eq!(promise(line.as_bytes()), Some(expected));
        for unusual in [
            r#"{"event":"promise","incarnation":2,"clock":44}"#,
            r#"{"event":"promise","incarnation":2,"clock":44,"sent":17,"x":1}"#,
            r#"{"event":"promise","clock":44,"incarnation":2,"sent":17}"#,
            r#"{"event":"promise","incarnation":2,"clock":044,"sent":17}"#,
            r#"{"event":"promise","incarnation":2,"clock":44,"sent":-1}"#,
        ] {
            assert_eq!(promise(unusual.as_bytes()), None, "{unusual}");
        }
    }
}
