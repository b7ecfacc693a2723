//! What surrounds the core: frames as lines, proven links to every member, one task that owns the state machine.
//!
//! ```text
//!  link task ──frames──▶ engine task (owns Peer) ──deliveries──▶ the application
//!      ▲                        │
//!      └──────── outbox ◀───────┘            one link task per member, each with its own outbox:
//!                                            a slow member holds nobody else up
//! ```

pub(crate) mod engine;
pub(crate) mod handshake;
pub(crate) mod identity;
pub(crate) mod link;
pub(crate) mod wire;
