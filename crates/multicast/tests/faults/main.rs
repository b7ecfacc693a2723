//! Faults of real peers, judged from outside.
//!
//! [`checker`] says what a group must have done, whatever happened to its members; `planted` shows that it finds what is
//! wrong.

mod checker;
mod planted;
