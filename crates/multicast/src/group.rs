//! A group as a library: join, send, and take what is delivered.
//!
//! A replicated state machine (F. Schneider, *Implementing Fault-Tolerant Services Using the State Machine Approach*, ACM
//! Computing Surveys 22(4), 1990) is a group in total order whose members apply every delivery, their own too; `cargo run
//! --example state_machine` runs three of them:
//!
//! ```no_run
//! use multicast::{Event, Group, GroupSettings, Members, Order};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = GroupSettings::new("P1".parse()?, Members::builtin()).order(Order::Total);
//! let mut group = Group::join(settings).await?;
//! let handle = group.handle();
//! tokio::spawn(async move { handle.send("add 5").await });
//! let mut sum = 0;
//! while let Some(events) = group.next().await {
//!     for event in events {
//!         if let Event::Delivered(delivery) = event {
//!             // Every member applies the same commands in the same order, so every member has the same sum.
//!             if let Some(number) = delivery.text().strip_prefix("add ") {
//!                 sum += number.parse::<i64>()?;
//!             }
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lamport::ProcessId;
use lamport::trace::Tracer;
use proto::net::{Identity, Listener, MemoryConnector, ServerLimits, Shutdown, serve};
use tokio::task::JoinHandle;

use crate::client::{MessageName, SERVICE, Status};
use crate::core::{Order, Peer, Settings};
use crate::driver::engine::Engine;
use crate::driver::identity::{DataError, Incarnation};
use crate::driver::inbox::Given;
use crate::driver::link::{ClientPort, Links, link_settings};
use crate::driver::node::Node;
use crate::driver::recall::Recall;
use crate::durable::journal::JournalError;
use crate::group_file::Members;
use crate::limits::{DATA_BYTES_MAX, FAREWELL_TIME};
use crate::members::Member;

/// What a member is started with.
#[derive(Debug, Clone)]
pub struct GroupSettings {
    id: ProcessId,
    members: Members,
    order: Order,
    data: Option<PathBuf>,
    durable: bool,
    secret: Option<Vec<u8>>,
    tracer: Tracer,
    limits: ServerLimits,
    shutdown: Shutdown,
    tell_sends: bool,
}

impl GroupSettings {
    /// Member `id` of the group: causal order, no data directory, no secret, no trace.
    #[must_use]
    pub fn new(id: ProcessId, members: Members) -> Self {
        Self {
            id,
            members,
            order: Order::default(),
            data: None,
            durable: false,
            secret: None,
            tracer: Tracer::off(),
            limits: ServerLimits::default(),
            shutdown: Shutdown::new(),
            tell_sends: false,
        }
    }

    pub(crate) fn data_directory(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.durable
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn order_of_group(&self) -> Order {
        self.order
    }

    /// The group's order, the same at every member.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Where the incarnation is kept. Without it the incarnation is the time in milliseconds.
    #[must_use]
    pub fn data(mut self, directory: impl Into<Option<PathBuf>>) -> Self {
        self.data = directory.into();
        self
    }

    /// Whether the member goes on after a crash as if it had only been away: it keeps a journal in the [data
    /// directory](Self::data), and nothing leaves it before what it rests on is stored. Then a message is sent once
    /// [`Handle::send`] returns, whatever happens, and [`Delivery::number`] tells an application that stores it what it has
    /// had.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// The group's secret, by which members prove who they are. Without it only this machine's processes are trusted.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Option<Vec<u8>>>) -> Self {
        self.secret = secret.into();
        self
    }

    /// Where events are recorded.
    #[must_use]
    pub fn tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// The bounds of the peer's port.
    #[must_use]
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the sends of this member are events too.
    #[must_use]
    pub fn tell_sends(mut self, tell_sends: bool) -> Self {
        self.tell_sends = tell_sends;
        self
    }

    /// What ends the peer, such as a signal.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }
}

/// Why a member could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The identity is none of the group's.
    #[error("{0} is not a member of the group; hint: --id names one of the members in the --group file")]
    NotAMember(ProcessId),
    /// The address cannot be listened on.
    #[error(
        "failed to listen on {address}: {error}; hint: is this member running already? --group FILE gives other addresses, each HOST:PORT"
    )]
    Listen {
        /// Which address.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// Without a secret only this machine is trusted.
    #[error(
        "{0} can be reached from other machines, and the group has no secret; hint: start all members with the same --secret-file, or listen on localhost"
    )]
    SecretNeeded(SocketAddr),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A durable member has nowhere to keep its journal.
    #[error("a durable member needs a data directory; hint: name one with --data, without --memory")]
    NowhereToKeep,
    /// There is a journal, and the member is not to keep it up.
    #[error(
        "{0} is the journal of a durable member; hint: start it with --durable, or remove the journal: then the member begins where the others last knew it"
    )]
    HasJournal(PathBuf),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The member has left.
    #[error("the member has left the group")]
    Left,
    /// The clock has reached its end, or the group knows a later life of this member.
    #[error("the group takes no messages of this member any more")]
    Refused,
    /// The text is too long.
    #[error("a message has at most {DATA_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
}

/// A message that the group has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// This life of the member.
    pub incarnation: u64,
    /// The message's number in this life.
    pub sequence: u64,
    /// The Lamport time of the send.
    pub stamp: u64,
}

/// A delivered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in what this member tells its application, deliveries and [misses](Event::Missed) together: from 1 without gaps,
    /// for a [durable](GroupSettings::durable) member over all its lives. An application that stores the last number with its own
    /// state, and skips what is not above it, has every message exactly once. 0 for what is [sent](Event::Sent).
    pub number: u64,
    /// Who sent it.
    pub from: ProcessId,
    /// In which life.
    pub incarnation: u64,
    /// As which of that life.
    pub sequence: u64,
    /// The text in UTF-8.
    pub data: Bytes,
    /// The Lamport time of its send.
    pub stamp: u64,
    /// The Lamport time of its delivery here.
    pub received: u64,
    /// When it was delivered, in milliseconds since the Unix epoch.
    pub at: u64,
    /// This member sent it.
    pub own: bool,
    /// It had waited for others before its turn came: its receipt was an earlier event.
    pub later: bool,
}

impl Delivery {
    /// What it says.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.data).unwrap_or_default()
    }

    /// Its name: `P1/2/17`.
    #[must_use]
    pub fn name(&self) -> MessageName {
        MessageName {
            origin: self.from.clone(),
            incarnation: self.incarnation,
            sequence: self.sequence,
        }
    }
}

/// What a member tells its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This member's message was sent; told only if [asked for](GroupSettings::tell_sends).
    Sent(Delivery),
    /// A message was delivered, this member's own too.
    Delivered(Delivery),
    /// Messages that will never come: this member was away for too long, and nobody keeps them any more.
    Missed {
        /// Its place, as [`Delivery::number`].
        number: u64,
        /// Whose messages.
        from: ProcessId,
        /// Of which life.
        incarnation: u64,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// Nothing was heard of this member for a while.
    Suspected(ProcessId),
    /// It was heard again.
    Trusted(ProcessId),
    /// Total order waits for these members; goes on when nobody is named.
    Waiting(Vec<ProcessId>),
    /// Something was refused, which people should know.
    Refused(String),
}

/// A member of a running group. Dropping it leaves at once; [`leave`](Self::leave) writes first what is queued.
pub struct Group {
    handle: Handle,
    links: Arc<Links>,
    address: SocketAddr,
    door: MemoryConnector,
    clock: Option<JoinHandle<()>>,
    server: Option<JoinHandle<bool>>,
    dials: Vec<JoinHandle<()>>,
    shutdown: Shutdown,
    /// The Lamport time with which this life began.
    began: u64,
    /// What the application was given last.
    given: Given,
    told_before: Mutex<Vec<Event>>,
    _incarnation: Incarnation,
}

/// Sends, from any task. Cloning is cheap.
#[derive(Clone)]
pub struct Handle {
    node: Arc<Node>,
    id: ProcessId,
}

impl Group {
    /// Starts a member: it listens on its address and keeps up a link to every other.
    ///
    /// # Errors
    ///
    /// [`JoinError`].
    pub async fn join(settings: GroupSettings) -> Result<Self, JoinError> {
        let Some(me) = settings.members.find(settings.id.as_str()) else {
            return Err(JoinError::NotAMember(settings.id));
        };
        let at = settings.members.address(me).to_owned();
        let listen = |error| JoinError::Listen {
            address: at.clone(),
            error,
        };
        let listener = Listener::bind(at.as_str()).await.map_err(listen)?;
        let bound = listener.local_address().map_err(listen)?;
        let (listener, door) = listener.with_door();
        let address = bound.expect("a listener bound to an address has one");
        if settings.secret.is_none() && !address.ip().is_loopback() {
            return Err(JoinError::SecretNeeded(address));
        }
        let incarnation = Incarnation::begin(settings.data.as_deref())?;
        let recall = Recall::open(&settings, me)?;
        let mut core = Settings::new(me, settings.members.len(), settings.order);
        core.durable = recall.is_durable();
        let memory = recall.memory(incarnation.number);
        let began = memory.clock;
        let peer = Peer::new(core, memory);
        let members = Arc::new(settings.members.clone());
        let engine = Engine::new(peer, members, settings.order, &settings.tracer);
        let (told_before, to_tell) = recall.events(&settings.members, me);
        let node = Node::new_cyclic(|node| recall.keep(engine.tell_sends(settings.tell_sends), node));
        node.tell_again(to_tell);
        let clock = tokio::spawn({
            let node = Arc::clone(&node);
            async move { node.keep_time().await }
        });
        let shutdown = settings.shutdown;
        let links = Arc::new(Links {
            members: settings.members,
            me,
            order: settings.order,
            incarnation: incarnation.number,
            secret: settings.secret,
            node: Arc::clone(&node),
            clients: OnceLock::new(),
            shutdown: shutdown.clone(),
            sessions: AtomicU64::new(1),
        });
        let mut limits = settings.limits;
        limits.connection.outbox = link_settings().outbox;
        let identity = Identity {
            service: SERVICE,
            version: env!("CARGO_PKG_VERSION"),
            // Clients have a clock of their own here, which makes their port a process of its own.
            process: Some(format!("{}.clients", settings.id).into()),
        };
        let server = tokio::spawn(serve(listener, identity, limits, shutdown.clone(), {
            let links = Arc::clone(&links);
            move |connection| Arc::clone(&links).accept(connection)
        }));
        let dials = (0..me.index())
            .map(|lower| tokio::spawn(Arc::clone(&links).dial(Member::new(lower))))
            .collect();
        Ok(Self {
            handle: Handle {
                node,
                id: settings.id,
            },
            links,
            address,
            door,
            clock: Some(clock),
            server: Some(server),
            dials,
            shutdown,
            began,
            given: Given::default(),
            told_before: Mutex::new(told_before),
            _incarnation: incarnation,
        })
    }

    /// Where this member listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// This life of the member.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.links.incarnation
    }

    /// The Lamport time with which this life began: what has a smaller one happened in a former life.
    pub(crate) fn began(&self) -> u64 {
        self.began
    }

    /// Opens connections to this member's port within this process.
    #[must_use]
    pub fn door(&self) -> MemoryConnector {
        self.door.clone()
    }

    /// Who is in the group.
    pub(crate) fn members(&self) -> &Members {
        &self.links.members
    }

    /// The word for the group's order.
    pub(crate) fn order_word(&self) -> &'static str {
        crate::driver::handshake::order_word(self.links.order)
    }

    /// Sends from other tasks.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Who serves connections to the peer's port that are not from members. The first call counts.
    pub fn serve_clients(&self, clients: Arc<dyn ClientPort>) {
        let _ = self.links.clients.set(clients);
    }

    /// The next events, in order, as many as there are; `None` once the member has left. Cancel safe.
    ///
    /// Asking for the next says that the former are [taken](Self::taken).
    ///
    /// Take them in another task than the one that [sends](Handle::send): a member whose deliveries nobody takes stops taking
    /// frames after a while, and then no send goes through, neither its own nor those of the members linked with it.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        self.next_into(&mut events).await.then_some(events)
    }

    /// Puts the [next](Self::next) events into `events`, in place of what it held: who gives back the same vector again and
    /// again spares the member the making of new ones. False once the member has left. Cancel safe.
    pub async fn next_into(&mut self, events: &mut Vec<Event>) -> bool {
        self.taken();
        let more = self.handle.node.take(events).await;
        self.given = Given::of(events);
        more
    }

    /// Says that the application has what [`next`](Self::next) gave it, before it asks for more: the group need not keep it for
    /// this member any more, and a durable member does not tell it again after a crash. What must survive one is to be
    /// stored before.
    pub fn taken(&mut self) {
        self.handle.node.note_taken(&std::mem::take(&mut self.given));
    }

    /// What former lives of a durable member told and the application took, as far as it is kept. Only the first call
    /// returns it.
    #[must_use]
    pub fn told_before(&self) -> Vec<Event> {
        std::mem::take(&mut self.told_before.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the member has left by itself: its journal failed.
    #[must_use]
    pub fn failure(&self) -> Option<&JournalError> {
        self.handle.node.failure()
    }

    /// Leaves: what is queued is still written to the members linked, within the grace period of the limits.
    pub async fn leave(mut self) {
        // Unless the disk hangs.
        let _ = tokio::time::timeout(FAREWELL_TIME, self.handle.node.all_stored()).await;
        self.handle.node.leave();
        if let Some(clock) = self.clock.take() {
            // It ends by itself once told; a panic of it has been printed.
            let _ = clock.await;
        }
        self.shutdown.begin();
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
        for dial in std::mem::take(&mut self.dials) {
            let _ = tokio::time::timeout(Duration::from_secs(2), dial).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.handle.node.leave();
        self.shutdown.begin();
    }
}

impl Handle {
    /// Sends a text to the group. Waits while the group takes none: a connected member is a whole window behind, its application does
    /// not take what is delivered there, or total order waits for a member that is away.
    ///
    /// Not cancel safe: when the future is dropped, nobody knows whether the message was sent.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub async fn send(&self, text: &str) -> Result<Sent, SendError> {
        let sent = self.send_all([Bytes::copy_from_slice(text.as_bytes())]).await?;
        sent.first().copied().ok_or(SendError::Refused)
    }

    /// Sends several texts in order, as [`send`](Self::send) does one. Payloads must be UTF-8; what is not is replaced on the wire.
    ///
    /// # Errors
    ///
    /// [`SendError`]; then some of them may have been sent.
    pub async fn send_all(&self, texts: impl IntoIterator<Item = Bytes>) -> Result<Vec<Sent>, SendError> {
        let data: VecDeque<Bytes> = texts.into_iter().collect();
        if let Some(long) = data.iter().find(|data| data.len() > DATA_BYTES_MAX) {
            return Err(SendError::TooLong(long.len()));
        }
        self.node.send(data).await
    }

    /// How the member is; `None` once it has left.
    pub async fn status(&self) -> Option<Status> {
        self.status_now()
    }

    /// The same for those who cannot wait; nobody has to.
    pub(crate) fn status_now(&self) -> Option<Status> {
        self.node.status()
    }

    /// Why the member had to leave, if its journal failed.
    pub(crate) fn failure(&self) -> Option<&JournalError> {
        self.node.failure()
    }

    /// Whose handle this is.
    #[must_use]
    pub fn id(&self) -> &ProcessId {
        &self.id
    }
}
