//! The wire that the three services share, and the server loop and client around it.
//!
//! The wire is one JSON object per line. Every message carries the Lamport stamp of its sending:
//!
//! ```text
//! → {"lamport":9,"id":3,"op":"deposit","amount":"100.00"}
//! ← {"lamport":12,"id":3,"ok":{"balance":"110.00"}}
//! ← {"lamport":12,"id":3,"error":{"code":"insufficient_funds","message":"…","hint":"…"}}
//! ← {"lamport":7,"event":"said","room":"lobby","seq":41,"from":"Bernardo","text":"Olá pessoal"}
//! ```
//!
//! From bytes to a request and back:
//!
//! - [`LineDecoder`] cuts a stream of bytes into [`Batch`]es of whole lines, with a bound;
//! - [`parse`] makes a service's flat, borrowed request of one line, or says why not as a [`Refusal`];
//! - [`Code`] and [`WireError`] are the answer when something is wrong: a stable code, a message, a hint;
//! - [`LineWriter`] writes replies, events and requests;
//! - [`limits`] names every bound.
//!
//! All of that is pure. [`net`] holds what touches sockets: listeners, the accept loop, connections, the client,
//! shutdown, and with the feature `cli` what programs need around them, with `web` live pages.
//!
//! A whole service that gives each text back, and a client, within this process:
//!
//! ```
//! use std::sync::Arc;
//!
//! use proto::net::{
//!     Client, ClientSettings, Connection, Dialer, Identity, Listener, ServerClock, ServerLimits, Shutdown, Turn, serve,
//! };
//! use proto::{IdField, LineWriter, OpenRequest, Refusal, StampField, Text, WireError, codes, parse};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Request<'a> {
//!     #[serde(default)]
//!     lamport: StampField,
//!     #[serde(default)]
//!     id: IdField,
//!     #[serde(borrow)]
//!     op: Option<Text<'a>>,
//!     #[serde(borrow)]
//!     text: Option<Text<'a>>,
//! }
//!
//! impl OpenRequest for Request<'_> {
//!     fn lamport(&self) -> StampField {
//!         self.lamport
//!     }
//!     fn id(&self) -> IdField {
//!         self.id
//!     }
//! }
//!
//! /// A server is one process, so it has one clock for all its connections.
//! async fn echo(mut connection: Connection, clock: Arc<ServerClock>) {
//!     // Whoever may speak at once need not log in first.
//!     connection.establish();
//!     loop {
//!         match connection.turn().await {
//!             Turn::Received(batch) => {
//!                 for line in batch.lines() {
//!                     let answered = line.map_err(Refusal::from).and_then(|line| answer(line, &clock));
//!                     match answered {
//!                         Ok(reply) => connection.queue(reply.into()),
//!                         Err(refusal) => {
//!                             let Ok(sent) = clock.tick() else { return };
//!                             if !connection.refuse(sent, &refusal) {
//!                                 return connection.finish().await;
//!                             }
//!                         }
//!                     }
//!                 }
//!             }
//!             Turn::ShuttingDown => return connection.finish().await,
//!             Turn::Drained => {}
//!             Turn::Closed(_) => return,
//!         }
//!     }
//! }
//!
//! fn answer(line: &[u8], clock: &ServerClock) -> Result<Vec<u8>, Refusal> {
//!     let mut reply = Vec::new();
//!     // Upkeep, such as the answer to a ping, has no reply.
//!     let Some(request) = parse::<Request<'_>>(line)? else { return Ok(reply) };
//!     let refuse = |error: WireError| Refusal::of(&request, error);
//!     let (stamp, id) = (request.lamport.get().unwrap_or(0), request.id.get().unwrap_or(0));
//!     clock.receive(stamp).map_err(|error| refuse(error.into()))?;
//!     match (request.op.as_deref(), request.text.as_deref()) {
//!         (Some("echo"), Some(text)) => {
//!             let sent = clock.tick().map_err(|error| refuse(error.into()))?;
//!             LineWriter::ok(&mut reply, sent, id).text("text", text).end();
//!             Ok(reply)
//!         }
//!         (Some("echo"), None) => Err(refuse(WireError::new(codes::MISSING_FIELD, "there is no text"))),
//!         (Some(_), _) => Err(refuse(WireError::new(codes::UNKNOWN_OPERATION, "there is only echo"))),
//!         (None, _) => Err(refuse(WireError::new(codes::MISSING_FIELD, "there is no op"))),
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (listener, connector) = Listener::memory();
//! let identity = Identity { service: "echo", version: "0.1.0", process: None };
//! let shutdown = Shutdown::new();
//! let clock = Arc::new(ServerClock::starting_at(0));
//! let handler = move |connection| echo(connection, Arc::clone(&clock));
//! let serving = tokio::spawn(serve(listener, identity, ServerLimits::default(), shutdown.clone(), handler));
//!
//! // The service ends when nobody can reach it any more: the dialer is kept.
//! let dialer = Dialer::Memory(connector);
//! let (client, _events) = Client::connect(&dialer, ClientSettings::new("echo")).await?;
//! let reply = client.request("echo", |line| line.text("text", "olá")).await?;
//! // Sent at 1, received and answered at 2 and 3, received at 4.
//! assert_eq!((reply.lamport, reply.received), (3, 4));
//! assert_eq!(reply.outcome?.get(), r#"{"text":"olá"}"#);
//! let refused = client.request("shout", |line| line).await?;
//! assert!(refused.outcome.is_err_and(|told| told.is(codes::UNKNOWN_OPERATION)));
//!
//! drop(client);
//! shutdown.begin();
//! serving.await?;
//! # Ok(())
//! # }
//! ```
//!
//! Here each connection hears of itself only. Where several are told things, decide, tick and push into their
//! [outboxes](net::Outbox) under one lock: otherwise a later stamp may come before an earlier one on a connection.

mod envelope;
mod error;
mod fields;
mod frame;
mod harmless;
mod incoming;
pub mod limits;
pub mod net;
mod unreadable;
mod writer;

pub use bytes::Bytes;
pub use envelope::{OpenRequest, Refusal, parse, parse_object};
pub use error::{Code, ToldError, WireError, codes};
pub use fields::{IdField, StampField, Text};
pub use frame::{Batch, FrameError, LineDecoder, Lines};
pub use harmless::{ESCAPED_BYTES_MAX, Harmless, escaped_len, is_harmful};
pub use incoming::{Greeting, Incoming, ReplyError, parse_incoming};
pub use writer::LineWriter;

/// The version of the wire, stated in every greeting.
pub const PROTOCOL: u32 = 1;
