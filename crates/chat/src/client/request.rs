//! What a client asks of the server, and the fields of each operation.

use proto::LineWriter;

use super::{Message, Ticket};

/// A request. It is kept until its reply comes, which says only what the answer is, not to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Join; with `since`, come back to a room of which everything up to that number was seen.
    Join {
        name: String,
        room: String,
        since: Option<u64>,
        token: Option<String>,
        password: Option<String>,
    },
    Message(Message),
    /// Enter a room for the first time.
    Enter(String),
    /// Enter a room again after the connection was lost.
    EnterAgain {
        room: String,
        since: u64,
    },
    Exit(Option<String>),
    Rooms,
    Who(Option<String>),
    History {
        room: Option<String>,
        limit: Option<u64>,
    },
    Rename(String),
    Register(String),
    Leave,
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The command that it does; none where the member joins, or comes back, by itself.
    pub(super) ticket: Option<Ticket>,
    pub(super) request: Request,
}

impl Asked {
    /// What the member asks by itself.
    pub(super) fn unbidden(request: Request) -> Self {
        Self {
            ticket: None,
            request,
        }
    }
}

impl Request {
    /// The operation's name.
    pub(super) fn op(&self) -> &'static str {
        match self {
            Self::Join { .. } => "join",
            Self::Message(Message::Say { .. }) => "say",
            Self::Message(Message::Tell { .. }) => "tell",
            Self::Enter(_) | Self::EnterAgain { .. } => "enter",
            Self::Exit(_) => "exit",
            Self::Rooms => "rooms",
            Self::Who(_) => "who",
            Self::History { .. } => "history",
            Self::Rename(_) => "rename",
            Self::Register(_) => "register",
            Self::Leave => "leave",
        }
    }

    /// Writes the operation's fields.
    pub(super) fn write<'a>(&self, line: LineWriter<'a>) -> LineWriter<'a> {
        match self {
            Self::Join {
                name,
                room,
                since,
                token,
                password,
            } => {
                let line = line.text("name", name).text("room", room);
                let line = number(line, "since", *since);
                let line = text(line, "token", token.as_deref());
                text(line, "password", password.as_deref())
            }
            Self::Message(Message::Say { room, text }) => line.text("text", text).text("room", room),
            Self::Message(Message::Tell { to, text }) => line.text("to", to).text("text", text),
            Self::Enter(room) => line.text("room", room),
            Self::EnterAgain { room, since } => line.text("room", room).number("since", *since),
            Self::Exit(room) | Self::Who(room) => text(line, "room", room.as_deref()),
            Self::History { room, limit } => number(text(line, "room", room.as_deref()), "limit", *limit),
            Self::Rename(name) => line.text("name", name),
            Self::Register(password) => line.text("password", password),
            Self::Rooms | Self::Leave => line,
        }
    }
}

fn text<'a>(line: LineWriter<'a>, key: &'static str, value: Option<&str>) -> LineWriter<'a> {
    match value {
        Some(value) => line.text(key, value),
        None => line,
    }
}

fn number<'a>(line: LineWriter<'a>, key: &'static str, value: Option<u64>) -> LineWriter<'a> {
    match value {
        Some(value) => line.number(key, value),
        None => line,
    }
}
