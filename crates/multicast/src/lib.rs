//! Reliable multicast among the members of a group: every message exactly once at each, in the order the group asked for.
//!
//! [`core`] is the pure state machine; its documentation says which guarantees hold under which failures. A program is a
//! member through [`Group`]; [`client`] attaches to a running peer, [`clients`] is what a peer answers it, and with the feature
//! `web` the module `page` shows the group in a browser. The feature `cli`, on by default like `web`, holds what only the programs need.
//!
//! ```no_run
//! use multicast::{Event, Group, GroupSettings, Members, Order};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // P1 of the three members that need no file; the other two are programs like this one.
//! let settings = GroupSettings::new("P1".parse()?, Members::builtin()).order(Order::Causal);
//! let mut group = Group::join(settings).await?;
//! let sent = group.handle().send("Olá a todos!").await?;
//! println!("sent at {}", sent.stamp);
//! while let Some(events) = group.next().await {
//!     for event in events {
//!         if let Event::Delivered(delivery) = event {
//!             println!("{}: {}, sent at {}", delivery.from, delivery.text(), delivery.stamp);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod client;
pub mod clients;
pub mod core;
mod driver;
mod durable;
pub mod group;
mod group_file;
pub mod limits;
mod members;
#[cfg(feature = "web")]
pub mod page;
mod record;
#[cfg(test)]
pub(crate) mod sim;

pub use core::Order;
pub use driver::identity::DataError;
pub use driver::link::ClientPort;
pub use durable::journal::JournalError;
pub use group::{Delivery, Event, Failure, Group, GroupSettings, Handle, JoinError, SendError, Sent};
pub use group_file::{Members, MembersError};
pub use members::{Member, MemberSet};
