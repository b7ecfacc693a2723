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
//! Members may crash and come back, links may lose, delay, replay and be cut one way; nobody lies.
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
//!   after (in a next life that lost its state too, which begins where this one was), and a message that dies with everybody who had it (all of them lost their state) holds nothing up.
//! * **Total order**: the delivered sequences of any two members are prefixes of one another, apart from ranges told as
//!   missed and the restart of a member without its state, which begins somewhere in the agreed order. It waits
//!   while any member is away ([`Output::Waiting`]): that is the price of Lamport's rule, which knows no views.
//! * **Clock condition**: a receive has a larger time than its send. A stamp too far ahead is refused.
//!
//! Heart-beats only inform ([`Output::Suspected`]) and make relaying prompt; no guarantee rests on them.

pub mod frame;
mod join;
mod order;
mod relay;
mod retain;
mod status;
mod stream;
mod take;

use std::collections::VecDeque;

use bytes::Bytes;
use lamport::{ClockError, LEAP_MAX_DEFAULT, after_receive, after_send};

use crate::limits::{
    ACK_AFTER, ACK_BYTES, ACK_MESSAGES, HEARTBEAT_AFTER, REPAIR_EVERY, RETAIN_BYTES, RETAIN_MESSAGES,
    SUSPECT_AFTER, WAIT_TOLD_AFTER, WINDOW_BYTES, WINDOW_MESSAGES,
};
use crate::members::{Member, MemberSet};
use frame::{About, Frame, Message, MessageId, Promise, StreamId};
use stream::{Place, Stream};

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
    /// Largest leap of a stamp ahead of the clock, in ticks.
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
    /// The state as it was saved; `None` for a member that starts without it.
    pub saved: Option<Saved>,
}

/// A peer's state: see [`Peer::save`].
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
    /// The local application sends this payload. Only while [`Peer::accepts`].
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
    /// A batch of inputs is complete, or [`Peer::deadline`] has come.
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
    /// A broadcast while [`Peer::accepts`] is false.
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
    /// The group knows a later incarnation of this member.
    #[error("the group knows a later incarnation of this peer: {incarnation}")]
    Superseded {
        /// The later incarnation.
        incarnation: u64,
    },
}

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

/// The link to another member, and what its last status said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Link {
    up: bool,
    /// A status of the current incarnation arrived on this link.
    synced: bool,
    /// The number of its last status.
    number: u64,
    hears: MemberSet,
    wants: MemberSet,
    /// The incarnations it knows, in the group's order.
    knows: Vec<u64>,
    /// Its watermarks mean something: it has its place.
    placed: bool,
    /// Everything its last status lists was taken.
    listed: bool,
    /// What its former incarnation had delivered.
    before: Vec<(StreamId, u64)>,
    heard_at: u64,
    suspected: bool,
}

/// One member's state machine. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    settings: Settings,
    incarnation: u64,
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
    /// Delivered, or missed from there on, and not known to be safe: in the order told.
    untaken: VecDeque<MessageId>,
    /// Senders of whom something was delivered since the last own message.
    fresh: MemberSet,
    /// Per member: who does not hear it. Kept up to date with the links.
    deaf: Vec<MemberSet>,
    /// Own messages up to here were received by every linked member.
    own_floor: u64,
    own_floor_bytes: u64,

    status_number: u64,
    status_at: u64,
    unacknowledged: u64,
    unacknowledged_bytes: u64,
    repair_at: u64,
    /// The largest stamp received: others may wait for a promise past it.
    stamp_max: u64,
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
        let mut peer = Self {
            incarnation: memory.incarnation,
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
            untaken: VecDeque::new(),
            fresh: MemberSet::EMPTY,
            deaf: vec![MemberSet::EMPTY; members],
            own_floor: 0,
            own_floor_bytes: 0,
            status_number: 0,
            status_at: 0,
            unacknowledged: 0,
            unacknowledged_bytes: 0,
            repair_at: 0,
            stamp_max: 0,
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

    /// Whether a broadcast is taken now: false while a connected member is a whole window behind, and in total order
    /// while this peer has not found its place or a whole window waits for delivery.
    #[must_use]
    pub fn accepts(&self) -> bool {
        let me = self.settings.me.index();
        let own = self.own();
        self.sequence - self.own_floor < WINDOW_MESSAGES
            && own.bytes - self.own_floor_bytes < WINDOW_BYTES
            && !self.joining()
            && self.sequence - own.delivered < WINDOW_MESSAGES
            && self.origins[me].incarnation == self.incarnation
    }

    /// When the next [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        let mut deadline = self.status_at.min(self.repair_at);
        if self.owes_promise() {
            deadline = self.now;
        }
        deadline
    }

    /// The Lamport time of this peer's latest event.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// This life of the member.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The sequence of the last own message in this incarnation.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Messages kept here for members that do not have them yet, and their payload bytes.
    #[must_use]
    pub fn retained(&self) -> (u64, u64) {
        (self.retained, self.retained_bytes)
    }

    /// Copies dropped so far.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Messages received that wait for their turn.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.undelivered
    }

    /// Messages kept here that `member` is not known to have.
    #[must_use]
    pub fn lacks(&self, member: Member) -> u64 {
        let streams = self.origins.iter().flat_map(|origin| &origin.streams);
        streams
            .map(|stream| {
                stream
                    .top()
                    .saturating_sub(stream.views[member.index()].through.max(stream.purged()))
            })
            .sum()
    }

    /// Members heard directly now.
    #[must_use]
    pub fn hears(&self) -> MemberSet {
        let mut hears = MemberSet::EMPTY;
        for member in MemberSet::all(self.settings.members)
            .without(self.settings.me)
            .iter()
        {
            let link = &self.links[member.index()];
            if link.up && link.synced && !link.suspected && self.takes_data_of(member) {
                hears.insert(member);
            }
        }
        hears
    }

    /// Members whose word this peer needs before it can take part: its state is lost, and in total order only everybody
    /// together knows where it was.
    #[must_use]
    pub fn wants(&self) -> MemberSet {
        self.wants
    }

    /// How many streams are open: one for each member heard of, and superseded ones that somebody may still need.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.origins.iter().map(|origin| origin.streams.len()).sum()
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

    /// Messages delivered and kept for others: what the retention bound is about.
    #[cfg(test)]
    pub(crate) fn kept_for_others(&self) -> u64 {
        self.origins
            .iter()
            .flat_map(|origin| &origin.streams)
            .map(Stream::kept_for_others)
            .sum()
    }

    #[cfg(test)]
    fn planted(&self, planted: crate::sim::Planted) -> bool {
        self.settings.planted == Some(planted)
    }

    /// A sequence used twice, when that bug is planted.
    #[cfg(test)]
    fn planted_id(&self, id: MessageId) -> MessageId {
        if self.planted(crate::sim::Planted::ReuseSequence) && id.sequence.is_multiple_of(4) {
            return MessageId {
                sequence: id.sequence - 1,
                ..id
            };
        }
        id
    }

    fn broadcast(&mut self, data: Bytes, out: &mut Vec<Output>) {
        let Ok(clock) = after_send(self.clock) else {
            return out.push(Output::Refused(Refusal::NotNow));
        };
        if !self.accepts() {
            return out.push(Output::Refused(Refusal::NotNow));
        }
        let me = self.settings.me;
        self.clock = clock;
        self.sequence += 1;
        let id = MessageId {
            stream: StreamId {
                origin: me,
                incarnation: self.incarnation,
            },
            sequence: self.sequence,
        };
        #[cfg(test)]
        let id = self.planted_id(id);
        let message = Message {
            id,
            stamp: clock,
            after: self.take_after(),
            data,
        };
        let to = self.send_own(&message);
        self.retained += 1;
        self.retained_bytes += message.data.len() as u64;
        let now = self.now;
        let own = self.origins[me.index()]
            .streams
            .last_mut()
            .expect("the own stream is open from the start");
        #[cfg(test)]
        if own.place(id.sequence) == Place::Duplicate {
            self.sequence = id.sequence;
            return out.push(Output::Send(to, Frame::Data(message)));
        }
        own.insert(message.clone(), clock, now);
        self.undelivered += 1;
        if self.settings.durable {
            let message = message.clone();
            out.push(Output::Keep { message, time: clock });
        }
        if to == MemberSet::all(self.settings.members).without(me) {
            self.promised = clock;
        }
        if !to.is_empty() {
            out.push(Output::Send(to, Frame::Data(message)));
        }
        self.release(me, out);
    }

    /// The members that the next own message goes to at once: those that have been sent everything before it and have
    /// room. The others get it from the store as they acknowledge.
    fn send_own(&mut self, message: &Message) -> MemberSet {
        let me = self.settings.me;
        let mut to = MemberSet::EMPTY;
        for index in 0..self.settings.members {
            let member = Member::new(index);
            if member == me || !self.ready(member) {
                continue;
            }
            let now = self.now;
            let own = self.origins[me.index()]
                .streams
                .last_mut()
                .expect("the own stream is open from the start");
            let view = &own.views[index];
            let under_way = view.cursor - view.through - 1;
            if view.cursor == message.id.sequence
                && under_way < view.window
                && (under_way < view.window / 2 || own.bytes_under_way(view) < WINDOW_BYTES)
            {
                let view = &mut own.views[index];
                if under_way == 0 {
                    view.moved_at = now;
                }
                view.cursor += 1;
                to.insert(member);
            }
        }
        to
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

    fn receive_data(&mut self, from: Member, message: Message, out: &mut Vec<Output>) {
        let MessageId { stream: id, sequence } = message.id;
        if !self.links[from.index()].synced || !self.takes_data_of(from) || sequence == 0 {
            return;
        }
        let origin = id.origin;
        if origin.index() >= self.settings.members {
            return out.push(Output::Refused(Refusal::Stranger { origin }));
        }
        if origin == self.settings.me && id.incarnation >= self.incarnation {
            if id.incarnation > self.incarnation {
                out.push(Output::Refused(Refusal::Superseded {
                    incarnation: id.incarnation,
                }));
            } else if sequence > self.sequence {
                out.push(Output::Refused(Refusal::Forged));
            } else {
                self.duplicates += 1;
            }
            return;
        }
        if !self.wants.is_empty()
            && self.find(id).is_none()
            && id.incarnation >= self.origins[origin.index()].closed
        {
            // Where this peer stands in that stream is for a welcome to say, or for a status that still has all of it.
            return;
        }
        let Some(index) = self.open(id) else {
            self.duplicates += 1;
            return;
        };
        let order = self.settings.order;
        let sender = &mut self.origins[origin.index()];
        let superseded = id.incarnation < sender.incarnation;
        let stream = &mut sender.streams[index];
        let view = &mut stream.views[from.index()];
        if view.through + 1 == sequence {
            view.learn(sequence);
        }
        match stream.place(sequence) {
            Place::New => {}
            Place::Duplicate => {
                self.duplicates += 1;
                return;
            }
            Place::TooFar => return,
        }
        if order == Order::Total && superseded && stream.ended.is_none_or(|ended| sequence > ended.last) {
            return;
        }
        if sequence == stream.through + 1 && message.stamp <= stream.last_stamp {
            return out.push(Output::Refused(Refusal::StampOrder { origin }));
        }
        self.clock = match after_receive(self.clock, message.stamp, self.settings.leap_max) {
            Ok(time) => time,
            Err(ClockError::Leap { .. } | ClockError::Exhausted) => {
                return out.push(Output::Refused(Refusal::Stamp { origin, from }));
            }
        };
        self.stamp_max = self.stamp_max.max(message.stamp);
        let bytes = message.data.len() as u64;
        if self.settings.durable {
            let message = message.clone();
            out.push(Output::Keep {
                message,
                time: self.clock,
            });
        }
        if order == Order::None {
            out.push(Output::Deliver {
                message: message.clone(),
                time: self.clock,
                later: false,
            });
            stream.untaken.insert(sequence);
            self.untaken.push_back(message.id);
        }
        let before = stream.through;
        stream.insert(message, self.clock, self.now);
        if order == Order::None {
            stream.delivered = stream.through;
        } else {
            self.undelivered += stream.through - before;
        }
        // Until a new incarnation has told how the former ones ended, more of those may come.
        if !superseded && (order != Order::Total || sender.announced == sender.incarnation) {
            sender.horizon = sender.horizon.max(stream.last_stamp);
            let through = stream.through;
            if let Some(promise) = sender.promise.take_if(|promise| promise.sent <= through) {
                sender.horizon = sender.horizon.max(promise.clock);
            }
        }
        self.retained += 1;
        self.retained_bytes += bytes;
        self.unacknowledged += 1;
        self.unacknowledged_bytes += bytes;
        if self.unacknowledged >= ACK_MESSAGES || self.unacknowledged_bytes >= ACK_BYTES {
            self.status_at = self.now;
        } else if self.unacknowledged == 1 {
            self.status_at = self.status_at.min(self.now + ACK_AFTER);
        }
        self.relay_at_first_sight(from, origin, index, out);
        self.release(origin, out);
    }

    fn link_up(&mut self, member: Member, out: &mut Vec<Output>) {
        let link = &mut self.links[member.index()];
        link.up = true;
        link.synced = false;
        link.listed = false;
        link.heard_at = self.now;
        link.suspected = false;
        self.links_changed();
        let status = self.status();
        out.push(Output::Send(MemberSet::EMPTY.with(member), Frame::Status(status)));
    }

    fn link_down(&mut self, member: Member) {
        let link = &mut self.links[member.index()];
        link.up = false;
        link.synced = false;
        self.links_changed();
        self.own_floor_changed();
        // Those who relayed nothing to us because that member did should know now.
        self.status_at = self.now;
        self.repair_at = self.now;
    }

    fn tick(&mut self, out: &mut Vec<Output>) {
        let others = self.linked();
        if self.now >= self.status_at {
            self.status_at = self.now + HEARTBEAT_AFTER;
            self.unacknowledged = 0;
            self.unacknowledged_bytes = 0;
            if !others.is_empty() {
                let status = self.status();
                out.push(Output::Send(others, Frame::Status(status)));
                self.promised = self.clock;
            }
        } else if self.owes_promise() {
            self.promised = self.clock;
            let promise = Promise {
                incarnation: self.incarnation,
                clock: self.clock,
                sent: self.sequence,
            };
            out.push(Output::Send(others, Frame::Promise(promise)));
        }
        if self.now >= self.repair_at {
            self.repair_at = self.now + REPAIR_EVERY;
            self.suspect(out);
            self.repair(out);
            self.close_superseded(out);
            self.tell_waiting(out);
        }
    }

    fn owes_promise(&self) -> bool {
        self.settings.order == Order::Total
            && !self.joining()
            && self.stamp_max > self.promised
            && !self.linked().is_empty()
    }

    fn linked(&self) -> MemberSet {
        let mut linked = MemberSet::EMPTY;
        for (index, link) in self.links.iter().enumerate() {
            if link.up {
                linked.insert(Member::new(index));
            }
        }
        linked
    }

    fn suspect(&mut self, out: &mut Vec<Output>) {
        let mut changed = false;
        for (index, link) in self.links.iter_mut().enumerate() {
            if link.up && !link.suspected && self.now.saturating_sub(link.heard_at) > SUSPECT_AFTER {
                link.suspected = true;
                changed = true;
                out.push(Output::Suspected(Member::new(index)));
            }
        }
        if changed {
            self.links_changed();
            self.status_at = self.now;
        }
    }

    fn tell_waiting(&mut self, out: &mut Vec<Output>) {
        if self.settings.order != Order::Total {
            return;
        }
        let blocking = self.blocking();
        if blocking.is_empty() {
            self.waiting_since = None;
        }
        let since = *self.waiting_since.get_or_insert(self.now);
        let tell = if blocking.is_empty() || self.now - since < WAIT_TOLD_AFTER {
            MemberSet::EMPTY
        } else {
            blocking
        };
        if tell != self.waiting_told {
            self.waiting_told = tell;
            out.push(Output::Waiting(tell));
        }
    }
}
