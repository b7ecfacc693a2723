//! The customer's side: typed operations that are pursued until their outcome is known.
//!
//! - [`Session`] is a login and its operations, over as many connections as it takes;
//! - [`Key`] makes a change that is sent twice happen once;
//! - [`Recorder`] records a session in a trace.
//!
//! ```no_run
//! use bank::client::{Key, Session, TypedPin};
//! use proto::net::{ClientSettings, Dialer};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::Tcp("127.0.0.1:5000".to_owned());
//! let mut session = Session::new(dialer, ClientSettings::new("bank"));
//! session.login("1111111111", TypedPin::new("1234")).await?;
//! let posted = session.deposit("100.00".parse()?, &Key::random()?).await?;
//! assert_eq!(posted.balance, "110.00");
//! # Ok(())
//! # }
//! ```

mod error;
mod key;
mod observer;
mod pursuit;
mod replies;
mod session;

pub use error::OperationError;
pub use key::{Key, KeyError, NoRandomness};
pub use observer::{ClockLine, Recorder};
pub use replies::{LoggedIn, Posted, StatementEntry, StatementPage};
pub use session::{Notice, REPLY_MAX, Session, TypedPin};
