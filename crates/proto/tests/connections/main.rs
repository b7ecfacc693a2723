//! A server and clients in memory: greeting, replies, events, bounds, deadlines, ends. Time is paused.

mod bounds;
mod echo;
mod ends;
mod outbox;
mod requests;
