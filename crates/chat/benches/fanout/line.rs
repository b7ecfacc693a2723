//! The lines that go over the wire: how a sender writes thousands a millisecond, how a receiver reads what matters.
//!
//! Every text is 100 bytes and says who sent it, its number among that sender's, and when:
//! `s2 0000004711 0000081234567890 ......`. All fields have fixed widths, so that a sender fills in a template, and the
//! lines for the limit are as long as the ones the chat server makes: both servers move the same bytes a delivery.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// How long a text is (the workload of docs/benchmarks.md).
pub(crate) const TEXT_BYTES: usize = 100;
/// The room of every row but the idle one.
pub(crate) const ROOM: &str = "bench";
/// Request ids and stamps begin here, so that they keep their width; far below any leap guard.
const ID_FIRST: u64 = 1_000_000_000;

const NUMBER_AT: usize = 3;
const NUMBER_DIGITS: usize = 10;
const SENT_AT: usize = NUMBER_AT + NUMBER_DIGITS + 1;
const SENT_DIGITS: usize = 16;

/// Which bytes the senders send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `say` requests to the chat server.
    Say,
    /// Lines of the length of the chat server's `said` events, to be copied as they are.
    Said,
    /// Nothing but the text and a newline, to be copied as they are.
    Bare,
    /// `PUBLISH` commands to Redis.
    Publish,
}

impl Dialect {
    /// Whether each text is replied to.
    pub(crate) fn acknowledges(self) -> bool {
        matches!(self, Self::Say | Self::Publish)
    }

    /// Whether a sender gets the texts of the other senders.
    pub(crate) fn senders_receive(self) -> bool {
        self != Self::Publish
    }

    /// Whether each newline ends a text, so that texts can be counted without being read.
    pub(crate) fn is_counted_by_lines(self) -> bool {
        self != Self::Publish
    }
}

/// One sender's line with places to fill in.
pub(crate) struct Template {
    line: Vec<u8>,
    text_at: usize,
    numbered_at: [Option<usize>; 2],
    next: u64,
}

impl Template {
    pub(crate) fn new(dialect: Dialect, sender: usize) -> Self {
        let text = format!("{:.<TEXT_BYTES$}", format!("s{sender} {:010} {:016} ", 0, 0));
        let (before, after) = match dialect {
            Dialect::Say => (
                format!(r#"{{"lamport":{ID_FIRST},"id":{ID_FIRST},"op":"say","text":""#),
                "\"}\n",
            ),
            Dialect::Said => (
                format!(
                    r#"{{"lamport":1000000000,"event":"said","room":"{ROOM}","seq":1000000,"from":"s{sender}","text":""#
                ),
                "\",\"at\":1763691738000}\n",
            ),
            Dialect::Bare => (String::new(), "\n"),
            Dialect::Publish => (
                format!(
                    "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{ROOM}\r\n${TEXT_BYTES}\r\n",
                    ROOM.len()
                ),
                "\r\n",
            ),
        };
        let numbered_at = match dialect {
            Dialect::Say => [before.find("1000"), before.rfind("1000")],
            Dialect::Said | Dialect::Bare | Dialect::Publish => [None, None],
        };
        let text_at = before.len();
        Self {
            line: [before.as_str(), &text, after].concat().into_bytes(),
            text_at,
            numbered_at,
            next: 0,
        }
    }

    /// How long one line is.
    pub(crate) fn line_bytes(&self) -> usize {
        self.line.len()
    }

    /// Appends the next line.
    pub(crate) fn append(&mut self, sent_ns: u64, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&self.line);
        let line = &mut out[at..];
        write_digits(&mut line[self.text_at + NUMBER_AT..][..NUMBER_DIGITS], self.next);
        write_digits(&mut line[self.text_at + SENT_AT..][..SENT_DIGITS], sent_ns);
        for at in self.numbered_at.into_iter().flatten() {
            write_digits(&mut line[at..][..10], ID_FIRST + self.next);
        }
        self.next += 1;
    }

    /// How many lines have been appended.
    pub(crate) fn appended(&self) -> u64 {
        self.next
    }
}

/// What a text says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) sender: usize,
    pub(crate) number: u64,
    pub(crate) sent_ns: u64,
}

impl Text {
    fn parse(text: &[u8]) -> Option<Self> {
        (text.len() >= TEXT_BYTES && text[0] == b's').then_some(())?;
        Some(Self {
            sender: read_digits(&text[1..2])? as usize,
            number: read_digits(&text[NUMBER_AT..][..NUMBER_DIGITS])?,
            sent_ns: read_digits(&text[SENT_AT..][..SENT_DIGITS])?,
        })
    }
}

/// A line as a member of the room sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Somebody said a text; `seq` is the room's number, 0 where the server gives none.
    Said { seq: u64, text: Text },
    /// A text of ours was taken; `number` counts ours from 0, `seq` is the place it got in the room.
    Acknowledged { number: u64, seq: u64 },
    /// Another event of the room, with its number.
    Room { seq: u64 },
    /// Somebody left.
    Left { seq: u64, slow: bool },
    /// We were told that we missed something.
    Lagged { missed: u64 },
    /// A text of ours was taken; the server gives no numbers.
    Replied,
    /// Upkeep: a ping, or the framing around a text.
    Upkeep,
    /// An error, or something that the load program does not expect.
    Unexpected,
}

static TEXT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""text":""#));
static SEQ: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""seq":"#));

impl Line {
    /// Reads a line without its newline.
    pub(crate) fn parse(dialect: Dialect, line: &[u8]) -> Self {
        let text = |line| Text::parse(line).map(|text| Self::Said { seq: 0, text });
        let parsed = match dialect {
            Dialect::Say | Dialect::Said => Self::parse_json(dialect, line),
            Dialect::Bare => text(line),
            Dialect::Publish => match line.first() {
                Some(b's') => text(line),
                Some(b':') => Some(Self::Replied),
                Some(b'*' | b'$' | b'm' | b'b') => Some(Self::Upkeep),
                _ => None,
            },
        };
        parsed.unwrap_or(Self::Unexpected)
    }

    fn parse_json(dialect: Dialect, line: &[u8]) -> Option<Self> {
        let Some(rest) = line.strip_prefix(br#"{"lamport":"#) else {
            return (line == br#"{"event":"ping"}"#).then_some(Self::Upkeep);
        };
        let rest = &rest[memchr::memchr(b',', rest)? + 1..];
        if let Some(rest) = rest.strip_prefix(br#""id":"#) {
            let end = memchr::memchr(b',', rest)?;
            let number = read_digits(&rest[..end])?.checked_sub(ID_FIRST)?;
            rest[end..].starts_with(br#","ok":"#).then_some(())?;
            let seq = leading_number(&rest[SEQ.find(rest)? + 6..])?;
            return Some(Self::Acknowledged { number, seq });
        }
        let rest = rest.strip_prefix(br#""event":""#)?;
        let seq = || leading_number(&rest[SEQ.find(rest)? + 6..]);
        Some(match rest.first()? {
            b's' => {
                let text = Text::parse(&rest[TEXT.find(rest)? + 8..])?;
                Self::Said {
                    seq: if dialect == Dialect::Say { seq()? } else { 0 },
                    text,
                }
            }
            b'l' if rest.starts_with(b"left") => Self::Left {
                seq: seq()?,
                slow: memchr::memmem::find(rest, br#""reason":"slow""#).is_some(),
            },
            b'l' if rest.starts_with(b"lagged") => {
                let at = memchr::memmem::find(rest, br#""missed":"#)? + 9;
                Self::Lagged {
                    missed: leading_number(&rest[at..])?,
                }
            }
            b'e' if rest.starts_with(b"entered") => Self::Room { seq: seq()? },
            b'r' => Self::Room { seq: seq()? },
            _ => return None,
        })
    }
}

/// The number that a reply to `join` or `enter` gives as the room's `seq`.
pub(crate) fn joined_seq(reply: &[u8]) -> Option<u64> {
    memchr::memmem::find(reply, br#","ok":"#)?;
    leading_number(&reply[SEQ.find(reply)? + 6..])
}

fn leading_number(bytes: &[u8]) -> Option<u64> {
    read_digits(&bytes[..bytes.iter().position(|byte| !byte.is_ascii_digit())?])
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    (!digits.is_empty()).then_some(())?;
    digits.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
