//! Reliable multicast among the members of a group: every message exactly once at each, in the order the group asked for.
//!
//! [`core`] is the pure state machine; its documentation says which guarantees hold under which failures. [`client`]
//! attaches to a running peer, [`page`] shows the group in a browser, [`analyse`] shows what a run's traces say.

pub mod analyse;
pub mod client;
pub mod clients;
pub mod core;
mod driver;
mod durable;
pub mod group;
pub mod group_file;
pub mod limits;
pub mod members;
pub mod page;
mod record;
#[cfg(test)]
pub(crate) mod sim;

pub use core::Order;
pub use driver::identity::DataError;
pub use driver::link::ClientPort;
pub use durable::journal::JournalError;
pub use group::{Delivery, Event, Group, GroupSettings, Handle, JoinError, SendError, Sent};
pub use group_file::{Members, MembersError};
pub use members::{Member, MemberSet};
