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
//! use lamport::Clock;
//! use proto::net::{Client, ClientSettings, Connection, Dialer, Identity, Listener, ServerLimits, Shutdown, Turn, serve};
//! use proto::{IdField, LineWriter, OpenRequest, StampField, Text, parse};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Request<'a> {
//!     #[serde(default)]
//!     lamport: StampField,
//!     #[serde(default)]
//!     id: IdField,
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
//! async fn echo(mut connection: Connection) {
//!     let clock = Clock::new();
//!     connection.establish();
//!     while let Turn::Received(batch) = connection.turn().await {
//!         for line in batch.lines().filter_map(Result::ok) {
//!             let Ok(Some(request)) = parse::<Request<'_>>(line) else { return };
//!             let (Some(stamp), Some(id)) = (request.lamport.get(), request.id.get()) else { return };
//!             let Ok(_) = clock.receive(stamp) else { return };
//!             let Ok(sent) = clock.tick() else { return };
//!             let mut reply = Vec::new();
//!             LineWriter::ok(&mut reply, sent, id).text("text", request.text.as_deref().unwrap_or("")).end();
//!             connection.queue(reply.into());
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (listener, connector) = Listener::memory();
//! let identity = Identity { service: "echo", version: "0.1.0", process: None };
//! let shutdown = Shutdown::new();
//! let serving = tokio::spawn(serve(listener, identity, ServerLimits::default(), shutdown.clone(), echo));
//!
//! // The service ends when nobody can reach it any more: the dialer is kept.
//! let dialer = Dialer::Memory(connector);
//! let (client, _events) = Client::connect(&dialer, ClientSettings::new("echo")).await?;
//! let reply = client.request("echo", |line| line.text("text", "olá")).await?;
//! // Sent at 1, received and answered at 2 and 3, received at 4.
//! assert_eq!((reply.lamport, reply.received), (3, 4));
//! assert_eq!(reply.outcome?.get(), r#"{"text":"olá"}"#);
//!
//! drop(client);
//! shutdown.begin();
//! serving.await?;
//! # Ok(())
//! # }
//! ```

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

pub use envelope::{OpenRequest, Refusal, parse, parse_object};
pub use error::{Code, ToldError, WireError, codes};
pub use fields::{IdField, StampField, Text};
pub use frame::{Batch, FrameError, LineDecoder, Lines};
pub use harmless::{ESCAPED_BYTES_MAX, Harmless, escaped_len, is_harmful};
pub use incoming::{Greeting, Incoming, ReplyError, parse_incoming};
pub use writer::LineWriter;

/// The version of the wire, stated in every greeting.
pub const PROTOCOL: u32 = 1;
