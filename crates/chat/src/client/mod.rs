//! A chat client for programs: one member that stays one over lost connections.
//!
//! [`connect`] joins and starts a task that holds the connection. What a person wants goes in as [`Command`]s through
//! [`Chat`], which gives each a [`Ticket`]; what becomes of it, and everything else that is to be shown, comes out as [`Notice`]s, in order. When the connection is lost the task
//! says so, comes back with its token and the last number it saw in each room, and goes on where it was:
//! [`Session`] is how.
//!
//! ```no_run
//! use chat::client::{Command, Notice, Settings, connect};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::new(proto::net::Dialer::Tcp("127.0.0.1:50000".to_owned()), "Bernardo", "lobby");
//! let (chat, mut notices, joined) = connect(settings).await?;
//! println!("{} others are here", joined.members - 1);
//! let said = chat.send(Command::Say { room: None, text: "Olá pessoal".to_owned() }).await;
//! while let Some(notice) = notices.recv().await {
//!     match notice {
//!         Notice::Acknowledged(ticket, seq) if ticket == said => println!("said, as number {seq:?} of the room"),
//!         Notice::Refused { ticket: Some(ticket), error, .. } if ticket == said => println!("not said: {error}"),
//!         Notice::Event(event, _) => println!("{event:?}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod command;
mod driver;
mod incoming;
mod link;
mod member;
mod passing;
mod request;
pub mod session;
mod trace;
#[cfg(feature = "cli")]
mod view;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use proto::ToldError;
use proto::net::{ClientSettings, ConnectError, Dialer};
use tokio::sync::mpsc;

pub use self::command::{Command, HELP, Typed, parse};
pub use self::session::{Message, Session, Ticket};
pub use self::trace::Recorder;
#[cfg(feature = "cli")]
pub use self::view::View;
pub use self::wire::{Event, RoomLine, What, parse_event};

/// Commands that wait for the task.
const COMMANDS_WAITING_MAX: usize = 64;

/// Notices that wait for whoever shows them; beyond it the connection is not read.
const NOTICES_WAITING_MAX: usize = 1024;

/// Who joins where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server.
    pub dialer: Dialer,
    /// The name wanted.
    pub name: String,
    /// The first room.
    pub room: String,
    /// The password of the name, if it is protected.
    pub password: Option<String>,
    /// The connection's settings, and what is kept over all connections: the clock and who observes it.
    pub client: ClientSettings,
}

/// Somebody who has joined. Clones are the same member; when all are gone, it leaves.
#[derive(Debug, Clone)]
pub struct Chat {
    commands: mpsc::Sender<driver::Numbered>,
    /// The last command's number, of all clones together.
    numbered: Arc<AtomicU64>,
}

/// How a member begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The name, as the server spells it.
    pub name: String,
    /// The room.
    pub room: String,
    /// The number of one's own `entered`.
    pub seq: u64,
    /// How many are in the room, oneself included.
    pub members: u64,
}

/// Why nobody joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refused.
    #[error("{0}")]
    Refused(ToldError),
    /// The connection ended before the answer.
    #[error("the connection ended before the answer to join")]
    Lost,
}

/// Something to show.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Something happened, with the line as it came.
    Event(Event, Bytes),
    /// A message was said, under this number where it is known.
    Acknowledged(Ticket, Option<u64>),
    /// The connection was lost at this message and nobody can tell whether it was said: it is not sent again.
    Unsure(Ticket, Message),
    /// What a command brought; without a ticket, what came about by itself: a room could not be entered again after the connection was
    /// lost.
    Done(Option<Ticket>, Done),
    /// A command was refused, by the server or because it could not be sent.
    Refused {
        /// Which command; none where a room does not let us in again after the connection was lost.
        ticket: Option<Ticket>,
        /// Its operation.
        op: &'static str,
        /// Why.
        error: ToldError,
    },
    /// So many events of a room will not be seen here.
    Missed {
        /// The room.
        room: String,
        /// How many.
        missed: u64,
    },
    /// The connection is lost; it is being made again.
    Disconnected,
    /// An attempt to make it again failed.
    StillDisconnected(String),
    /// It is there again.
    Reconnected,
    /// It is over.
    Ended(End),
}

/// What a command brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Entered a room with so many members; what is said goes there now.
    Entered {
        /// The room.
        room: String,
        /// How many are there, oneself included.
        members: u64,
    },
    /// Left a room; what is said goes to the other one now, if there is one.
    Exited {
        /// The room left.
        room: String,
        /// The room that is spoken to now.
        current: Option<String>,
    },
    /// The rooms.
    Rooms {
        /// Some of them, the fullest first.
        rooms: Vec<RoomLine>,
        /// Whether there are more.
        more: bool,
    },
    /// Who is there.
    Who {
        /// In which room.
        room: String,
        /// Their names.
        members: Vec<String>,
        /// Whether there are more.
        more: bool,
    },
    /// A part of a room's history.
    History {
        /// Of which room.
        room: String,
        /// Its events.
        events: Vec<Event>,
        /// Whether there are older ones.
        more: bool,
    },
    /// This is the name now.
    Renamed(String),
    /// This name is protected now.
    Registered(String),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As asked, with so many messages of which the server never heard.
    Left(usize),
    /// The same person joined elsewhere, or the server does not let us back in.
    Refused(ToldError),
}

impl Settings {
    /// The usual settings for `name` in `room`.
    #[must_use]
    pub fn new(dialer: Dialer, name: &str, room: &str) -> Self {
        Self {
            dialer,
            name: name.to_owned(),
            room: room.to_owned(),
            password: None,
            client: ClientSettings::new("chat"),
        }
    }

    /// The same with everything sent and received recorded.
    #[must_use]
    pub fn recorded(mut self, recorder: Recorder) -> Self {
        self.client.observer = Some(Arc::new(recorder));
        self
    }
}

impl Chat {
    /// Hands a command to the task; waits while it has many. What becomes of it is told in [`Notice`]s with this ticket, except
    /// that [`Finish`](Command::Finish) and [`Leave`](Command::Leave) have no answer but the end. Nothing happens after that.
    ///
    /// Cancel safe: when the future is dropped, the command was not handed over.
    pub async fn send(&self, command: Command) -> Ticket {
        let ticket = self.ticket();
        // The end is told as a notice; there is nothing more to say here.
        let _ = self.commands.send((ticket, command)).await;
        ticket
    }

    /// The same from a thread that is not the runtime's.
    ///
    /// # Panics
    ///
    /// On a thread of the runtime, which must not be blocked.
    pub fn send_blocking(&self, command: Command) -> Ticket {
        let ticket = self.ticket();
        let _ = self.commands.blocking_send((ticket, command));
        ticket
    }

    fn ticket(&self) -> Ticket {
        Ticket(self.numbered.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Joins, and starts the task that holds the connection, and makes it again for as long as that takes. It ends when the member [leaves](Command::Leave), or when nobody
/// receives its notices any more: a member that nothing is shown to is no member.
///
/// # Errors
///
/// When there is no connection or the server refuses the join. Later losses are [`Notice`]s.
pub async fn connect(settings: Settings) -> Result<(Chat, mpsc::Receiver<Notice>, Joined), JoinError> {
    let (sender, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
    let (notices, receiver) = mpsc::channel(NOTICES_WAITING_MAX);
    let joined = driver::start(settings, commands, notices).await?;
    let chat = Chat {
        commands: sender,
        numbered: Arc::default(),
    };
    Ok((chat, receiver, joined))
}
