//! From the lines of a batch to what the core handles, before its lock is taken.

use std::sync::Arc;

use proto::{Batch, Refusal, Text, WireError};

use crate::hub::{Entering, Wanted};
use crate::limits::ROOMS_PER_MEMBER_MAX;
use crate::names::Name;
use crate::ops::{Op, Request, Token};

/// A line as it was understood.
#[derive(Debug)]
pub(super) enum Line<'b> {
    /// A request.
    Request(Received<'b>),
    /// Something that is none.
    Refused(Refusal),
}

/// A request with what stands around it.
#[derive(Debug)]
pub(super) struct Received<'b> {
    pub(super) id: u64,
    pub(super) lamport: u64,
    pub(super) op: Op<'b>,
}

/// What an operation has to wait for.
#[derive(Debug)]
pub(super) enum Errand<'b> {
    CheckPassword {
        id: u64,
        password: Text<'b>,
        hash: Arc<str>,
        wanted: Wanted,
    },
    StorePassword {
        id: u64,
        password: Text<'b>,
        name: Name,
    },
    ReadHistory {
        id: u64,
        room: Arc<str>,
        after: Option<u64>,
        before: Option<u64>,
        limit: u64,
    },
    Replay(Replay),
}

/// What a member missed in a room, as the hub asks for it.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) room: Arc<str>,
    pub(super) after: u64,
    pub(super) through: u64,
}

/// Reads all lines of a batch.
pub(super) fn read(batch: &Batch) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for line in batch.lines() {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                let refusal = Refusal {
                    id: None,
                    lamport: None,
                    framing: true,
                    error: error.into(),
                };
                lines.push(Line::Refused(refusal));
                continue;
            }
        };
        match read_request(line) {
            Ok(None) => {}
            Ok(Some(request)) => lines.push(Line::Request(request)),
            Err(refusal) => lines.push(Line::Refused(refusal)),
        }
    }
    lines
}

fn read_request(line: &[u8]) -> Result<Option<Received<'_>>, Refusal> {
    let Some(request) = proto::parse::<Request<'_>>(line)? else {
        return Ok(None);
    };
    let refused = Refusal::of(&request, NOTHING_YET);
    let (Some(id), Some(lamport)) = (refused.id, refused.lamport) else {
        return Err(refused);
    };
    match request.into_op(fresh_token) {
        Ok(op) => Ok(Some(Received { id, lamport, op })),
        Err(error) => Err(Refusal { error, ..refused }),
    }
}

/// Stands in a refusal until its reason is known; `parse` has made sure of id and stamp.
const NOTHING_YET: WireError = WireError {
    code: proto::codes::INVALID_FIELD,
    message: std::borrow::Cow::Borrowed("the envelope is wrong"),
    hint: None,
};

fn fresh_token() -> Token {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("a system that has run so far has random numbers");
    Token::new(u128::from_le_bytes(random))
}

impl Line<'_> {
    /// The room that the request enters, if it is one that does.
    pub(super) fn entering(&self) -> Option<Entering> {
        match self {
            Self::Request(request) => Entering::by(&request.op),
            Self::Refused(_) => None,
        }
    }

    /// Most Lamport times that the line uses: its receive, its reply, and its events.
    pub(super) fn times(&self) -> u64 {
        match self {
            Self::Request(Received {
                op: Op::Say { .. } | Op::Tell { .. },
                ..
            })
            | Self::Refused(_) => 3,
            Self::Request(_) => 3 + 2 * ROOMS_PER_MEMBER_MAX as u64,
        }
    }

    /// The stamp of a message.
    pub(super) fn lamport(&self) -> Option<u64> {
        match self {
            Self::Request(request) => Some(request.lamport),
            Self::Refused(refusal) => refusal.lamport,
        }
    }

    /// About as many bytes as the line's event takes.
    pub(super) fn event_bytes(&self) -> usize {
        match self {
            Self::Request(Received {
                op: Op::Say { text, .. },
                ..
            }) => text.len() + EVENT_BYTES,
            Self::Request(_) | Self::Refused(_) => EVENT_BYTES,
        }
    }
}

/// About what an event takes beside its text.
const EVENT_BYTES: usize = 128;
