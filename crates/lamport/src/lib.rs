//! Lamport's logical clocks, the total order they put on events, and records of what happened.
//!
//! The rules are those of L. Lamport, *Time, Clocks, and the Ordering of Events in a Distributed System*, CACM 21(7),
//! 1978: a clock ticks before each send, and a receive moves it past the stamp received. If an event can have caused
//! another, its stamp is smaller; the converse does not hold, and that is all a Lamport clock can tell.
//!
//! | To | take |
//! | --- | --- |
//! | keep a process's clock | [`Clock`] |
//! | keep hostile stamps from using up the times | [`Horizon`] |
//! | say who an event belongs to | [`ProcessId`] |
//! | order events of several processes | [`Stamp`]: by time, then by process |
//! | serve requests in that order | [`OrderedLock`] |
//! | record what happened, and read it back | [`trace`] |
//! | prove a run right from its traces | [`check`] |
//! | see it: diagrams, tables, figures | [`view`] |
//!
//! ```
//! use lamport::{Clock, ProcessId, Stamp};
//!
//! let (p1, p2) = (ProcessId::new("P1")?, ProcessId::new("P2")?);
//! let (clock1, clock2) = (Clock::new(), Clock::new());
//!
//! let sent = Stamp::new(clock1.tick()?, p1);
//! let received = Stamp::new(clock2.receive(sent.time)?, p2);
//! assert!(sent < received);
//! assert_eq!((sent.time, received.time), (1, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate opens no socket and knows no runtime. One module, `trace::recorder`, reads the wall clock and writes a
//! file on a thread of its own; everything else is pure.

pub mod check;
mod clock;
mod horizon;
mod ordered_lock;
mod process;
mod stamp;
pub mod trace;
pub mod view;

pub use clock::{
    Clock, ClockError, LEAP_MAX_DEFAULT, TIME_MAX, after_receive, after_receive_within, after_send,
};
pub use horizon::{HORIZON_AT_START, HORIZON_PER_SECOND, Horizon};
pub use ordered_lock::{Lock, OrderedGuard, OrderedLock};
pub use process::{PROCESS_ID_BYTES_MAX, ProcessId, ProcessIdError};
pub use stamp::Stamp;
