//! What a client can ask for.
//!
//! Whether the fields of an operation are there and have a sensible value is decided here; whether they are names,
//! and whether the operation may be done, is for the hub.

mod request;
mod token;

use proto::Text;

pub use self::request::Request;
pub use self::token::Token;

/// One operation with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<'a> {
    /// Take a name and enter a room.
    Join(Join<'a>),
    /// Show a text to everybody else in a room: the one given or the one entered last.
    Say {
        /// The text.
        text: Text<'a>,
        /// Where.
        room: Option<Text<'a>>,
    },
    /// Show a text to one member.
    Tell {
        /// Whose name.
        to: Text<'a>,
        /// The text.
        text: Text<'a>,
    },
    /// Enter one more room.
    Enter {
        /// Which.
        room: Text<'a>,
        /// The last number seen there: what came after it is shown first.
        since: Option<u64>,
    },
    /// Leave a room: the one given or the one entered last.
    Exit {
        /// Which.
        room: Option<Text<'a>>,
    },
    /// List the rooms.
    Rooms,
    /// List who is in a room: the one given or the one entered last.
    Who {
        /// Which.
        room: Option<Text<'a>>,
    },
    /// Read what is stored of a room.
    History(HistoryQuery<'a>),
    /// Take another name.
    Rename {
        /// The new name.
        name: Text<'a>,
        /// Its password, if it is protected.
        password: Option<Text<'a>>,
    },
    /// Protect the name by a password.
    Register {
        /// The password.
        password: Text<'a>,
    },
    /// Leave all rooms and close the connection.
    Leave,
}

/// What `join` brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join<'a> {
    /// The name wanted.
    pub name: Text<'a>,
    /// The room to enter; the lobby if none is named.
    pub room: Option<Text<'a>>,
    /// The last number seen there: what came after it is shown first.
    pub since: Option<u64>,
    /// The password of the name, if it is protected.
    pub password: Option<Text<'a>>,
    /// The token of an earlier join, to take the name over from a connection that is dead already.
    pub token: Option<Token>,
    /// The token that this join will be known by.
    pub fresh: Token,
}

/// Which stored events are asked for. At most one of `after` and `before` is given; without either, the newest are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery<'a> {
    /// Of which room; the one entered last if none is named.
    pub room: Option<Text<'a>>,
    /// Only later ones, and the oldest of these first.
    pub after: Option<u64>,
    /// Only earlier ones.
    pub before: Option<u64>,
    /// At most so many, 1 to [`HISTORY_LIMIT_MAX`](crate::limits::HISTORY_LIMIT_MAX).
    pub limit: u64,
}

impl Op<'_> {
    /// The operation's name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Say { .. } => "say",
            Self::Tell { .. } => "tell",
            Self::Enter { .. } => "enter",
            Self::Exit { .. } => "exit",
            Self::Rooms => "rooms",
            Self::Who { .. } => "who",
            Self::History(_) => "history",
            Self::Rename { .. } => "rename",
            Self::Register { .. } => "register",
            Self::Leave => "leave",
        }
    }
}
