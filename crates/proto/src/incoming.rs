//! What a client reads: the greeting, and after it replies and events.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::envelope::checked_text;
use crate::error::{ToldError, WireError, codes};
use crate::fields::{IdField, StampField, Text};

/// The first line of every server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Greeting {
    /// Which service this is: `chat`, `bank`, `multicast`.
    pub service: String,
    /// The version of the wire.
    pub protocol: u32,
    /// The version of the program.
    #[serde(default)]
    pub version: String,
    /// A text unique to this connection, over restarts of the server too; names the client's messages in traces.
    #[serde(default)]
    pub connection: String,
    /// The process whose clock stamps what the server sends, where the service alone does not say it: `P1.clients` is the
    /// client port of the multicast member P1. Names it in traces.
    #[serde(default)]
    pub process: Option<String>,
}

impl Greeting {
    /// The server's process: its name in traces.
    #[must_use]
    pub fn process(&self) -> &str {
        self.process.as_deref().unwrap_or(&self.service)
    }
}

/// What a client receives after the greeting.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// The reply to request `id`, with its stamp.
    Reply {
        /// The stamp of its sending.
        lamport: u64,
        /// The request's id.
        id: u64,
        /// What came of it.
        outcome: Result<&'a RawValue, ToldError>,
    },
    /// An event with its stamp and its name.
    Event {
        /// The stamp of its sending.
        lamport: u64,
        /// `said`, `error`, …
        event: Text<'a>,
    },
    /// The server asks whether we are still there; the answer is `{"op":"pong"}`.
    Ping,
}

/// Why a request brought no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The connection ended before the reply came: nobody knows whether the request was carried out.
    #[error("the connection ended before the reply")]
    Lost,
}

/// Reads one line as a reply or an event.
///
/// # Errors
///
/// What is wrong with the line: the server does not speak this protocol.
pub fn parse_incoming(line: &[u8]) -> Result<Incoming<'_>, WireError> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(default)]
        lamport: StampField,
        #[serde(default)]
        id: IdField,
        #[serde(borrow)]
        ok: Option<&'a RawValue>,
        error: Option<ToldError>,
        #[serde(borrow)]
        event: Option<Text<'a>>,
    }
    let text = checked_text(line).map_err(|refusal| refusal.error)?;
    let fields: Fields<'_> =
        serde_json::from_str(text).map_err(|error| WireError::new(codes::INVALID_JSON, error.to_string()))?;
    let no_message = || WireError::new(codes::INVALID_JSON, "the line is neither a reply nor an event");
    let lamport = fields.lamport.get().ok_or_else(no_message)?;
    match (fields.event, fields.id, fields.ok, fields.error) {
        (Some(event), IdField::Absent, ..) if &*event == "ping" => Ok(Incoming::Ping),
        (Some(event), IdField::Absent, ..) => Ok(Incoming::Event { lamport, event }),
        (None, IdField::Id(id), Some(ok), None) => Ok(Incoming::Reply {
            lamport,
            id,
            outcome: Ok(ok),
        }),
        (None, IdField::Id(id), None, Some(error)) => Ok(Incoming::Reply {
            lamport,
            id,
            outcome: Err(error),
        }),
        _ => Err(no_message()),
    }
}
