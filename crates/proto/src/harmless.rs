//! Characters that would act on a terminal, or on the eye, instead of being shown.
//!
//! Texts are never altered: on the wire such characters stand as JSON escapes ([`LineWriter`](crate::LineWriter)), and
//! what a program prints goes through [`Harmless`].

use std::fmt::{self, Write as _};

/// Bytes of a text looked at together.
const BLOCK: usize = 32;

/// Whether `c` must never reach a terminal raw: control characters (C0, DEL, C1), the bidirectional controls that
/// reorder what is shown around them (Unicode TR 36, and "Trojan Source", CVE-2021-42574), line and paragraph
/// separators, and the zero-width characters that make two texts look alike, except the joiners that scripts and
/// emoji need.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Shows a text with every [harmful](is_harmful) character visibly escaped: `\n`, `\t`, `\u{1b}`.
///
/// ```
/// assert_eq!(proto::Harmless("red: \u{1b}[31m").to_string(), r"red: \u{1b}[31m");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Harmless<'a>(pub &'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_harmful) {
            f.write_str(&rest[..at])?;
            let c = rest[at..]
                .chars()
                .next()
                .expect("find gives the start of a character");
            write!(f, "{}", c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// Most bytes that a byte of text becomes in a line: a control character's `\u007f`.
pub const ESCAPED_BYTES_MAX: usize = 6;

/// Bytes that `text` takes between the quotes of a line's JSON string, with its escapes.
#[must_use]
pub fn escaped_len(text: &str) -> usize {
    let mut length = 0;
    escape(text, |piece| length += piece.len());
    length
}

/// Appends `text` to `line` as the inside of a JSON string.
pub(crate) fn write_json_text(line: &mut Vec<u8>, text: &str) {
    escape(text, |piece| line.extend_from_slice(piece));
}

/// The inside of the JSON string that is `text`, piece by piece: what JSON demands is escaped, and so is every
/// [harmful](is_harmful) character.
fn escape(text: &str, mut piece: impl FnMut(&[u8])) {
    let mut rest = text;
    while let Some(at) = first_to_look_at(rest.as_bytes()) {
        piece(&rest.as_bytes()[..at]);
        // A byte that needs a look starts a character: 0xCC..=0xF4 are leading bytes, the others are ASCII.
        let c = rest[at..]
            .chars()
            .next()
            .expect("position gives the start of a character");
        match c {
            '"' => piece(b"\\\""),
            '\\' => piece(b"\\\\"),
            '\n' => piece(b"\\n"),
            '\r' => piece(b"\\r"),
            '\t' => piece(b"\\t"),
            c if is_harmful(c) => piece(escapes(c).as_bytes()),
            c => piece(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &rest[at + c.len_utf8()..];
    }
    piece(rest.as_bytes());
}

/// Where the first byte stands with which an escape may begin. Nearly all texts have none, so blocks are looked at as a whole.
fn first_to_look_at(bytes: &[u8]) -> Option<usize> {
    let looks = |byte: &u8| NEEDS_A_LOOK[usize::from(*byte)];
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for (n, block) in blocks.iter().enumerate() {
        // Comparisons only and no early exit: so the compiler looks at all bytes of the block at once.
        let is_plain = |byte: u8| (b' '..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\');
        if !block.iter().fold(true, |all, byte| all & is_plain(*byte))
            && let Some(at) = block.iter().position(looks)
        {
            return Some(n * BLOCK + at);
        }
    }
    let at = rest.iter().position(looks)?;
    Some(bytes.len() - rest.len() + at)
}

/// Whether a character that starts with this byte may have to be escaped: what JSON demands, and the leading bytes of
/// the ranges in [`is_harmful`].
const NEEDS_A_LOOK: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            0..=0x1f | b'"' | b'\\' | 0x7f | 0xc2 | 0xd8 | 0xe2 | 0xef | 0xf3
        );
        byte += 1;
    }
    table
};

fn escapes(c: char) -> String {
    let mut escapes = String::with_capacity(2 * ESCAPED_BYTES_MAX);
    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(escapes, "\\u{unit:04x}").expect("a String takes everything");
    }
    escapes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json_text(text: &str) -> String {
        let mut line = vec![b'"'];
        write_json_text(&mut line, text);
        line.push(b'"');
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn every_harmful_character_is_escaped_in_both_forms() {
        for c in ('\0'..=char::MAX).filter(|&c| is_harmful(c)) {
            let text = format!("a{c}b");
            let shown = Harmless(&text).to_string();
            assert!(!shown.contains(is_harmful), "{shown:?}");
            let json = json_text(&text);
            assert!(!json.contains(is_harmful), "{json:?}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn what_needs_a_look_is_found_wherever_its_block_ends() {
        for length in 0..3 * BLOCK {
            let mut text = vec![b'x'; length];
            assert_eq!(first_to_look_at(&text), None);
            for at in 0..length {
                for byte in (0..=u8::MAX).filter(|byte| NEEDS_A_LOOK[usize::from(*byte)]) {
                    text[at] = byte;
                    assert_eq!(first_to_look_at(&text), Some(at), "{byte} in {length}");
                }
                text[at] = b'x';
            }
        }
    }

    #[test]
    fn plain_texts_stay_as_they_are() {
        for text in [
            "",
            "Olá pessoal, me chamo Bernardo",
            "日本語",
            "👩‍👩‍👧",
            "naïve — “quoted”",
        ] {
            assert_eq!(Harmless(text).to_string(), text);
            assert_eq!(json_text(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn no_character_becomes_longer_than_the_bound_says() {
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            assert!(escaped_len(&text) <= ESCAPED_BYTES_MAX * text.len(), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn the_length_is_that_of_what_is_written(text in any::<String>()) {
            prop_assert_eq!(escaped_len(&text) + 2, json_text(&text).len());
        }

        #[test]
        fn json_reads_back_every_text(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&json_text(&text)).unwrap(), text);
        }
    }
}
