//! What a peer's events look like in a trace, wherever it goes: to a file, or to somebody who looks on.

use lamport::trace::facts::{self, Fact, fact};
use lamport::trace::{Event, Message};

/// What happened at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// It sent a message, and with it delivered the message to itself, unless the order makes it wait.
    Broadcast {
        /// It is delivered to itself.
        delivered: bool,
    },
    /// It delivered a message with the receipt.
    Deliver {
        /// The message's stamp.
        stamp: u64,
    },
    /// It delivered a message that had waited for its turn, maybe one of its own.
    DeliverLater,
    /// It was told that it will never get messages.
    Miss {
        /// The last of them.
        through: u64,
    },
}

/// Which message it was about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) origin: &'a str,
    pub(crate) incarnation: u64,
    /// The message's number in that life of its origin; the first, if it is about several.
    pub(crate) sequence: u64,
}

/// The start of a member.
pub(crate) fn start<R>(order: &str, tell: impl FnOnce(&Event<'_>) -> R) -> R {
    tell(&Event::local("start", &[fact(facts::ORDER, order)]))
}

impl Act {
    /// Tells the event as a trace has it.
    pub(crate) fn record<R>(self, about: About<'_>, label: &str, tell: impl FnOnce(&Event<'_>) -> R) -> R {
        let word = match self {
            Self::Broadcast { .. } => facts::BROADCAST,
            Self::Deliver { .. } | Self::DeliverLater => facts::DELIVER,
            Self::Miss { .. } => facts::MISS,
        };
        let (count, last) = match self {
            Self::Broadcast { delivered: true } => (5, fact(facts::DELIVERED, 1i64)),
            Self::Miss { through } => (5, fact(facts::THROUGH, through)),
            // Not told.
            _ => (4, fact("", 0i64)),
        };
        let all = [
            fact(facts::ACT, word),
            fact(facts::ORIGIN, about.origin),
            fact(facts::INCARNATION, about.incarnation),
            fact(facts::SEQUENCE, about.sequence),
            last,
        ];
        tell(&self.event(about, label, &all[..count]))
    }

    fn event<'a>(self, about: About<'a>, label: &'a str, facts: &'a [Fact<'a>]) -> Event<'a> {
        match self {
            Self::Broadcast { .. } => Event::send(label, facts),
            Self::Deliver { stamp } => {
                let message = Message::Sent {
                    process: about.origin,
                    time: stamp,
                };
                Event::receive(label, message, facts)
            }
            Self::DeliverLater => Event::local(label, facts),
            Self::Miss { .. } => Event::local("missed", facts),
        }
    }
}
