//! multicast

pub mod analyse;
pub mod client;
