//! The real client against the real server: at a terminal as a person, in a pipe as a program, and as a page
//! in a browser.

mod filter;
mod narrowing;
mod page;
mod support;
mod terminal;
