//! What a member is started with, and why it may not start.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lamport::ProcessId;
use lamport::trace::Tracer;
use proto::net::{ServerLimits, Shutdown};

use crate::core::Order;
use crate::driver::identity::DataError;
use crate::durable::journal::JournalError;
use crate::group_file::Members;

/// What a member is started with.
#[derive(Debug, Clone)]
pub struct GroupSettings {
    pub(super) id: ProcessId,
    pub(super) members: Members,
    pub(super) order: Order,
    pub(super) data: Option<PathBuf>,
    pub(super) durable: bool,
    pub(super) secret: Option<Vec<u8>>,
    pub(super) tracer: Tracer,
    pub(super) limits: ServerLimits,
    pub(super) shutdown: Shutdown,
    pub(super) tell_sends: bool,
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
    ///
    /// [`Handle::send`]: super::Handle::send
    /// [`Delivery::number`]: super::Delivery::number
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
    #[error("{0} is not a member of the group; hint: take the identity of one of its members")]
    NotAMember(ProcessId),
    /// The address cannot be listened on.
    #[error(
        "failed to listen on {address}: {error}; hint: is this member running already? Otherwise give the group other addresses, each HOST:PORT"
    )]
    Listen {
        /// Which address.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// Without a secret only this machine is trusted.
    #[error(
        "{0} can be reached from other machines, and the group has no secret; hint: start all members with the same secret, or listen on localhost"
    )]
    SecretNeeded(SocketAddr),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A durable member has nowhere to keep its journal.
    #[error("a durable member needs a data directory; hint: name one")]
    NowhereToKeep,
    /// There is a journal, and the member is not to keep it up.
    #[error(
        "{0} is the journal of a durable member; hint: start it as a durable member, or remove the journal: then the member begins where the others last knew it"
    )]
    HasJournal(PathBuf),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
