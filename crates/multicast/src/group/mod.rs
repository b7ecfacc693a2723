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
//!
//! What a member does is one thing after the other, so it is fastest on a runtime with one or two threads, with the tasks
//! that send and take in the same runtime: more threads wake each other for nothing.

mod event;
mod failure;
mod handle;
mod settings;
mod vitals;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use proto::net::{Identity, Listener, MemoryConnector, Shutdown, serve};
use tokio::task::JoinHandle;

pub(crate) use self::event::text;
pub use self::event::{Delivery, Event, Sent};
pub use self::failure::Failure;
pub use self::handle::{Handle, SendError};
pub use self::settings::{GroupSettings, JoinError};
use crate::client::SERVICE;
use crate::core::{Peer, Settings};
use crate::driver::engine::Engine;
use crate::driver::identity::Incarnation;
use crate::driver::inbox::Given;
use crate::driver::link::{ClientPort, Links, link_settings};
use crate::driver::node::Node;
use crate::driver::recall::Recall;
use crate::group_file::Members;
use crate::limits::FAREWELL_TIME;
use crate::members::Member;

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

impl Group {
    /// Starts a member: it listens on its address and keeps up a link to every other.
    ///
    /// # Errors
    ///
    /// [`JoinError`].
    pub async fn join(settings: GroupSettings) -> Result<Self, JoinError> {
        let me = me(&settings)?;
        let address = settings.members.address(me);
        let listener = Listener::bind(address).await.map_err(cannot_listen(address))?;
        Self::join_on(listener, settings).await
    }

    /// [`join`](Self::join) with a listener that is bound already to the member's address. Whoever lets the system choose the
    /// ports binds all members' listeners before the first one joins, so that nobody else can take a port in between.
    ///
    /// # Errors
    ///
    /// [`JoinError`].
    pub async fn join_on(listener: Listener, settings: GroupSettings) -> Result<Self, JoinError> {
        let me = me(&settings)?;
        let bound = listener.local_address().and_then(|address| {
            address
                .ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "the listener has no address"))
        });
        let address = bound.map_err(cannot_listen(settings.members.address(me)))?;
        let (listener, door) = listener.with_door();
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
            next_link_number: AtomicU64::new(1),
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

    /// Why the member has left by itself, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
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

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("id", &self.handle.id)
            .field("address", &self.address)
            .field("incarnation", &self.links.incarnation)
            .finish_non_exhaustive()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.handle.node.leave();
        self.shutdown.begin();
    }
}

/// The member that is to be started.
fn me(settings: &GroupSettings) -> Result<Member, JoinError> {
    let me = settings.members.find(settings.id.as_str());
    me.ok_or_else(|| JoinError::NotAMember(settings.id.clone()))
}

fn cannot_listen(address: &str) -> impl FnOnce(io::Error) -> JoinError {
    let address = address.to_owned();
    move |error| JoinError::Listen { address, error }
}
