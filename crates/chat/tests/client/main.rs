//! The real client against the real server: at a terminal as a person, in a pipe as a program.

mod filter;
mod support;
mod terminal;
