//! The rules, as what breaks them.

use std::fmt;

use multicast::client::MessageName;

/// The first rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Delivered twice.
    IntegrityTwice { member: String, message: MessageName },
    /// Delivered with other data than it was sent with, or never sent.
    IntegrityInvented {
        member: String,
        message: MessageName,
        data: String,
    },
    /// Delivered at one member and not at another.
    Agreement {
        member: String,
        message: MessageName,
        count: usize,
    },
    /// Sent, and not delivered at its own sender.
    Validity { message: MessageName },
    /// After a later one of the same sender.
    Fifo {
        member: String,
        message: MessageName,
        after: u64,
    },
    /// Before one that its sender had delivered when it sent it.
    Causal {
        member: String,
        message: MessageName,
        lacks: MessageName,
    },
    /// Two members in different orders.
    Total {
        member: String,
        other: String,
        message: MessageName,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IntegrityTwice { member, message } => {
                write!(f, "integrity: {member} delivered {message} twice")
            }
            Self::IntegrityInvented {
                member,
                message,
                data,
            } => {
                write!(
                    f,
                    "integrity: {member} delivered {message} as {data:?}, which nobody sent"
                )
            }
            Self::Agreement {
                member,
                message,
                count,
            } => {
                write!(
                    f,
                    "agreement: {member} lacks {count} messages that others delivered, first {message}"
                )
            }
            Self::Validity { message } => write!(f, "validity: {message} was sent and not delivered"),
            Self::Fifo {
                member,
                message,
                after,
            } => {
                write!(
                    f,
                    "FIFO order: {member} delivered {message} after number {after} of the same life"
                )
            }
            Self::Causal {
                member,
                message,
                lacks,
            } => {
                write!(
                    f,
                    "causal order: {member} delivered {message} before {lacks}, which its sender had"
                )
            }
            Self::Total {
                member,
                other,
                message,
            } => {
                write!(
                    f,
                    "total order: {member} delivered {message} in another order than {other}"
                )
            }
        }
    }
}
