//! What a turn of a connection ends with.

use std::fmt;
use std::io;

use crate::frame::Batch;

/// What [`Connection::turn`](super::Connection::turn) came back with.
#[derive(Debug)]
pub enum Turn {
    /// Lines arrived.
    Received(Batch),
    /// The outbox is empty again after it had refused an event.
    Drained,
    /// The server is going down: finish, then [flush](super::Connection::flush) and drop the connection. Told once.
    ShuttingDown,
    /// The connection is over.
    Closed(Closed),
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed its end, and was sent what it was owed by then.
    Ended,
    /// The stream broke.
    Lost(io::ErrorKind),
    /// It was silent for too long.
    TimedOut,
    /// It was not established in time.
    HandshakeTimedOut,
    /// It did not read what was sent to it.
    Slow,
    /// It was still there after the grace period of a shutdown.
    CutOff,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the peer closed it"),
            Self::Lost(kind) => write!(f, "it broke: {kind}"),
            Self::TimedOut => f.write_str("it was silent for too long"),
            Self::HandshakeTimedOut => f.write_str("it was not established in time"),
            Self::Slow => f.write_str("it did not read what was sent"),
            Self::CutOff => f.write_str("it was cut off by the shutdown"),
        }
    }
}
