//! The pure core of a group member: what goes in, what comes out, and the rules between.
//!
//! [`Peer::step`] takes the time and one [`Input`] and appends [`Output`]s. It opens no socket, reads no clock, draws no
//! random number and iterates in a fixed order, so that a run is a function of its inputs: the driver feeds it sockets and
//! timers, the simulation feeds it faults.
//!
//! # How a message travels
//!
//! A broadcast ticks the Lamport clock, takes the next sequence number and goes once to every member linked
//! (n-1 payload frames). Whoever sees a message for the first time moves its clock by the receive rule, keeps it, and
//! delivers it as the order allows (a message that had to wait is delivered by an event of its own, which ticks); a copy seen again is dropped before it touches the clock. This is the flooding of
//! reliable broadcast (V. Hadzilacos and S. Toueg, *A Modular Approach to Fault-Tolerant Broadcasts and Related
//! Problems*, 1994, section 3) with one change: a member relays only to those that it does not know to have the message.
//! What it knows comes from the statuses that members exchange (watermark and gaps per sender, and whose frames they hear).
//! At once it relays to a member that does not hear the sender; after [`RELAY_AFTER`](crate::limits::RELAY_AFTER) to one
//! that should have it but does not say so. So a healthy group pays no copies, and every path flooding would use is still
//! used when it is needed.
//!
//! A message is kept until every member of the group has delivered it (stability), or the retention bound forces it
//! out. On a new link both sides exchange statuses and send what the other lacks.
//!
//! # Orders
//!
//! * [`Order::None`]: delivered at first sight.
//! * [`Order::Fifo`]: per sender in the order sent.
//! * [`Order::Causal`]: a message names what its sender had delivered before it, as far as that changed since the sender's
//!   previous message (K. Birman, A. Schiper and P. Stephenson, *Lightweight Causal and Atomic Group Multicast*, ACM TOCS
//!   9(3), 1991; here only the changed entries of the vector travel).
//! * [`Order::Total`]: the smallest `(time, process)` once every other member is known to be past it (L. Lamport, *Time,
//!   Clocks, and the Ordering of Events in a Distributed System*, CACM 21(7), 1978). Total order contains causal order.
//!
//! # What is guaranteed
//!
//! Members may crash and come back, links may lose, delay, replay and be cut one way; nobody lies (see below).
//!
//! * **Integrity**: an incarnation delivers a message at most once, and only if it was broadcast. Always. A member that
//!   keeps its state over a crash does so across incarnations; one that lost it starts where others last knew it, and
//!   may deliver again what it delivered shortly before the crash.
//! * **Validity**: what a member broadcasts it delivers itself, and so does, after healing, every member that is not away
//!   beyond the retention bound, provided the sender stays up, keeps its state, or got the message out before it
//!   crashed.
//! * **Agreement** (not uniform): if a member that stays up delivers a message, every member that stays up or comes back delivers
//!   it after healing, or is told with [`Output::Missed`] that it is out of reach. A member that crashes without its state may have
//!   delivered what nobody else ever sees.
//! * **FIFO**, **causal**: always, across the messages of one incarnation and, for a member that keeps its state, across its
//!   incarnations. Two holes are told, not hidden: what comes after a missed message may come without what that message came
//!   after (also in the life of any member that lost its state, which begins where others say), and a message that dies with
//!   everybody who had it (all of them lost their state) holds nothing up.
//! * **Total order**: the delivered sequences of any two members are prefixes of one another, apart from ranges told as
//!   missed and the restart of a member without its state, which begins somewhere in the agreed order. It waits
//!   while any member is away ([`Output::Waiting`]): that is the price of Lamport's rule, which knows no views.
//! * **Clock condition**: a receive has a larger time than its send. A stamp too far ahead is refused.
//!
//! Heart-beats only inform ([`Output::Suspected`]) and make relaying prompt; no guarantee rests on them.
//!
//! # What a member that lies or is broken can do
//!
//! Harm itself, and hold the others back as one that does not follow can. Whatever a linked member says, a peer neither panics nor keeps
//! or does much because of it, and what it sends to another that it hears arrives there as before: what a member says of itself is
//! believed, what it says of others only while they are not heard. Three things nobody can tell from the truth without signatures: a
//! message forged under another member's name, two different messages under one name, and what only the liar knows: where a peer that
//! lost its state was, and what members that are away had.

mod figures;
pub mod frame;
mod haves;
mod interface;
mod join;
mod links;
mod message;
#[cfg(test)]
mod mistaken;
mod order;
mod relay;
mod retain;
#[cfg(test)]
mod stage;
mod status;
mod stream;
mod take;
mod tick;

use crate::limits::{UNSAFE_BYTES, UNSAFE_MESSAGES, WINDOW_BYTES, WINDOW_MESSAGES};
use crate::members::{Member, MemberSet};
use frame::{Frame, Promise};
pub use interface::{Input, Memory, Order, Output, Refusal, Saved, SavedStream, Settings};
use links::Link;
use status::Unreported;
use stream::Stream;

/// Another member, as this one knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Origin {
    /// The highest incarnation known; 0 before the first.
    incarnation: u64,
    /// The incarnation that told how its former ones ended.
    announced: u64,
    /// No message with a stamp of at most this comes any more, apart from those held.
    horizon: u64,
    /// A promise that waits for messages.
    promise: Option<Promise>,
    /// All incarnations below are closed.
    closed: u64,
    /// Open streams by ascending incarnation.
    streams: Vec<Stream>,
}

/// One member's state machine. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    settings: Settings,
    incarnation: u64,
    /// The latest life of this member in its journal, which knows all that this life said.
    recalled: Option<u64>,
    /// Why the group cannot take this for the member it knows: then nothing is done any more.
    disowned: Option<Refusal>,
    clock: u64,
    /// The sequence of the last own message.
    sequence: u64,
    origins: Vec<Origin>,
    links: Vec<Link>,
    /// Whose welcome is still needed.
    wants: MemberSet,
    /// Own former incarnations and how much of them others have, gathered from the welcomes.
    former: Vec<(u64, u64)>,
    now: u64,

    /// Received contiguously and not delivered, over all streams.
    undelivered: u64,
    /// How many deliveries and misses were told.
    told: u64,
    /// How many of them, the oldest, are known to be safe.
    taken: u64,
    /// Senders of whom something was delivered since the last own message.
    fresh: MemberSet,
    /// Per member: who does not hear it. Kept up to date with the links.
    deaf: Vec<MemberSet>,
    /// Own messages up to here were received by every linked member.
    own_floor: u64,
    own_floor_bytes: u64,
    /// Own messages up to here are safe at every linked member.
    own_safe: u64,
    own_safe_bytes: u64,

    status_number: u64,
    status_at: u64,
    unreported_received: Unreported,
    /// The others keep own messages until this peer says that they are safe here too.
    unreported_sent: Unreported,
    repair_at: u64,
    /// The largest stamp received: others may wait for a promise past it.
    stamp_max: u64,
    /// When the last message was received, and how long before its start this life had heard none.
    received_at: u64,
    absent: u64,
    /// The latest time promised to everybody linked.
    promised: u64,
    waiting_since: Option<u64>,
    waiting_told: MemberSet,
    retained: u64,
    retained_bytes: u64,
    duplicates: u64,
}

impl Peer {
    /// A member that starts with what it remembers.
    ///
    /// # Panics
    ///
    /// If `settings` name a member outside the group, or the incarnation is 0.
    #[must_use]
    pub fn new(settings: Settings, memory: Memory) -> Self {
        assert!(
            settings.me.index() < settings.members,
            "a peer is a member of its group"
        );
        assert!(memory.incarnation > 0, "incarnations count from 1");
        let members = settings.members;
        let others = MemberSet::all(members).without(settings.me);
        let journal = memory.saved.as_ref().filter(|_| settings.durable);
        let recalled = journal.and_then(|saved| saved.members.get(settings.me.index()));
        let mut peer = Self {
            incarnation: memory.incarnation,
            recalled: recalled.map(|about| about.incarnation),
            disowned: None,
            clock: memory.clock,
            sequence: 0,
            origins: vec![Origin::default(); members],
            links: vec![
                Link {
                    knows: vec![0; members],
                    ..Link::default()
                };
                members
            ],
            wants: memory.saved.as_ref().map_or(others, |saved| saved.wants),
            former: Vec::new(),
            now: 0,
            undelivered: 0,
            told: 0,
            taken: 0,
            fresh: MemberSet::EMPTY,
            deaf: vec![MemberSet::EMPTY; members],
            own_floor: 0,
            own_floor_bytes: 0,
            own_safe: 0,
            own_safe_bytes: 0,
            status_number: 0,
            status_at: 0,
            unreported_received: Unreported::default(),
            unreported_sent: Unreported::default(),
            repair_at: 0,
            stamp_max: 0,
            received_at: 0,
            absent: memory.absent,
            promised: 0,
            waiting_since: None,
            waiting_told: MemberSet::EMPTY,
            retained: 0,
            retained_bytes: 0,
            duplicates: 0,
            settings,
        };
        peer.begin(memory.saved);
        peer
    }

    /// Takes one input at `now` (microseconds, never going back) and appends what is to be done, in order.
    ///
    /// What several inputs of one batch owe to others (acknowledgements, promises) is said at the next
    /// [`Input::Tick`]: feed one after every batch and whenever [`deadline`](Self::deadline) has come.
    pub fn step(&mut self, now: u64, input: Input, out: &mut Vec<Output>) {
        self.now = self.now.max(now);
        if self.disowned.is_some() {
            // The driver has to end it.
            return;
        }
        match input {
            Input::Broadcast(data) => self.broadcast(data, out),
            Input::Frame(from, frame) => self.receive(from, frame, out),
            Input::LinkUp(member) => self.link_up(member, out),
            Input::LinkDown(member) => self.link_down(member),
            Input::Taken(count) => self.taken(count),
            Input::Tick => self.tick(out),
        }
        self.retain();
    }

    /// Whether a broadcast is taken now: false while a connected member is a whole window behind or leaves too much undelivered,
    /// and in total order while this peer has not found its place or a whole window waits for delivery.
    #[must_use]
    pub fn accepts(&self) -> bool {
        let own = self.own();
        self.sequence - self.own_floor < WINDOW_MESSAGES
            && own.bytes - self.own_floor_bytes < WINDOW_BYTES
            && self.sequence - self.own_safe < UNSAFE_MESSAGES
            && own.bytes - self.own_safe_bytes < UNSAFE_BYTES
            && !self.joining()
            && self.sequence - own.delivered < WINDOW_MESSAGES
            && self.disowned.is_none()
    }

    /// Why the group cannot take this peer for the member it knows, if so: it does nothing any more, and is to be ended.
    #[must_use]
    pub fn disowned(&self) -> Option<&Refusal> {
        self.disowned.as_ref()
    }

    fn disown(&mut self, why: Refusal, out: &mut Vec<Output>) {
        out.push(Output::Refused(why.clone()));
        self.disowned = Some(why);
    }

    fn joining(&self) -> bool {
        self.settings.order == Order::Total && !self.wants.is_empty()
    }

    fn takes_data_of(&self, member: Member) -> bool {
        !self.wants.contains(member) && !self.joining()
    }

    fn own(&self) -> &Stream {
        self.origins[self.settings.me.index()]
            .streams
            .last()
            .expect("the own stream is open from the start")
    }

    #[cfg(test)]
    fn planted(&self, planted: crate::sim::Planted) -> bool {
        self.settings.planted == Some(planted)
    }

    fn receive(&mut self, from: Member, frame: Frame, out: &mut Vec<Output>) {
        if from.index() >= self.settings.members || from == self.settings.me || !self.links[from.index()].up {
            return;
        }
        let link = &mut self.links[from.index()];
        link.heard_at = self.now;
        if link.suspected {
            link.suspected = false;
            out.push(Output::Trusted(from));
            self.links_changed();
        }
        match frame {
            Frame::Data(message) => self.receive_data(from, message, out),
            Frame::Promise(promise) => self.receive_promise(from, promise, out),
            Frame::Status(status) => self.receive_status(from, &status, out),
            Frame::Welcome(welcome) => self.receive_welcome(from, &welcome, out),
        }
    }
}
