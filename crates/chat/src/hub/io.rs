//! What goes into the hub and what comes out.

use std::fmt;
use std::sync::Arc;

use proto::WireError;

use crate::names::Name;
use crate::ops::{Op, Token};

/// A connection, by a number that no other connection of this server ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A room, by a number that no other room of this run of the server ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u64);

/// What happens to the hub.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection is there.
    Opened {
        /// Which.
        connection: ConnectionId,
    },
    /// A connection asks for something. Between a request that led to [`Output::CheckPassword`] or
    /// [`Output::StorePassword`] and the input that answers it, its connection asks for nothing else.
    Request {
        /// Which connection.
        connection: ConnectionId,
        /// The request's id, for its reply.
        id: u64,
        /// What it asks for.
        op: Op<'a>,
    },
    /// The answer to [`Output::CheckPassword`].
    PasswordChecked {
        /// The connection that gave the password.
        connection: ConnectionId,
        /// The id of its request.
        id: u64,
        /// What the password was for, as it came out.
        wanted: Wanted,
        /// Whether it is the right one, or why nobody can tell now.
        outcome: Result<bool, WireError>,
    },
    /// The answer to [`Output::StorePassword`].
    PasswordStored {
        /// The connection that registers its name.
        connection: ConnectionId,
        /// The id of its request.
        id: u64,
        /// What is stored now, or why it is not.
        outcome: Result<Registration, WireError>,
    },
    /// A connection is over without having left.
    Ended {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: Reason,
    },
    /// The server goes down: everybody is lost at once.
    ShutDown,
}

/// What a password was given for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// To join under a protected name.
    Join {
        /// The name.
        name: Name,
        /// The room.
        room: Name,
        /// The last number seen there.
        since: Option<u64>,
        /// The token this join will be known by.
        fresh: Token,
    },
    /// To take a protected name.
    Rename {
        /// The name.
        name: Name,
    },
}

/// A name that a password protects.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The name.
    pub name: Name,
    /// What the password hashes to, in argon2's own text form.
    pub hash: Arc<str>,
}

/// What the hub knew before this run of the server.
#[derive(Debug, Default)]
pub struct Facts {
    /// The rooms that have a log, each with the last number used.
    pub rooms: Vec<(Name, u64)>,
    /// No room that was forgotten had a higher number.
    pub forgotten_through: u64,
    /// The protected names.
    pub registrations: Vec<Registration>,
}

/// Why a member is no longer in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It said so.
    Quit,
    /// Its connection broke, or it came back on another one.
    Lost,
    /// Its connection was silent for too long.
    Timeout,
    /// It did not read what was sent to it.
    Slow,
}

impl Event<'_> {
    /// The event's name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Said { .. } => "said",
            Self::Entered { .. } => "entered",
            Self::Left { .. } => "left",
            Self::Renamed { .. } => "renamed",
        }
    }

    /// Who did it, under the name it had before.
    #[must_use]
    pub fn actor(&self) -> &str {
        match self {
            Self::Said { from: name, .. }
            | Self::Entered { name }
            | Self::Left { name, .. }
            | Self::Renamed { name, .. } => name,
        }
    }
}

impl Reason {
    /// The reason as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to be done, in this order. `Reply`, `Refuse`, `Broadcast`, `Told` and `Lagged` are sends.
#[derive(Debug)]
pub enum Output<'a> {
    /// The request was carried out.
    Reply {
        /// To whom.
        connection: ConnectionId,
        /// The request's id.
        id: u64,
        /// What came of it.
        reply: Reply,
    },
    /// The request was refused; nothing has changed.
    Refuse {
        /// To whom.
        connection: ConnectionId,
        /// The request's id.
        id: u64,
        /// Why.
        error: WireError,
    },
    /// An event of a room, for its [members](super::Hub::members) of this moment.
    Broadcast {
        /// Which room.
        room: RoomId,
        /// The room's name.
        name: Arc<str>,
        /// The event's number in the room.
        seq: u64,
        /// Who does not receive it: who caused it and learns its number in a reply instead.
        except: ConnectionId,
        /// What happened.
        event: Event<'a>,
    },
    /// A private text.
    Told {
        /// To whom.
        connection: ConnectionId,
        /// Who tells.
        from: Arc<str>,
        /// What.
        text: proto::Text<'a>,
    },
    /// The events `after < seq <= through` of a room, to be sent before anything that comes later. Those that are no
    /// longer stored are counted in a `lagged` event before them.
    Replay {
        /// To whom.
        connection: ConnectionId,
        /// The room's name.
        room: Arc<str>,
        /// The last one not wanted.
        after: u64,
        /// The last one wanted.
        through: u64,
    },
    /// The reply is what is stored of a room.
    ReadHistory {
        /// To whom.
        connection: ConnectionId,
        /// The request's id.
        id: u64,
        /// The room's name.
        room: Arc<str>,
        /// Only later ones, and the oldest of these first.
        after: Option<u64>,
        /// Only earlier ones.
        before: Option<u64>,
        /// At most so many.
        limit: u64,
    },
    /// A password is to be compared with a hash; answered by [`Input::PasswordChecked`].
    CheckPassword {
        /// Who gave it.
        connection: ConnectionId,
        /// The request's id.
        id: u64,
        /// The password.
        password: proto::Text<'a>,
        /// What it must hash to.
        hash: Arc<str>,
        /// What it is for.
        wanted: Wanted,
    },
    /// A password is to be hashed and stored; answered by [`Input::PasswordStored`].
    StorePassword {
        /// Who gave it.
        connection: ConnectionId,
        /// The request's id.
        id: u64,
        /// The password.
        password: proto::Text<'a>,
        /// The name it protects.
        name: Name,
    },
    /// The connection is over as far as the hub is concerned: what is queued is to be written and the stream closed.
    Close {
        /// Which.
        connection: ConnectionId,
    },
}

/// An event of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// Somebody said something.
    Said {
        /// Who.
        from: Arc<str>,
        /// What.
        text: proto::Text<'a>,
    },
    /// Somebody entered.
    Entered {
        /// Who.
        name: Arc<str>,
    },
    /// Somebody is gone.
    Left {
        /// Who.
        name: Arc<str>,
        /// Why.
        reason: Reason,
    },
    /// Somebody has another name.
    Renamed {
        /// The name before.
        name: Arc<str>,
        /// The name now.
        to: Arc<str>,
    },
}

/// What a request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To `join`.
    Joined {
        /// The name.
        name: Arc<str>,
        /// The room.
        room: Arc<str>,
        /// The number of one's own `entered`.
        seq: u64,
        /// Who is there now, oneself included: a count.
        members: u64,
        /// The secret by which a later join takes the name over.
        token: Token,
    },
    /// To `say`.
    Said {
        /// Where.
        room: Arc<str>,
        /// The number of the event.
        seq: u64,
    },
    /// To `tell`.
    Told {
        /// Whom, as that member spells it.
        to: Arc<str>,
    },
    /// To `enter`.
    Entered {
        /// The room.
        room: Arc<str>,
        /// The number of one's own `entered`.
        seq: u64,
        /// Who is there now, oneself included: a count.
        members: u64,
    },
    /// To `exit`.
    Exited {
        /// The room.
        room: Arc<str>,
        /// The number of one's own `left`.
        seq: u64,
    },
    /// To `rooms`.
    Rooms {
        /// The rooms with the most members first.
        rooms: Vec<RoomLine>,
        /// Whether there are more than are listed.
        more: bool,
    },
    /// To `who`.
    Who {
        /// The room.
        room: Arc<str>,
        /// Their names.
        members: Vec<Arc<str>>,
        /// Whether there are more than are listed.
        more: bool,
    },
    /// To `rename`.
    Renamed {
        /// The name now.
        name: Arc<str>,
        /// The number of one's own `renamed` in each room one is in.
        rooms: Vec<(Arc<str>, u64)>,
    },
    /// To `register`.
    Registered {
        /// The name that is protected now.
        name: Arc<str>,
    },
    /// To `leave`.
    Left {
        /// The number of one's own `left` in each room one was in.
        rooms: Vec<(Arc<str>, u64)>,
    },
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomLine {
    /// Its name.
    pub room: Arc<str>,
    /// How many are there.
    pub members: u64,
    /// The number of its latest event.
    pub seq: u64,
}
