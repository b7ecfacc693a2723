//! The history store, through the same door as the server.

#![expect(
    clippy::print_stdout,
    reason = "the seed to repeat a round, and the child that shows what it did"
)]

mod crash;
mod disk;
mod file;
mod store;
mod support;
