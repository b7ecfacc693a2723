//! What one connection received, counted and checked: each message exactly once, in the room's order.
//!
//! Counting costs next to nothing (newlines, at memory speed), so every connection is counted, and of every read the
//! last whole line is checked against the count: a line lost, doubled or out of place anywhere before it shows there.
//! A sample of the receivers, and everybody where latency is measured, checks every single line.

use measure::Histogram;

use crate::line::{Dialect, Line, Text};

/// How closely a connection is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every line counted, one line of each read checked.
    Count,
    /// Every line checked.
    Full,
}

/// Follows one connection's inbound bytes.
pub(crate) struct Checker {
    dialect: Dialect,
    depth: Depth,
    /// The room's number that the next line must have, where the server numbers.
    next_seq: u64,
    /// Numbers of the room that were passed over; a sender that lags has its replies at once and is told later.
    passed_over: u64,
    /// The number that the next text of each sender must have.
    next_number: Vec<u64>,
    /// Senders some of whose texts we were told we missed, since we last heard from them.
    gap_told: Vec<bool>,
    /// The beginning of a line whose end has not come yet (full depth), or whether there is one (counting).
    carry: Vec<u8>,
    mid_line: bool,
    /// Texts received.
    pub(crate) said: u64,
    /// Replies to requests of ours.
    pub(crate) acknowledged: u64,
    /// Bytes received.
    pub(crate) bytes: u64,
    /// What went wrong, and the first case in words.
    pub(crate) faults: u64,
    pub(crate) first_fault: Option<String>,
    /// Messages that the server told us we missed.
    pub(crate) missed: u64,
    /// When somebody was seen to be put out for being slow, in the clock of the texts.
    pub(crate) slow_left_ns: Option<u64>,
    /// Time from sending to receiving, of each text (full depth only).
    pub(crate) latency: Histogram,
}

impl Checker {
    pub(crate) fn new(dialect: Dialect, depth: Depth, senders: usize) -> Self {
        Self {
            dialect,
            depth,
            next_seq: 0,
            passed_over: 0,
            next_number: vec![0; senders],
            gap_told: vec![false; senders],
            carry: Vec::new(),
            mid_line: false,
            said: 0,
            acknowledged: 0,
            bytes: 0,
            faults: 0,
            first_fault: None,
            missed: 0,
            slow_left_ns: None,
            latency: Histogram::default(),
        }
    }

    /// Says which number the room's next event has.
    pub(crate) fn expect_seq(&mut self, next: u64) {
        self.next_seq = next;
    }

    /// The number of the room's next event.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Which lines this connection gets.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Starts counting now; what came before was coming in.
    pub(crate) fn begin(&mut self, depth: Depth) {
        self.depth = depth;
        self.said = 0;
        self.bytes = 0;
    }

    /// Takes in what one read brought, at the time `now_ns` of the clock that stamps the texts.
    pub(crate) fn receive(&mut self, bytes: &[u8], now_ns: u64) {
        self.bytes += bytes.len() as u64;
        match self.depth {
            Depth::Count => self.count(bytes),
            Depth::Full => self.check_lines(bytes, now_ns),
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        let began_mid_line = std::mem::replace(&mut self.mid_line, !bytes.ends_with(b"\n"));
        let Some(end) = memchr::memrchr(b'\n', bytes) else {
            return;
        };
        let before = self.said;
        self.said += lines;
        self.next_seq += lines;
        let begin = match memchr::memrchr(b'\n', &bytes[..end]) {
            Some(previous) => previous + 1,
            None if !began_mid_line => 0,
            None => return,
        };
        let line = &bytes[begin..end];
        match Line::parse(self.dialect, line) {
            Line::Said { seq, text } => {
                if self.dialect == Dialect::Say {
                    self.check_seq(seq, self.next_seq - 1);
                    self.next_seq = seq + 1;
                }
                self.check_last_number(text, before + lines);
            }
            _ => self.fault(|| unexpected(line)),
        }
    }

    /// Checks the number of the last text of a read. With one sender it is known exactly; with several only that it
    /// grows.
    fn check_last_number(&mut self, text: Text, said: u64) {
        let only_one = self.next_number.len() == 1;
        let Some(next) = self.next_number.get_mut(text.sender) else {
            return self.fault(|| format!("a text of sender {} who does not exist", text.sender));
        };
        let expected = if only_one {
            said - 1
        } else {
            (*next).max(text.number)
        };
        *next = text.number + 1;
        if text.number != expected {
            self.fault(|| {
                format!(
                    "text {} of sender {} where {expected} was due",
                    text.number, text.sender
                )
            });
        }
    }

    fn check_lines(&mut self, bytes: &[u8], now_ns: u64) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.carry.is_empty() {
                self.check_line(&rest[..end], now_ns);
            } else {
                let mut line = std::mem::take(&mut self.carry);
                line.extend_from_slice(&rest[..end]);
                self.check_line(&line, now_ns);
                line.clear();
                self.carry = line;
            }
            rest = &rest[end + 1..];
        }
        self.carry.extend_from_slice(rest);
    }

    fn check_line(&mut self, line: &[u8], now_ns: u64) {
        match Line::parse(self.dialect, line) {
            Line::Said { seq, text } => {
                self.said += 1;
                self.latency.record(now_ns.saturating_sub(text.sent_ns));
                self.follow_seq(seq);
                let Some(next) = self.next_number.get_mut(text.sender) else {
                    return self.fault(|| format!("a text of sender {} who does not exist", text.sender));
                };
                let due = std::mem::replace(next, text.number + 1);
                let gap_told = std::mem::take(&mut self.gap_told[text.sender]);
                if text.number < due || (text.number > due && !gap_told) {
                    self.fault(|| {
                        format!(
                            "text {} of sender {} where {due} was due",
                            text.number, text.sender
                        )
                    });
                }
            }
            Line::Acknowledged { number, seq } => {
                let due = std::mem::replace(&mut self.acknowledged, number + 1);
                if number != due {
                    self.fault(|| format!("reply to request {number} where {due} was due"));
                }
                // A sender's own text has its place in the room, and comes back only as this reply.
                self.follow_seq(seq);
            }
            Line::Room { seq } => self.follow_seq(seq),
            Line::Left { seq, slow } => {
                self.follow_seq(seq);
                if slow {
                    self.slow_left_ns.get_or_insert(now_ns);
                }
            }
            Line::Lagged { missed } => {
                self.missed += missed;
                let known = missed.min(self.passed_over);
                self.passed_over -= known;
                self.next_seq += missed - known;
                self.gap_told.fill(true);
            }
            Line::Replied => self.acknowledged += 1,
            Line::Upkeep => {}
            Line::Unexpected => self.fault(|| unexpected(line)),
        }
    }

    /// Checks the room's number and goes on from the one that came.
    fn follow_seq(&mut self, seq: u64) {
        if self.dialect != Dialect::Say {
            return;
        }
        if seq > self.next_seq {
            self.passed_over += seq - self.next_seq;
        } else {
            self.check_seq(seq, self.next_seq);
        }
        self.next_seq = seq + 1;
    }

    /// Looks at what can only be judged when everything has come.
    pub(crate) fn end(&mut self) {
        let passed_over = std::mem::take(&mut self.passed_over);
        if passed_over > 0 {
            self.fault(|| format!("{passed_over} numbers of the room were passed over without a word"));
        }
    }

    fn check_seq(&mut self, seq: u64, due: u64) {
        if seq != due {
            self.fault(|| format!("seq {seq} where {due} was due"));
        }
    }

    pub(crate) fn fault(&mut self, describe: impl FnOnce() -> String) {
        self.faults += 1;
        self.first_fault.get_or_insert_with(describe);
    }
}

fn unexpected(line: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(line).chars().take(160).collect();
    format!("an unexpected line: {}", shown.escape_debug())
}
