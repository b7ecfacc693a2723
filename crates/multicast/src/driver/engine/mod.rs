//! What surrounds the state machine: feeds it links, frames and the application's messages, and does what it says.
//!
//! The engine waits for nothing and writes to no socket: [`Node`](super::node::Node) puts it behind a lock, and does
//! [what is left](Afterwards) once the lock is free. What one batch of inputs causes is encoded once and given to each link in
//! one piece.

mod act;
mod links;
mod report;
mod store;
mod traced;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use lamport::ProcessId;
use lamport::trace::Tracer;
use tokio::time::Instant;

pub(crate) use self::links::Batch;
use self::links::Link;
pub(crate) use self::store::Store;
use self::traced::Recorder;
use super::handshake::order_word;
use super::inbox::Inbox;
use super::node::Afterwards;
use super::refusal;
use super::wire;
use crate::client::Frames;
use crate::core::frame::Frame;
use crate::core::{Input, Order, Output, Peer};
use crate::group::{Event, Sent};
use crate::group_file::Members;
use crate::limits::LOCAL_BATCH_MAX;
use crate::members::MemberSet;

/// How much the core accepted of the application's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// All of them.
    All,
    /// Some: the links are to be looked after in between.
    Some,
    /// Some or none, and it takes no more for now.
    Closed,
    /// One was refused for good.
    Refused,
}

/// One member: its state machine, its links, and what it has to say.
pub(crate) struct Engine {
    peer: Peer,
    members: Arc<Members>,
    order: Order,
    recorder: Recorder,
    tell_sends: bool,
    /// The way to the journal, for a durable member.
    store: Option<Store>,
    left: bool,
    links: Vec<Option<Link>>,
    heard: Vec<Option<Instant>>,
    /// Why the last attempt to link a member failed, if it was refused.
    not_linked: Vec<Option<String>>,
    suspected: MemberSet,
    incarnations: Vec<u64>,
    /// Whom total order waits for.
    waits_for: MemberSet,
    started: Instant,
    frame_counts: Frames,
    delivered: u64,
    /// The number of the last delivery or miss told.
    number: u64,
    /// Deliveries and misses that the application took, as far as the core knows.
    taken: u64,
    /// Somebody waits until the core takes messages again.
    blocked: bool,
    /// The deadline that is waited for, if one is.
    awaited_deadline: Option<u64>,
    outputs: Vec<Output>,
    events: Vec<Event>,
    writer: wire::Writer,
    /// Lines not yet given to the links, all to the same members.
    lines: Vec<u8>,
    lines_to: MemberSet,
    /// Members whose links were given lines that nobody writes yet.
    written: MemberSet,
}

impl Engine {
    pub(crate) fn new(peer: Peer, members: Arc<Members>, order: Order, tracer: &Tracer) -> Self {
        let count = members.len();
        let recorder = Recorder::start(tracer, members.clone(), order_word(order), peer.clock());
        Self {
            peer,
            order,
            recorder,
            tell_sends: false,
            store: None,
            left: false,
            links: (0..count).map(|_| None).collect(),
            heard: vec![None; count],
            not_linked: vec![None; count],
            suspected: MemberSet::EMPTY,
            incarnations: vec![0; count],
            waits_for: MemberSet::EMPTY,
            started: Instant::now(),
            frame_counts: Frames::default(),
            delivered: 0,
            number: 0,
            taken: 0,
            blocked: false,
            awaited_deadline: None,
            outputs: Vec::new(),
            events: Vec::new(),
            writer: wire::Writer::default(),
            lines: Vec::new(),
            lines_to: MemberSet::EMPTY,
            written: MemberSet::EMPTY,
            members,
        }
    }

    /// Stores with `store` what a next life must know, and goes on after `number`, the last of the former life.
    pub(crate) fn durable(mut self, store: Store, number: u64) -> Self {
        self.store = Some(store);
        self.number = number;
        self
    }

    pub(crate) fn tell_sends(mut self, tell_sends: bool) -> Self {
        self.tell_sends = tell_sends;
        self
    }

    /// Gives the core what it takes of the application's messages, from the front.
    pub(super) fn send(&mut self, data: &mut VecDeque<Bytes>, sent: &mut Vec<Sent>) -> Accepted {
        let now = self.now();
        let at = wall_ms();
        for _ in 0..LOCAL_BATCH_MAX {
            if !data.is_empty() && !self.accepts() {
                self.blocked = true;
                return Accepted::Closed;
            }
            let Some(data) = data.pop_front() else {
                return Accepted::All;
            };
            let told = (self.tell_sends || self.recorder.is_on()).then(|| data.clone());
            self.peer.step(now, Input::Broadcast(data), &mut self.outputs);
            if matches!(self.outputs.first(), Some(Output::Refused(_))) {
                self.act(at);
                return Accepted::Refused;
            }
            let one = Sent {
                incarnation: self.peer.incarnation(),
                sequence: self.peer.sequence(),
                stamp: self.stamp_of_own(),
            };
            sent.push(one);
            if let Some(data) = told {
                self.act_sent(one, data, at);
            }
            self.act(at);
        }
        if data.is_empty() {
            Accepted::All
        } else {
            Accepted::Some
        }
    }

    /// Says what a batch of inputs owes to others, and hands out what it caused.
    pub(super) fn finish(&mut self, inbox: &Inbox) -> Afterwards {
        if self.store.is_none() {
            let taken = inbox.taken_events();
            let before = std::mem::replace(&mut self.taken, taken);
            if taken > before {
                self.step(self.now(), Input::Taken(taken - before));
            }
        }
        self.step(self.now(), Input::Tick);
        self.commit(inbox);
        self.push_lines();
        self.recorder.end_batch();
        let opened = self.blocked && self.accepts();
        self.blocked &= !opened;
        let sooner = self
            .awaited_deadline
            .is_some_and(|awaited| self.peer.deadline() < awaited);
        if sooner {
            self.awaited_deadline = None;
        }
        let written = std::mem::replace(&mut self.written, MemberSet::EMPTY);
        let links = written
            .iter()
            .filter_map(|member| self.links[member.index()].as_ref());
        Afterwards {
            written: links.map(|link| link.outbox.clone()).collect(),
            told: inbox.put(&mut self.events),
            opened,
            sooner,
            disowned: self
                .peer
                .disowned()
                .map(|refusal| refusal::told(refusal, &self.members)),
        }
    }

    /// When something is due at the latest; whoever asks is [told](Afterwards::sooner) if it is to be sooner.
    pub(super) fn await_deadline(&mut self) -> Instant {
        let deadline = self.peer.deadline();
        self.awaited_deadline = Some(deadline);
        self.started + Duration::from_micros(deadline)
    }

    /// Lets go of the links: they write what they were given, and end. The way to the journal ends where what it returns is
    /// dropped.
    pub(super) fn leave(&mut self) -> Option<Store> {
        self.left = true;
        self.links.clear();
        self.store.take()
    }

    /// How many members the group has.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_durable(&self) -> bool {
        self.store.is_some()
    }

    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    /// Whether the core takes a message now, and the disk keeps up.
    fn accepts(&self) -> bool {
        self.peer.accepts() && self.store.as_ref().is_none_or(|store| !store.is_behind())
    }

    fn step(&mut self, now: u64, input: Input) {
        self.peer.step(now, input, &mut self.outputs);
        if !self.outputs.is_empty() {
            self.act(wall_ms());
        }
    }

    fn ids(&self, members: MemberSet) -> Vec<ProcessId> {
        members
            .iter()
            .map(|member| self.members.id(member).clone())
            .collect()
    }

    /// The stamp of the message just broadcast: its own delivery may have ticked after it.
    fn stamp_of_own(&self) -> u64 {
        let own = self.outputs.iter().find_map(|output| match output {
            Output::Send(_, Frame::Data(message)) | Output::Deliver { message, .. } => {
                let id = message.id;
                let is_own = id.stream.origin == self.peer.me()
                    && id.stream.incarnation == self.peer.incarnation()
                    && id.sequence == self.peer.sequence();
                is_own.then_some(message.stamp)
            }
            _ => None,
        });
        own.unwrap_or_else(|| self.peer.clock())
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
