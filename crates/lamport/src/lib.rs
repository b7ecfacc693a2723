//! Lamport's logical clocks, the total order they put on events, and records of what happened.
//!
//! [`Clock`] is one process's clock, [`Stamp`] a point in the total order of all events, [`ProcessId`] who an event
//! belongs to. The rules are those of L. Lamport, *Time, Clocks, and the Ordering of Events in a Distributed
//! System*, CACM 21(7), 1978: a clock ticks before each send, and a receive moves it past the stamp received.
//!
//! This crate opens no socket and knows no runtime.

mod clock;
mod process;
mod stamp;

pub use clock::{Clock, ClockError, LEAP_MAX_DEFAULT, TIME_MAX};
pub use process::{PROCESS_ID_BYTES_MAX, ProcessId, ProcessIdError};
pub use stamp::Stamp;
