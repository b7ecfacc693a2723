//! What a peer is told when something is wrong: a stable code, a message for people, and what can be done about it.

use std::borrow::Cow;
use std::fmt;

use lamport::ClockError;
use serde::Deserialize;

/// A stable, documented error code: lower-case words joined by underscores.
///
/// The codes that every service uses are in [`codes`]; a service adds its own with [`Code::new`]. docs/protocol.md
/// lists them all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// The code spelled `text`.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The code as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The codes that every service uses, in order of precedence: where several apply, the first is told.
pub mod codes {
    use super::Code;

    /// The line is longer than allowed. It was skipped to its end.
    pub const LINE_TOO_LONG: Code = Code::new("line_too_long");
    /// The line is not UTF-8.
    pub const INVALID_UTF8: Code = Code::new("invalid_utf8");
    /// Objects and arrays are nested too deeply.
    pub const TOO_DEEP: Code = Code::new("too_deep");
    /// The line is not one JSON object.
    pub const INVALID_JSON: Code = Code::new("invalid_json");
    /// A field of the request stands in it twice.
    pub const DUPLICATE_FIELD: Code = Code::new("duplicate_field");
    /// A field has the wrong type, or a value out of its range.
    pub const INVALID_FIELD: Code = Code::new("invalid_field");
    /// The stamp is not an integer from 0 to 2^53 - 1.
    pub const INVALID_STAMP: Code = Code::new("invalid_stamp");
    /// A field that the operation needs is not there.
    pub const MISSING_FIELD: Code = Code::new("missing_field");
    /// The stamp leaps too far ahead of the server's clock.
    pub const CLOCK_LEAP: Code = Code::new("clock_leap");
    /// The service has no such operation.
    pub const UNKNOWN_OPERATION: Code = Code::new("unknown_operation");
    /// The sender goes too fast.
    pub const RATE_LIMITED: Code = Code::new("rate_limited");
    /// The server has all the connections it may have, in total or from this address.
    pub const TOO_MANY_CONNECTIONS: Code = Code::new("too_many_connections");
    /// The connection did not join or log in within its time.
    pub const HANDSHAKE_TIMEOUT: Code = Code::new("handshake_timeout");
    /// The connection was silent for too long.
    pub const IDLE_TIMEOUT: Code = Code::new("idle_timeout");
    /// The server is going down.
    pub const SHUTTING_DOWN: Code = Code::new("shutting_down");
    /// The server failed in a way that is not the client's fault; its log says more.
    pub const INTERNAL: Code = Code::new("internal");

    /// All of them, in order of precedence.
    pub const ALL: [Code; 16] = [
        LINE_TOO_LONG,
        INVALID_UTF8,
        TOO_DEEP,
        INVALID_JSON,
        DUPLICATE_FIELD,
        INVALID_FIELD,
        INVALID_STAMP,
        MISSING_FIELD,
        CLOCK_LEAP,
        UNKNOWN_OPERATION,
        RATE_LIMITED,
        TOO_MANY_CONNECTIONS,
        HANDSHAKE_TIMEOUT,
        IDLE_TIMEOUT,
        SHUTTING_DOWN,
        INTERNAL,
    ];
}

/// An error as it is told to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// What programs decide by.
    pub code: Code,
    /// What people read: a lower-case fragment that reads well after "failed to … :".
    pub message: Cow<'static, str>,
    /// What can be done about it, where something can.
    pub hint: Option<Cow<'static, str>>,
}

impl WireError {
    /// An error without a hint.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A stamp that the clock did not take.
impl From<ClockError> for WireError {
    fn from(error: ClockError) -> Self {
        match error {
            ClockError::Leap { .. } | ClockError::Horizon { .. } => {
                Self::new(codes::CLOCK_LEAP, error.to_string())
                    .with_hint("stamp messages with a clock that has received ours")
            }
            ClockError::Exhausted => Self::new(codes::INTERNAL, error.to_string()),
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for WireError {}

/// An error as a peer told it: like [`WireError`], with a code that we may not know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ToldError {
    /// What programs decide by.
    pub code: String,
    /// What people read.
    pub message: String,
    /// What can be done about it, where something can.
    #[serde(default)]
    pub hint: Option<String>,
}

impl ToldError {
    /// Whether the peer told exactly this code.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.code == code.as_str()
    }
}
