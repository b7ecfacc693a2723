//! What the two ends of a connection say to each other before it is a link, line by line.

use std::collections::VecDeque;

use bytes::Bytes;
use lamport::TIME_MAX;
use proto::net::{Connection, Turn};
use proto::{FrameError, LineWriter, WireError, codes};
use serde::Deserialize;

use crate::driver::handshake::Hello;

/// What helps when the words of the set-up are not understood.
pub(super) const HELLO_HINT: &str =
    "the other end is no member, or of another version: start all members from the same program";

/// A connection and the lines that were read and not yet taken.
pub(super) struct Wire {
    pub(super) connection: Connection,
    pub(super) lines: VecDeque<Result<Bytes, FrameError>>,
}

impl Wire {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            lines: VecDeque::new(),
        }
    }

    /// The next line; none when the connection is over or the peer goes down.
    pub(super) async fn line(&mut self) -> Option<Result<Bytes, FrameError>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            match self.connection.turn().await {
                Turn::Received(batch) => {
                    let lines = batch.lines().map(|line| line.map(|line| batch.share(line)));
                    self.lines.extend(lines);
                }
                Turn::Drained => {}
                Turn::ShuttingDown | Turn::Closed(_) => return None,
            }
        }
    }

    pub(super) fn say(&self, write: impl FnOnce(LineWriter<'_>)) {
        let mut line = Vec::new();
        write(LineWriter::upkeep(&mut line));
        let _ = self.connection.outbox().push_reply(line.into());
    }

    /// Says what was wrong: below the clock, like everything of the set-up.
    pub(super) fn refuse(&mut self, error: &WireError) {
        let mut line = Vec::new();
        LineWriter::upkeep_error(&mut line, error);
        self.connection.queue(line.into());
    }
}

#[derive(Deserialize)]
pub(super) struct Word<'a> {
    #[serde(borrow)]
    pub(super) op: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) event: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    pub(super) proof: String,
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Whether a member begins to introduce itself; everybody else is a client.
pub(super) fn is_hello(line: &[u8]) -> bool {
    serde_json::from_slice::<Word<'_>>(line).is_ok_and(|word| word.op.as_deref() == Some("peer"))
}

pub(super) fn read_hello(line: &[u8]) -> Result<Hello, WireError> {
    let hello: Hello = proto::parse_object(line).map_err(|refusal| refusal.error.with_hint(HELLO_HINT))?;
    if !(1..=TIME_MAX).contains(&hello.incarnation) {
        let message = "the field incarnation is wrong: expected an integer from 1 to 2^53 - 1";
        return Err(WireError::new(codes::INVALID_FIELD, message).with_hint(HELLO_HINT));
    }
    Ok(hello)
}

pub(super) fn write_hello(line: LineWriter<'_>, hello: &Hello) {
    line.text("id", hello.id.as_str())
        .number("incarnation", hello.incarnation)
        .text("group", &hello.group)
        .text("order", &hello.order)
        .text("nonce", &hello.nonce)
        .text("proof", &hello.proof)
        .end();
}

pub(super) fn told_error(line: &[u8]) -> Result<(), WireError> {
    match serde_json::from_slice::<Word<'_>>(line) {
        Ok(word) if word.event.as_deref() == Some("error") => {
            let error = WireError::new(codes::INTERNAL, format!("{}: {}", word.code, word.message));
            Err(match word.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            })
        }
        _ => Ok(()),
    }
}
