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
//! shutdown and the command-line arguments that the programs share.

mod envelope;
mod error;
mod fields;
mod frame;
mod harmless;
mod incoming;
pub mod limits;
pub mod net;
mod writer;

pub use envelope::{OpenRequest, Refusal, parse, parse_object};
pub use error::{Code, ToldError, WireError, codes};
pub use fields::{IdField, StampField, Text};
pub use frame::{Batch, FrameError, LineDecoder, Lines};
pub use harmless::{Harmless, is_harmful};
pub use incoming::{Greeting, Incoming, ReplyError, parse_incoming};
pub use writer::LineWriter;

/// The version of the wire, stated in every greeting.
pub const PROTOCOL: u32 = 1;
