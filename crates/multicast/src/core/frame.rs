//! What members say to each other: messages, promises, statuses and welcomes.
//!
//! Only a [`Message`] carries a Lamport stamp that moves a clock. The other three are the group's upkeep: they *state*
//! clocks and watermarks and lie below the clock, so that acknowledgements never change the stamps of a run.

use std::sync::Arc;

use bytes::Bytes;

use crate::members::{Member, MemberSet};

/// One sender's sequence of messages: a member in one of its incarnations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The sender.
    pub origin: Member,
    /// Which life of the sender: it grows at every restart, so that a restarted peer is never mistaken for its former
    /// self.
    pub incarnation: u64,
}

/// The identity of a message, unique for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The sender in its incarnation.
    pub stream: StreamId,
    /// The place in the sender's sequence, from 1 and without gaps.
    pub sequence: u64,
}

/// A broadcast message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Who sent it and as which.
    pub id: MessageId,
    /// The sender's Lamport time after the tick of the send.
    pub stamp: u64,
    /// What must be delivered before it, in causal order: of each other stream the last message that the sender had
    /// delivered, where that changed since its message before this one. `None` when nothing changed.
    pub after: Option<Arc<[MessageId]>>,
    /// The payload; the core never looks into it.
    pub data: Bytes,
}

/// What travels on a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// A message, from its origin or relayed.
    Data(Message),
    /// Lamport's acknowledgement, for total order: whatever this member sends later has a larger stamp.
    Promise(Promise),
    /// Everything a member knows that others need: acknowledgement, heart-beat and first word on a new link in one.
    Status(Arc<Status>),
    /// The answer to a member that came back without its state.
    Welcome(Arc<Welcome>),
}

impl Frame {
    /// Whether this cannot come from `member` in its life `incarnation`: it speaks for another one, or brings what a later one sent.
    #[must_use]
    pub fn is_of_another_life(&self, member: Member, incarnation: u64) -> bool {
        match self {
            Self::Data(message) => {
                let stream = message.id.stream;
                stream.origin == member && stream.incarnation > incarnation
            }
            Self::Promise(promise) => promise.incarnation != incarnation,
            Self::Status(status) => status.incarnation != incarnation,
            Self::Welcome(welcome) => welcome.from != incarnation,
        }
    }
}

/// "My clock shows `clock` and I have sent `sent` messages in this incarnation": once a receiver has those, nothing
/// with a stamp of at most `clock` can come any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Promise {
    /// Which life of the member promises.
    pub incarnation: u64,
    /// Its Lamport time.
    pub clock: u64,
    /// The sequence of its last message.
    pub sent: u64,
}

/// A member's whole knowledge, idempotent: a later one replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// The member's incarnation.
    pub incarnation: u64,
    /// Counts the statuses of this incarnation, so that an old one that arrives late is ignored.
    pub number: u64,
    /// Whose frames reach this member directly. Others relay what comes from anybody else.
    pub hears: MemberSet,
    /// Whose welcome this member still needs, because it came back without its state.
    pub wants: MemberSet,
    /// What it knows of each member, in the group's order.
    pub members: Vec<About>,
    /// What it has of each open stream.
    pub streams: Vec<Have>,
}

/// What one member knows of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct About {
    /// The highest incarnation known; 0 when it was never heard of.
    pub incarnation: u64,
    /// The incarnation that has told how its former ones ended (total order).
    pub announced: u64,
    /// All incarnations below this one are closed: everybody delivered all of them.
    pub closed: u64,
    /// Nothing with a stamp of at most `horizon` comes from it any more ...
    pub horizon: u64,
    /// ... beyond its message with this sequence.
    pub sent: u64,
}

/// What a member has of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Have {
    /// The stream.
    pub stream: StreamId,
    /// Every message up to this one was received.
    pub through: u64,
    /// Every message up to this one was delivered.
    pub delivered: u64,
    /// Every message up to this one is no longer kept and cannot be had from this member.
    pub purged: u64,
    /// Every member has delivered every message up to this one, in this life or a former one.
    pub stable: u64,
    /// Something up to this one was given up: by the retention bound, or because nobody has it any more.
    pub dropped: u64,
    /// A former life of the member, whose state is lost, delivered every message up to this one: of these the member has
    /// given up none.
    pub had: u64,
    /// Skipped because nobody has it: ranges, both ends included.
    pub lost: Vec<(u64, u64)>,
    /// Received beyond `through`: ranges, both ends included, ascending.
    pub beyond: Vec<(u64, u64)>,
    /// Where a superseded stream ends, once known.
    pub ended: Option<Ended>,
}

/// The end of a superseded stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ended {
    /// The incarnation of the origin that says so; a later one overrules an earlier one.
    pub by: u64,
    /// The last sequence.
    pub last: u64,
}

/// Where a member that came back without its state goes on: what the greeter knew of its former incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Welcome {
    /// The incarnation that is welcomed.
    pub incarnation: u64,
    /// The greeter's incarnation.
    pub from: u64,
    /// A Lamport time that is not before what the greeter knows the member's former incarnations to have sent or delivered.
    pub clock: u64,
    /// What the former incarnation had delivered, per stream.
    pub delivered: Vec<(StreamId, u64)>,
    /// How much the greeter has of the member's own former streams, which it now accepts no more of (total order).
    pub former: Vec<(u64, u64)>,
}
