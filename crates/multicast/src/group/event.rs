//! What a member tells its application.

use bytes::Bytes;
use lamport::ProcessId;

use crate::client::MessageName;

/// A message that the group has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// This life of the member.
    pub incarnation: u64,
    /// The message's number in this life.
    pub sequence: u64,
    /// The Lamport time of the send.
    pub stamp: u64,
}

/// A delivered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in what this member tells its application, deliveries and [misses](Event::Missed) together: from 1 without gaps,
    /// for a [durable](super::GroupSettings::durable) member over all its lives. An application that stores the last number with its own
    /// state, and skips what is not above it, has every message exactly once. 0 for what is [sent](Event::Sent).
    pub number: u64,
    /// Who sent it.
    pub from: ProcessId,
    /// In which life.
    pub incarnation: u64,
    /// As which of that life.
    pub sequence: u64,
    /// The text in UTF-8.
    pub data: Bytes,
    /// The Lamport time of its send.
    pub stamp: u64,
    /// The Lamport time of its delivery here.
    pub received: u64,
    /// When it was delivered, in milliseconds since the Unix epoch.
    pub at: u64,
    /// This member sent it.
    pub own: bool,
    /// It had waited for others before its turn came: its receipt was an earlier event.
    pub later: bool,
}

impl Delivery {
    /// What it says.
    #[must_use]
    pub fn text(&self) -> &str {
        text(&self.data)
    }

    /// Its name: `P1/2/17`.
    #[must_use]
    pub fn name(&self) -> MessageName {
        MessageName {
            origin: self.from.clone(),
            incarnation: self.incarnation,
            sequence: self.sequence,
        }
    }
}

/// What the data of a message say.
pub(crate) fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// What a member tells its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This member's message was sent; told only if [asked for](super::GroupSettings::tell_sends).
    Sent(Delivery),
    /// A message was delivered, this member's own too.
    Delivered(Delivery),
    /// Messages that will never come: this member was away for too long, and nobody keeps them any more.
    Missed {
        /// Its place, as [`Delivery::number`].
        number: u64,
        /// Whose messages.
        from: ProcessId,
        /// Of which life.
        incarnation: u64,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
        /// The Lamport time of this; nothing where a former life was told it, and this one tells it again.
        time: Option<u64>,
    },
    /// Nothing was heard of this member for a while.
    Suspected(ProcessId),
    /// It was heard again.
    Trusted(ProcessId),
    /// Total order waits for these members; goes on when nobody is named.
    Waiting(Vec<ProcessId>),
    /// Something was refused, which people should know.
    Refused(String),
}
