//! What touches the system: listeners, the accept loop, connections, the client, shutdown, and the claim to a data directory; with
//! the feature `cli` the arguments and the log that the programs share, with `web` live pages.
//!
//! A server is a [`Listener`], the loop [`serve`] that accepts [`Connection`]s within bounds and runs a service's
//! handler for each, and a [`Shutdown`] that ends them all. A handler is one task: it calls [`Connection::turn`],
//! which reads and writes at once, and decides about what came in. Whoever has something to say to a connection
//! pushes bytes into its [`Outbox`], from any task.
//!
//! A client is a [`Client`] made by a [`Dialer`]; [`Backoff`] spaces the attempts to come back.
//!
//! # Traces
//!
//! A client's [`Observer`] may be a [`Tracer`](lamport::trace::Tracer), which records all it sends and receives. A server
//! records where its clock moves, and names a request by its connection and its number there, which only stamped requests count:
//!
//! ```
//! use lamport::ClockError;
//! use lamport::trace::{Event, Message, Tracer};
//! use proto::net::ServerClock;
//!
//! struct Recorded {
//!     clock: ServerClock,
//!     tracer: Tracer,
//! }
//!
//! impl Recorded {
//!     /// `number` counts the stamped requests of the [connection](proto::net::Connection::id), from 1.
//!     fn receive(&self, op: &str, connection: &str, number: u64, stamp: u64) -> Result<u64, ClockError> {
//!         let named = Message::Request { connection, number };
//!         self.tracer.stamped(|| self.clock.receive(stamp), &Event::receive(op, named, &[]))
//!     }
//!
//!     /// A reply or an event: the stamp is its name too.
//!     fn send(&self, what: &str) -> Result<u64, ClockError> {
//!         self.tracer.stamped(|| self.clock.tick(), &Event::send(what, &[]))
//!     }
//! }
//!
//! let server = Recorded { clock: ServerClock::starting_at(0), tracer: Tracer::off() };
//! assert_eq!(server.receive("add", "19a-1", 1, 4)?, 5);
//! assert_eq!(server.send("add")?, 6);
//! # Ok::<(), ClockError>(())
//! ```
//!
//! [`lamport::check`] proves the run right from the traces of both ends.

mod admission;
mod backoff;
mod claim;
#[cfg(feature = "cli")]
pub mod cli;
mod client;
mod clock;
mod connection;
mod deadlines;
mod dial;
mod inbound;
mod listener;
mod observer;
mod outbound;
mod outbox;
mod private;
mod queue;
mod read_buffers;
mod requests;
mod server;
mod shutdown;
mod socket;
mod stream;
mod turn;
mod vitals;
#[cfg(feature = "web")]
pub mod web;

pub use backoff::Backoff;
pub use claim::{Claim, ClaimError, InUse};
pub use client::{Client, ClientSettings, ConnectError};
pub use clock::ServerClock;
pub use connection::{Connection, ConnectionSettings};
pub use dial::{Dialer, is_address};
pub use listener::{ListenError, Listener, MemoryConnector};
pub use observer::{Observed, Observer};
pub use outbox::{Outbox, OutboxLimits, Patience, Pushed};
pub use requests::{ReceivedEvent, ReceivedReply};
pub use server::{Identity, ServerLimits, raise_open_files_limit, serve};
pub use shutdown::Shutdown;
pub use stream::{PeerAddress, Stream};
pub use turn::{Closed, Turn};
pub use vitals::Vitals;
