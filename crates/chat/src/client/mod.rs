//! client
pub mod session;
pub mod wire;
