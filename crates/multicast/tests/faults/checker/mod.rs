//! What a group must have done, checked from outside: from what each member said it sent and delivered.
//!
//! The checker knows nothing of the group's own books. It takes one [`View`] per member, over all lives of the member, and
//! names the first rule that is broken, after V. Hadzilacos and S. Toueg, *A Modular Approach to Fault-Tolerant
//! Broadcasts and Related Problems*, 1994: integrity, agreement, validity, FIFO, causal and total order.

mod rules;
mod view;
mod violation;

pub(crate) use rules::agreement;
use rules::{causal, fifo, integrity, total, validity};
pub(crate) use view::{Said, View};
pub(crate) use violation::Violation;

/// The order a group was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    None,
    Fifo,
    Causal,
    Total,
}

impl Order {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fifo => "fifo",
            Self::Causal => "causal",
            Self::Total => "total",
        }
    }
}

/// What may be missing at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing: everything healed, and everybody kept its state.
    Whole,
    /// What was sent by a life that was killed before anybody else had it.
    LostWithItsSender,
}

/// Checks a run that was left to settle.
///
/// # Errors
///
/// The first violation.
pub(crate) fn check(order: Order, views: &[View], end: End) -> Result<(), Violation> {
    integrity(views)?;
    agreement(views)?;
    if end == End::Whole {
        validity(views)?;
    }
    if order >= Order::Fifo {
        fifo(views)?;
    }
    // In total order one's own message waits like any other, so that its delivery does not show when it was sent; there
    // it is the one sequence of all that counts.
    if order == Order::Causal {
        causal(views)?;
    }
    if order == Order::Total {
        total(views)?;
    }
    Ok(())
}
