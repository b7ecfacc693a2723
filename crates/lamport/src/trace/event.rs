//! One event of a trace, as it is told to the recorder and as it is read back.

use std::borrow::Cow;
use std::ops::AddAssign;

use super::facts::{Fact, Value};

/// What kind of event it is in Lamport's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A message leaves the process.
    Send,
    /// A message arrives at the process.
    Receive,
    /// Something that concerns this process only.
    Local,
}

impl Kind {
    /// The word for it in a trace.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Local => "local",
        }
    }

    /// The kind that the word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Send, Self::Receive, Self::Local]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// Which service's rules an event obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// The chat hub and its clients.
    Chat,
    /// The bank and its clients.
    Bank,
    /// Members of a multicast group and their clients.
    Multicast,
    /// Anything else: only the clock's own rules apply.
    Other,
}

impl Service {
    /// The word for it in a trace.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Bank => "bank",
            Self::Multicast => "multicast",
            Self::Other => "other",
        }
    }

    /// The service that the word stands for; a word we do not know is [`Service::Other`], so that traces of later
    /// services can be read.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        [Self::Chat, Self::Bank, Self::Multicast]
            .into_iter()
            .find(|service| service.as_str() == word)
            .unwrap_or(Self::Other)
    }
}

/// The identity of the message that an event sends or receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// No message: a local event.
    None,
    /// What this process sends with this very event: `<process>@<time>`.
    Own,
    /// What `process` sent with the stamp `time`: `<process>@<time>`.
    Sent {
        /// The sender.
        process: &'a str,
        /// The stamp the message carries.
        time: u64,
    },
    /// A client's request: `<connection>/<number>`.
    Request {
        /// The text that the server's greeting gave the connection.
        connection: &'a str,
        /// Counts the stamped requests of the connection, from 1.
        number: u64,
    },
    /// An identity of another form.
    Text(&'a str),
}

/// An event as a service tells it to its [`Tracer`](super::Tracer): the tracer knows the process, the service and the
/// wall time. All of it is borrowed, so building one costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Send, receive or local.
    pub kind: Kind,
    /// What happened, in a word or a short line for people.
    pub label: &'a str,
    /// The message sent or received.
    pub message: Message<'a>,
    /// What a check needs to know of it; see [`facts`](super::facts).
    pub facts: &'a [Fact<'a>],
}

impl<'a> Event<'a> {
    /// A message that leaves with this event, known to its receivers as `<process>@<time>`.
    #[must_use]
    pub const fn send(label: &'a str, facts: &'a [Fact<'a>]) -> Self {
        Self {
            kind: Kind::Send,
            label,
            message: Message::Own,
            facts,
        }
    }

    /// A message that arrives.
    #[must_use]
    pub const fn receive(label: &'a str, message: Message<'a>, facts: &'a [Fact<'a>]) -> Self {
        Self {
            kind: Kind::Receive,
            label,
            message,
            facts,
        }
    }

    /// Something that concerns this process only.
    #[must_use]
    pub const fn local(label: &'a str, facts: &'a [Fact<'a>]) -> Self {
        Self {
            kind: Kind::Local,
            label,
            message: Message::None,
            facts,
        }
    }
}

/// One event of one process, as a trace holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent<'a> {
    /// Where it happened; a valid [`ProcessId`](crate::ProcessId).
    pub process: Cow<'a, str>,
    /// The process's clock at the event.
    pub lamport: u64,
    /// Send, receive or local.
    pub kind: Kind,
    /// The message sent or received.
    pub message: Option<Cow<'a, str>>,
    /// What happened, for people.
    pub label: Cow<'a, str>,
    /// Wall time, microseconds since the Unix epoch.
    pub at_us: u64,
    /// Whose rules it obeys.
    pub service: Service,
    /// What a check needs to know of it, in groups; see [`facts::groups`](super::facts::groups).
    pub facts: Vec<Fact<'a>>,
}

impl TraceEvent<'_> {
    /// The first fact of that name.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<&Value<'_>> {
        self.facts
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The same event with the texts of this one.
    pub(super) fn borrowed(&self) -> TraceEvent<'_> {
        TraceEvent {
            process: Cow::Borrowed(&self.process),
            lamport: self.lamport,
            kind: self.kind,
            message: self.message.as_deref().map(Cow::Borrowed),
            label: Cow::Borrowed(&self.label),
            at_us: self.at_us,
            service: self.service,
            facts: self
                .facts
                .iter()
                .map(|(key, value)| (Cow::Borrowed(&**key), value.borrowed()))
                .collect(),
        }
    }

    /// The same event with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> TraceEvent<'static> {
        TraceEvent {
            process: self.process.into_owned().into(),
            lamport: self.lamport,
            kind: self.kind,
            message: self.message.map(|id| id.into_owned().into()),
            label: self.label.into_owned().into(),
            at_us: self.at_us,
            service: self.service,
            facts: self
                .facts
                .into_iter()
                .map(|(key, value)| (key.into_owned().into(), value.into_owned()))
                .collect(),
        }
    }
}

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// Something happened.
    Event(TraceEvent<'a>),
    /// So many events are missing here.
    Dropped(u64),
    /// The process ended its trace in good order.
    Closed(Summary),
}

impl Record<'_> {
    /// The same record with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Record<'static> {
        match self {
            Self::Event(event) => Record::Event(event.into_owned()),
            Self::Dropped(count) => Record::Dropped(count),
            Self::Closed(summary) => Record::Closed(summary),
        }
    }
}

/// What became of all events told to a tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Events in the file.
    pub written: u64,
    /// Events that are not, because the disk could not keep up or the line was too long.
    pub dropped: u64,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.written += other.written;
        self.dropped += other.dropped;
    }
}
