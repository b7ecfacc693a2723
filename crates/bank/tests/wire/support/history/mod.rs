//! Checks what a bank's books say against what its clients were told.
//!
//! Every change moves an amount that no other moves, so that an entry in a statement names the request it came from.
//! Then: what was acknowledged is there, once, as it was told; what was refused is not; what has no known outcome is
//! wholly there or wholly absent; nothing else is there; each balance follows from the one before; no number is
//! missing; and all money adds up.

mod attempt;
mod books;
#[cfg(test)]
mod tests;

pub(crate) use attempt::{Attempt, Change, Fate, Line};
pub(crate) use books::Books;
