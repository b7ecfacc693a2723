//! Short lines: an event told by what is new in it against an earlier one of its sort.
//!
//! Services that handle a million events a second would spend more on writing them out in full than on the events. How a
//! short line is read is told [where the file is described](super).
//!
//! Only what happens close together is told so ([`TOGETHER_US`](super::limits::TOGETHER_US)): where events come at the pace of a
//! person each has its full line. And each number is given anew [now and then](super::limits::NUMBERED_US), so that what damage
//! to a file makes unreadable is little.

mod digits;
mod line;
mod memory;
mod shortener;
mod sort;

pub(super) use memory::Memory;
pub(super) use shortener::{Context, Numbers, Shortener};

/// How the line begins that tells how often the change before it happened again; the number and `}` follow.
pub(super) const AGAIN: &[u8] = b"{\"again\":";

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod tests;
