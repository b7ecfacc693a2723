//! A page's requests and its WebSocket, over real TCP on loopback.

mod bounds;
mod door;
mod service;
mod support;
