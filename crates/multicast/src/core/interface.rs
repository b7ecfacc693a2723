//! What a peer is told and what it answers: its settings, its memory, its inputs and outputs.

use bytes::Bytes;
use lamport::LEAP_MAX_DEFAULT;

use super::frame::{About, Frame, Message, StreamId};
use crate::limits::{RETAIN_BYTES, RETAIN_MESSAGES};
use crate::members::{Member, MemberSet};

/// In which order a group delivers; the same at every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// At first sight.
    None,
    /// Per sender in the order sent.
    Fifo,
    /// Never before what the sender had delivered when it sent.
    #[default]
    Causal,
    /// The same sequence at every member.
    Total,
}

/// What a peer is told once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Which member this is.
    pub me: Member,
    /// How many members the group has, this one included.
    pub members: usize,
    /// The group's order.
    pub order: Order,
    /// Largest leap of a stamp ahead of the clock, in ticks, while messages keep coming; a silence adds to it what the
    /// others may have done meanwhile.
    pub leap_max: u64,
    /// Messages kept for members that lack them.
    pub retain_messages: u64,
    /// Bytes of payload kept for members that lack them.
    pub retain_bytes: u64,
    /// Every message that is to be kept over a crash is told with [`Output::Keep`].
    pub durable: bool,
    /// A bug put in on purpose, to see that the tests find it.
    #[cfg(test)]
    pub(crate) planted: Option<crate::sim::Planted>,
}

impl Settings {
    /// The settings of member `me` of `members`, with the bounds of [`limits`](crate::limits).
    #[must_use]
    pub fn new(me: Member, members: usize, order: Order) -> Self {
        Self {
            me,
            members,
            order,
            leap_max: LEAP_MAX_DEFAULT,
            retain_messages: RETAIN_MESSAGES,
            retain_bytes: RETAIN_BYTES,
            durable: false,
            #[cfg(test)]
            planted: None,
        }
    }
}

/// What a peer remembers when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Memory {
    /// This life of the member: larger than every former one, at least 1.
    pub incarnation: u64,
    /// A Lamport time that no former incarnation passed; 0 if that is not known.
    pub clock: u64,
    /// How long ago, in microseconds, that was; 0 if that is not known.
    pub absent: u64,
    /// The state as it was saved; `None` for a member that starts without it.
    pub saved: Option<Saved>,
}

/// A peer's state: see [`Peer::save`](super::Peer::save).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Saved {
    /// Whose welcome was still needed.
    pub wants: MemberSet,
    /// What was known of each member, in the group's order.
    pub members: Vec<About>,
    /// The open streams.
    pub streams: Vec<SavedStream>,
}

/// One stream as a peer with durable state keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SavedStream {
    /// The stream.
    pub id: StreamId,
    /// Everything before this sequence is no longer kept.
    pub base: u64,
    /// Everything up to here was received, or is out of reach.
    pub through: u64,
    /// Everything up to here was delivered.
    pub delivered: u64,
    /// Everybody delivered everything up to here.
    pub stable: u64,
    /// Something up to here was given up.
    pub dropped: u64,
    /// A former self whose state is lost delivered everything up to here.
    pub had: u64,
    /// The last sequence of a superseded stream, once told.
    pub last: Option<u64>,
    /// Messages kept, delivered or not, in ascending sequence, each with the Lamport time of its receive.
    pub messages: Vec<(Message, u64)>,
}

/// What happens to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The local application sends this payload. Only while [`Peer::accepts`](super::Peer::accepts).
    Broadcast(Bytes),
    /// A frame came in from this member.
    Frame(Member, Frame),
    /// There is a link to this member now; frames go both ways in order.
    LinkUp(Member),
    /// The link is gone, and what was on its way on it is lost.
    LinkDown(Member),
    /// So many more of [`Output::Deliver`] and [`Output::Missed`], the oldest first, are safe: the application took them, or they
    /// are stored for it. Only then the others are told, and need not keep them for this member any more.
    Taken(u64),
    /// A batch of inputs is complete, or [`Peer::deadline`](super::Peer::deadline) has come.
    Tick,
}

/// What a peer wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send the frame to each of these members.
    Send(MemberSet, Frame),
    /// The message is part of the state now: received, or sent, at `time`. Only if [`Settings::durable`].
    Keep {
        /// The message.
        message: Message,
        /// The Lamport time of its receive (of its send, for one's own).
        time: u64,
    },
    /// Hand the message to the application.
    Deliver {
        /// The message, with its sender's stamp.
        message: Message,
        /// The Lamport time of the delivery here: that of the receive (of the send, for one's own) where it was delivered at
        /// once.
        time: u64,
        /// It had to wait for its turn: the delivery is a local event of its own.
        later: bool,
    },
    /// These messages of a stream are out of reach: nobody within reach keeps them any more.
    Missed {
        /// Whose messages.
        stream: StreamId,
        /// The first missed.
        from: u64,
        /// The last missed.
        to: u64,
        /// The Lamport time of this: a local event of its own.
        time: u64,
    },
    /// Nothing was heard of this member for a while.
    Suspected(Member),
    /// A suspected member was heard again.
    Trusted(Member),
    /// Total order waits for word from these members; empty when it goes on.
    Waiting(MemberSet),
    /// An input was refused.
    Refused(Refusal),
}

/// Why an input was refused. The clock did not move.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// A broadcast while [`Peer::accepts`](super::Peer::accepts) is false.
    #[error("the group takes no message now")]
    NotNow,
    /// The stamp leaps, or the clock has reached its end.
    #[error("a message of {origin:?} relayed by {from:?} carries a stamp the clock refuses")]
    Stamp {
        /// The message's origin.
        origin: Member,
        /// Who sent the frame.
        from: Member,
    },
    /// The stamp is not above that of the origin's message before it.
    #[error("a message of {origin:?} does not have a larger stamp than the one before it")]
    StampOrder {
        /// The message's origin.
        origin: Member,
    },
    /// The origin is not a member.
    #[error("a message names member {origin:?}, who is not in the group")]
    Stranger {
        /// The origin named.
        origin: Member,
    },
    /// A message under this peer's own identity that it never sent.
    #[error(
        "a message under this peer's own identity that it did not send: two processes run as the same member"
    )]
    Forged,
    /// The group knows lives or messages of this member that its journal does not.
    #[error("the group knows more of this peer than its journal does")]
    Outdated,
    /// The group knows a later incarnation of this member.
    #[error("the group knows a later incarnation of this peer: {incarnation}")]
    Superseded {
        /// The later incarnation.
        incarnation: u64,
    },
}
