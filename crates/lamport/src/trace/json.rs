//! Writing a record as a line of JSON: straight into a byte buffer, without a formatter.

use super::event::{Event, Message, Record, Summary, TraceEvent};
use super::facts::{Fact, Value};
use super::limits::LABEL_BYTES_MAX;

/// What all events of one process have in common, encoded once.
pub(super) struct Frame {
    /// The process's name as it stands inside a JSON string.
    process: Vec<u8>,
    /// From the process to just before the Lamport time.
    head: Vec<u8>,
    /// From after the wall time to just before the facts.
    service: Vec<u8>,
}

impl Frame {
    pub(super) fn new(process: &str, service: &str) -> Self {
        let mut escaped = Vec::new();
        escape(&mut escaped, process);
        let mut head = b"\"process\":\"".to_vec();
        head.extend_from_slice(&escaped);
        head.extend_from_slice(b"\",\"lamport\":");
        let mut tail = b",\"service\":\"".to_vec();
        tail.extend_from_slice(service.as_bytes());
        tail.push(b'"');
        Self {
            process: escaped,
            head,
            service: tail,
        }
    }

    /// Appends the event as a line with its newline, one that gives itself a number if there is one.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        number: Option<u32>,
        lamport: u64,
        at_us: u64,
        event: &Event<'_>,
    ) {
        out.push(b'{');
        if let Some(number) = number {
            out.extend_from_slice(b"\"as\":");
            integer(out, number);
            out.push(b',');
        }
        out.extend_from_slice(&self.head);
        integer(out, lamport);
        out.extend_from_slice(b",\"kind\":\"");
        out.extend_from_slice(event.kind.as_str().as_bytes());
        self.message(out, lamport, event.message);
        out.extend_from_slice(b"\",\"label\":\"");
        let (label, cut) = shown(event.label, LABEL_BYTES_MAX);
        escape(out, label);
        out.extend_from_slice(cut.as_bytes());
        out.extend_from_slice(b"\",\"at_us\":");
        integer(out, at_us);
        out.extend_from_slice(&self.service);
        facts(out, event.facts);
        out.extend_from_slice(b"}\n");
    }

    fn message(&self, out: &mut Vec<u8>, lamport: u64, message: Message<'_>) {
        if message == Message::None {
            return;
        }
        out.extend_from_slice(b"\",\"message\":\"");
        match message {
            Message::None => {}
            Message::Own => {
                out.extend_from_slice(&self.process);
                out.push(b'@');
                integer(out, lamport);
            }
            Message::Sent { process, time } => {
                escape(out, process);
                out.push(b'@');
                integer(out, time);
            }
            Message::Request { connection, number } => {
                escape(out, connection);
                out.push(b'/');
                integer(out, number);
            }
            Message::Text(text) => escape(out, text),
        }
    }
}

impl TraceEvent<'_> {
    /// Appends the event as a line of a trace, with its newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        let message = self.message.as_deref().map_or(Message::None, Message::Text);
        let event = Event {
            kind: self.kind,
            label: &self.label,
            message,
            facts: &self.facts,
        };
        Frame::new(&self.process, self.service.as_str()).write(out, None, self.lamport, self.at_us, &event);
    }
}

impl Record<'_> {
    /// Appends the record as a line of a trace, with its newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Event(event) => event.write(out),
            Self::Dropped(count) => {
                out.extend_from_slice(b"{\"dropped\":");
                integer(out, *count);
                out.extend_from_slice(b"}\n");
            }
            Self::Closed(Summary { written, dropped }) => {
                out.extend_from_slice(b"{\"closed\":true,\"written\":");
                integer(out, *written);
                out.extend_from_slice(b",\"dropped\":");
                integer(out, *dropped);
                out.extend_from_slice(b"}\n");
            }
        }
    }
}

fn facts(out: &mut Vec<u8>, facts: &[Fact<'_>]) {
    let Some((opening, _)) = facts.first() else { return };
    out.extend_from_slice(b",\"facts\":[");
    for (index, (key, value)) in facts.iter().enumerate() {
        let separator: &[u8] = match index {
            0 => b"{\"",
            _ if key == opening => b"},{\"",
            _ => b",\"",
        };
        out.extend_from_slice(separator);
        escape(out, key);
        match value {
            Value::Text(text) => {
                out.extend_from_slice(b"\":\"");
                escape(out, text);
                out.push(b'"');
            }
            Value::Integer(number) => {
                out.extend_from_slice(b"\":");
                integer(out, *number);
            }
        }
    }
    out.extend_from_slice(b"}]");
}

pub(super) fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Stands for the rest of a label, or for all of it.
pub(super) const CUT: &str = "…";

/// As much of a label as is shown where it may have so many bytes, and the mark that stands for the rest.
pub(super) fn shown(label: &str, bytes_max: usize) -> (&str, &'static str) {
    if label.len() <= bytes_max {
        return (label, "");
    }
    (&label[..label.floor_char_boundary(bytes_max - CUT.len())], CUT)
}

/// Appends the text as it stands inside a JSON string. Besides what JSON asks for, everything that could act on a
/// terminal or turn the direction of a line is escaped, so that a trace may be shown with `cat`.
pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    // All of it is looked at, since that goes many bytes at a time.
    let odd = |byte: u8| !matches!(byte, b' '..=b'~') | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, |any, byte| any | odd(byte)) {
        return out.extend_from_slice(text.as_bytes());
    }
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            _ if acts_on_a_terminal(c) => {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(b"0123456789abcdef"[(u32::from(c) >> shift & 0xf) as usize]);
                }
            }
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Control characters, line separators and the bidirectional controls; all of them lie below U+FFFF.
pub(crate) fn acts_on_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::facts::{ROOM, SEQ, fact};

    fn check(event: &Event<'_>, expected: &str) {
        let mut out = Vec::new();
        Frame::new("chat", "chat").write(&mut out, None, 7, 1000, event);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn an_event_is_one_flat_line() {
        check(
            &Event::local("start", &[]),
            r#"{"process":"chat","lamport":7,"kind":"local","label":"start","at_us":1000,"service":"chat"}"#,
        );
        check(
            &Event::send(
                "said",
                &[
                    fact(ROOM, "a"),
                    fact(SEQ, 1u64),
                    fact(ROOM, "b"),
                    fact(SEQ, -2i64),
                ],
            ),
            r#"{"process":"chat","lamport":7,"kind":"send","message":"chat@7","label":"said","at_us":1000,"service":"chat","facts":[{"room":"a","seq":1},{"room":"b","seq":-2}]}"#,
        );
        check(
            &Event::receive(
                "say",
                Message::Request {
                    connection: "c-9",
                    number: 3,
                },
                &[],
            ),
            r#"{"process":"chat","lamport":7,"kind":"receive","message":"c-9/3","label":"say","at_us":1000,"service":"chat"}"#,
        );
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_stands_raw() {
        let mut out = Vec::new();
        escape(&mut out, "olá \"x\\\n\u{1b}[2J\u{9b}\u{202e}\u{2028}\u{7f} 🙂");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "olá \\\"x\\\\\\n\\u001b[2J\\u009b\\u202e\\u2028\\u007f 🙂"
        );
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        let text = "é".repeat(100);
        let (label, cut) = shown(&text, LABEL_BYTES_MAX);
        assert!(label.len() + cut.len() <= LABEL_BYTES_MAX);
        assert!(label.ends_with('é') && cut == "…");
    }
}
