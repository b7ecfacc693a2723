//! A broadcast hub: rooms, private messages, unique names, stored history.
//!
//! A line of a client becomes a [request](ops), the pure [hub] decides what comes of it, and the driver around the
//! hub encodes that once and hands it to everybody it is for. What was said is kept by the [history].

pub mod client;
pub mod codes;
pub mod events;
pub mod history;
pub mod hub;
pub mod limits;
pub mod names;
pub mod ops;
mod page;
mod server;

pub use server::{RunError, Server, Settings, StartError};
