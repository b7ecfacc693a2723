//! What touches the system: listeners, the accept loop, connections, the client, shutdown, and the claim to a data directory; with
//! the feature `cli` the arguments and the log that the programs share, with `web` live pages.
//!
//! A server is a [`Listener`], the loop [`serve`] that accepts [`Connection`]s within bounds and runs a service's
//! handler for each, and a [`Shutdown`] that ends them all. A handler is one task: it calls [`Connection::turn`],
//! which reads and writes at once, and decides about what came in. Whoever has something to say to a connection
//! pushes bytes into its [`Outbox`], from any task.
//!
//! A client is a [`Client`] made by a [`Dialer`]; [`Backoff`] spaces the attempts to come back.

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
