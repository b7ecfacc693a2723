//! Faults of real peers, judged from outside.
//!
//! `attached` watches a peer over its death; `cycles` kills, stops and starts members under load; `durable` kills members
//! that keep a journal; `networks` cuts, loses and holds back what they send; `bad_input` says to a peer's port what nobody should. [`checker`] says what a group must have done, whatever happened to its members, and
//! `planted` shows that it finds what is wrong.
//!
//! `ANTES_SLOW=1` runs 100 cycles instead of a few; `ANTES_SEED` repeats a run.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it skipped, how to repeat it, and what the members logged"
)]

mod attached;
mod bad_input;
mod checker;
mod cycles;
mod durable;
mod ear;
#[path = "../common/group_file.rs"]
mod group_file;
mod intruder;
#[path = "../common/members.rs"]
mod members;
mod networks;
mod peers;
mod planted;
mod random;
