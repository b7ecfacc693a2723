//! What surrounds the core: frames as lines, proven links to every member, one engine that owns the state machine.
//!
//! ```text
//!  socket ──▶ link task ──frames──▶ ┌ node ───────────┐ ──events──▶ inbox ──▶ the application
//!                                   │ engine and Peer,│
//!  the application ──messages─────▶ │ behind one lock │ ──lines───▶ outboxes ──▶ sockets
//!                                   └─────────────────┘
//! ```
//!
//! One link task and one outbox per member: a slow member holds nobody else up. Nothing waits while it holds the lock.

pub(crate) mod engine;
pub(crate) mod handshake;
pub(crate) mod identity;
pub(crate) mod inbox;
pub(crate) mod link;
pub(crate) mod node;
pub(crate) mod recall;
pub(crate) mod refusal;
pub(crate) mod wire;
