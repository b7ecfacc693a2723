//! The task that owns the state machine: feeds it links, frames, the application's messages and time, and does what it says.
//!
//! Inputs come in batches, and what they cause is encoded once and pushed to each link's outbox in one piece. The application's
//! messages wait while [`Peer::accepts`] is false; frames wait while the application does not take its deliveries.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use lamport::ProcessId;
use lamport::trace::Tracer;
use proto::net::{Outbox, Pushed};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::handshake::order_word;
use super::wire;
use crate::client::{Frames, MemberStatus, Status};
use crate::core::frame::{Frame, Message};
use crate::core::{Input, Order, Output, Peer};
use crate::group::{Delivery, Event, SendError, Sent};
use crate::group_file::Members;
use crate::limits::{ENGINE_QUEUE, EVENTS_QUEUE, LOCAL_BATCH_MAX};
use crate::members::{Member, MemberSet};
use crate::record::{self, About, Act};

/// What links tell the engine.
pub(crate) enum ToEngine {
    LinkUp {
        member: Member,
        session: u64,
        incarnation: u64,
        outbox: Outbox,
        hold: oneshot::Sender<()>,
    },
    Frames {
        member: Member,
        session: u64,
        frames: Vec<Frame>,
    },
    LinkDown {
        member: Member,
        session: u64,
    },
    Status(oneshot::Sender<Status>),
}

/// Messages of the application, and who waits until all of them are taken.
pub(crate) struct Local {
    pub(crate) data: VecDeque<Bytes>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Sent>, SendError>>,
}

struct Link {
    session: u64,
    outbox: Outbox,
    /// Dropped when the link is to end.
    _hold: oneshot::Sender<()>,
}

pub(crate) struct Engine {
    peer: Peer,
    members: Arc<Members>,
    order: Order,
    tracer: Tracer,
    tell_sends: bool,
    links: Vec<Option<Link>>,
    heard: Vec<Option<Instant>>,
    suspected: MemberSet,
    incarnations: Vec<u64>,
    waiting: MemberSet,
    started: Instant,
    frames: Frames,
    delivered: u64,
    events: Vec<Event>,
    /// Batches that the application has not taken yet.
    backlog: VecDeque<Vec<Event>>,
    to_application: mpsc::Sender<Vec<Event>>,
    outputs: Vec<Output>,
    /// Lines not yet pushed, all to the same members.
    lines: Vec<u8>,
    lines_to: MemberSet,
}

/// What may wake the engine.
enum Wake {
    Links(usize),
    Local(Option<Local>),
    Room,
    Time,
    End,
}

impl Engine {
    pub(crate) fn new(
        peer: Peer,
        members: Arc<Members>,
        order: Order,
        tracer: Tracer,
        to_application: mpsc::Sender<Vec<Event>>,
    ) -> Self {
        let count = members.len();
        if tracer.is_on() {
            record::start(order_word(order), |event| tracer.record(peer.clock(), event));
        }
        Self {
            peer,
            order,
            tracer,
            tell_sends: false,
            links: (0..count).map(|_| None).collect(),
            heard: vec![None; count],
            suspected: MemberSet::EMPTY,
            incarnations: vec![0; count],
            waiting: MemberSet::EMPTY,
            started: Instant::now(),
            frames: Frames::default(),
            delivered: 0,
            events: Vec::new(),
            backlog: VecDeque::new(),
            to_application,
            outputs: Vec::new(),
            lines: Vec::new(),
            lines_to: MemberSet::EMPTY,
            members,
        }
    }

    pub(crate) fn tell_sends(mut self, tell_sends: bool) -> Self {
        self.tell_sends = tell_sends;
        self
    }

    /// Runs until `end` is fired or dropped, then says farewell: what is queued on the links is still written by them.
    pub(crate) async fn run(
        mut self,
        mut from_links: mpsc::Receiver<ToEngine>,
        mut local: mpsc::Receiver<Local>,
        mut end: oneshot::Receiver<()>,
    ) {
        let mut batch = Vec::new();
        let mut pending: Option<Local> = None;
        loop {
            let deadline = self.started + Duration::from_micros(self.peer.deadline());
            let room = self.backlog.len() < EVENTS_QUEUE;
            let may_send = pending.is_none() && self.peer.accepts();
            let to_application = self.to_application.clone();
            let wake = tokio::select! {
                taken = from_links.recv_many(&mut batch, ENGINE_QUEUE / 4), if room => Wake::Links(taken),
                taken = local.recv(), if may_send => Wake::Local(taken),
                permit = to_application.reserve(), if !self.backlog.is_empty() => {
                    if let (Ok(permit), Some(events)) = (permit, self.backlog.pop_front()) {
                        permit.send(events);
                    } else {
                        // Nobody wants deliveries any more.
                        self.backlog.clear();
                    }
                    Wake::Room
                }
                () = tokio::time::sleep_until(deadline) => Wake::Time,
                _ = &mut end => Wake::End,
            };
            match wake {
                Wake::Links(0) | Wake::End => break,
                Wake::Links(_) => {
                    for message in batch.drain(..) {
                        self.take(message);
                    }
                }
                Wake::Local(Some(messages)) => pending = Some(messages),
                Wake::Local(None) | Wake::Room | Wake::Time => {}
            }
            pending = pending.and_then(|messages| self.send(messages));
            while pending.is_none() && self.peer.accepts() {
                let Ok(messages) = local.try_recv() else { break };
                pending = self.send(messages);
                if self.outputs.len() >= LOCAL_BATCH_MAX {
                    break;
                }
            }
            self.step(Input::Tick);
            self.act();
        }
        self.links.clear();
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    fn step(&mut self, input: Input) {
        let now = self.now();
        self.peer.step(now, input, &mut self.outputs);
    }

    fn take(&mut self, message: ToEngine) {
        match message {
            ToEngine::LinkUp {
                member,
                session,
                incarnation,
                outbox,
                hold,
            } => {
                let place = member.index();
                if self.links[place].take().is_some() {
                    self.step(Input::LinkDown(member));
                    self.act();
                }
                self.links[place] = Some(Link {
                    session,
                    outbox,
                    _hold: hold,
                });
                self.heard[place] = Some(Instant::now());
                self.incarnations[place] = incarnation;
                self.step(Input::LinkUp(member));
            }
            ToEngine::LinkDown { member, session } => {
                let place = member.index();
                if self.links[place]
                    .as_ref()
                    .is_some_and(|link| link.session == session)
                {
                    self.links[place] = None;
                    self.step(Input::LinkDown(member));
                }
            }
            ToEngine::Frames {
                member,
                session,
                frames,
            } => {
                let place = member.index();
                if self.links[place]
                    .as_ref()
                    .is_none_or(|link| link.session != session)
                {
                    return;
                }
                self.heard[place] = Some(Instant::now());
                let now = self.now();
                for frame in frames {
                    if matches!(frame, Frame::Data(_)) {
                        self.frames.payload_received += 1;
                    } else {
                        self.frames.control_received += 1;
                    }
                    self.peer
                        .step(now, Input::Frame(member, frame), &mut self.outputs);
                }
                self.act();
            }
            ToEngine::Status(reply) => {
                let _ = reply.send(self.status());
            }
        }
    }

    /// Gives the core what it takes of the application's messages; what is left comes back.
    fn send(&mut self, mut messages: Local) -> Option<Local> {
        let now = self.now();
        let mut taken = 0;
        while self.peer.accepts() && taken < LOCAL_BATCH_MAX {
            let Some(data) = messages.data.pop_front() else {
                break;
            };
            let before = self.outputs.len();
            self.trace_send(&data);
            let told = self.tell_sends.then(|| data.clone());
            self.peer.step(now, Input::Broadcast(data), &mut self.outputs);
            if matches!(self.outputs.get(before), Some(Output::Refused(_))) {
                let _ = messages.reply.send(Err(SendError::Refused));
                return None;
            }
            let sent = Sent {
                incarnation: self.peer.incarnation(),
                sequence: self.peer.sequence(),
                stamp: self.sent_stamp(before),
            };
            messages.sent.push(sent);
            if let Some(data) = told {
                self.events.push(Event::Sent(Delivery {
                    from: self.members.id(self.peer.me()).clone(),
                    incarnation: sent.incarnation,
                    sequence: sent.sequence,
                    data,
                    stamp: sent.stamp,
                    received: sent.stamp,
                    at: wall_ms(),
                    own: true,
                    later: false,
                }));
            }
            taken += 1;
        }
        if messages.data.is_empty() {
            let _ = messages.reply.send(Ok(messages.sent));
            return None;
        }
        Some(messages)
    }

    /// The stamp of the message just broadcast: its own delivery may have ticked after it.
    fn sent_stamp(&self, before: usize) -> u64 {
        let own = self.outputs[before..].iter().find_map(|output| match output {
            Output::Send(_, Frame::Data(message)) | Output::Deliver { message, .. } => {
                own(message, &self.peer)
            }
            _ => None,
        });
        own.unwrap_or_else(|| self.peer.clock())
    }

    /// Does what the core wants done.
    fn act(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let at = wall_ms();
        for output in outputs.drain(..) {
            match output {
                Output::Send(to, frame) => self.queue(to, &frame),
                Output::Deliver { message, time, later } => self.deliver(message, time, later, at),
                Output::Missed { stream, from, to } => {
                    self.trace_missed(stream.origin, stream.incarnation, from, to);
                    let origin = self.members.id(stream.origin).clone();
                    tracing::warn!(%origin, from, to, "messages are out of reach: nobody keeps them any more");
                    let incarnation = stream.incarnation;
                    self.events.push(Event::Missed {
                        from: origin,
                        incarnation,
                        first: from,
                        last: to,
                    });
                }
                Output::Suspected(member) => {
                    self.suspected.insert(member);
                    tracing::warn!(member = %self.members.id(member), "suspected: nothing was heard of it");
                    self.events
                        .push(Event::Suspected(self.members.id(member).clone()));
                }
                Output::Trusted(member) => {
                    self.suspected.remove(member);
                    tracing::info!(member = %self.members.id(member), "heard again");
                    self.events.push(Event::Trusted(self.members.id(member).clone()));
                }
                Output::Waiting(members) => {
                    self.waiting = members;
                    let ids = self.ids(members);
                    if ids.is_empty() {
                        tracing::info!("total order goes on");
                    } else {
                        tracing::warn!(members = ?ids, "total order waits for members that are away");
                    }
                    self.events.push(Event::Waiting(ids));
                }
                Output::Refused(refusal) => {
                    tracing::warn!(
                        "refused: {refusal}; hint: every member needs its own --id and the same --group"
                    );
                    self.events.push(Event::Refused(refusal.to_string()));
                }
            }
        }
        self.outputs = outputs;
        self.push_lines();
        if !self.events.is_empty() {
            let events = std::mem::take(&mut self.events);
            if self.backlog.is_empty() {
                if let Err(mpsc::error::TrySendError::Full(events)) = self.to_application.try_send(events) {
                    self.backlog.push_back(events);
                }
            } else {
                self.backlog.push_back(events);
            }
        }
    }

    fn ids(&self, members: MemberSet) -> Vec<ProcessId> {
        members
            .iter()
            .map(|member| self.members.id(member).clone())
            .collect()
    }

    fn deliver(&mut self, message: Message, time: u64, later: bool, at: u64) {
        self.delivered += 1;
        let own = message.id.stream.origin == self.peer.me();
        if self.tracer.is_on() {
            self.trace_delivery(&message, time, later, own);
        }
        let from = self.members.id(message.id.stream.origin).clone();
        let stream = message.id.stream;
        self.events.push(Event::Delivered(Delivery {
            from,
            incarnation: stream.incarnation,
            sequence: message.id.sequence,
            data: message.data,
            stamp: message.stamp,
            received: time,
            at,
            own,
            later,
        }));
    }

    /// Writes the frame behind those for the same members.
    fn queue(&mut self, to: MemberSet, frame: &Frame) {
        if to != self.lines_to {
            self.push_lines();
            self.lines_to = to;
        }
        let sent = to.len() as u64;
        if matches!(frame, Frame::Data(_)) {
            self.frames.payload_sent += sent;
        } else {
            self.frames.control_sent += sent;
        }
        wire::write(&mut self.lines, frame, &self.members);
    }

    fn push_lines(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let capacity = self.lines.len();
        let chunk = Bytes::from(std::mem::replace(
            &mut self.lines,
            Vec::with_capacity(capacity.min(1 << 16)),
        ));
        for member in self.lines_to.iter() {
            if let Some(link) = &self.links[member.index()] {
                match link.outbox.push(chunk.clone()) {
                    Pushed::Taken | Pushed::Pressing => {}
                    // The link's task notices both, and the link begins anew.
                    Pushed::Full | Pushed::Closed => {}
                }
            }
        }
    }

    fn status(&self) -> Status {
        let me = self.peer.me();
        let (retained, retained_bytes) = self.peer.retained();
        let all = MemberSet::all(self.members.len());
        let members = all.iter().map(|member| {
            let place = member.index();
            let state = match (&self.links[place], self.suspected.contains(member)) {
                _ if member == me => "self",
                (Some(_), false) => "up",
                (Some(_), true) => "suspected",
                (None, _) => "down",
            };
            let known = if member == me {
                self.peer.incarnation()
            } else {
                self.incarnations[place]
            };
            MemberStatus {
                id: self.members.id(member).to_string(),
                address: Some(self.members.address(member).to_owned()),
                state: Some(state.to_owned()),
                incarnation: (known > 0).then_some(known),
                heard_ms: self.heard[place].map(|heard| heard.elapsed().as_millis() as u64),
                lacks: (member != me).then(|| self.peer.lacks(member)),
            }
        });
        Status {
            process: self.members.id(me).to_string(),
            order: Some(order_word(self.order).to_owned()),
            incarnation: Some(self.peer.incarnation()),
            lamport: Some(self.peer.clock()),
            sent: Some(self.peer.sequence()),
            delivered: Some(self.delivered),
            undelivered: Some(self.peer.undelivered()),
            retained: Some(retained),
            retained_bytes: Some(retained_bytes),
            duplicates: Some(self.peer.duplicates()),
            watchers: None,
            waiting: self
                .ids(self.waiting.minus(MemberSet::EMPTY.with(me)))
                .iter()
                .map(ToString::to_string)
                .collect(),
            frames: Some(self.frames),
            members: members.collect(),
        }
    }

    /// Records a broadcast before the core takes it: its delivery to the sender itself comes after it.
    fn trace_send(&self, data: &[u8]) {
        if !self.tracer.is_on() {
            return;
        }
        let incarnation = self.peer.incarnation();
        let about = self.about(self.peer.me(), incarnation, self.peer.sequence() + 1);
        // In total order the own delivery is an event of its own.
        let delivered = self.order != Order::Total;
        let time = self.peer.clock() + 1;
        Act::Broadcast { delivered }.record(about, &String::from_utf8_lossy(data), |event| {
            self.tracer.record(time, event);
        });
    }

    fn trace_delivery(&self, message: &Message, time: u64, later: bool, own: bool) {
        if own && !later && self.order != Order::Total {
            return;
        }
        let stream = message.id.stream;
        let about = self.about(stream.origin, stream.incarnation, message.id.sequence);
        let act = if later || own {
            Act::DeliverLater
        } else {
            Act::Deliver { stamp: message.stamp }
        };
        act.record(about, &String::from_utf8_lossy(&message.data), |event| {
            self.tracer.record(time, event);
        });
    }

    fn trace_missed(&self, origin: Member, incarnation: u64, from: u64, through: u64) {
        if self.tracer.is_on() {
            let about = self.about(origin, incarnation, from);
            Act::Miss { through }.record(about, "", |event| self.tracer.record(self.peer.clock(), event));
        }
    }

    fn about(&self, origin: Member, incarnation: u64, sequence: u64) -> About<'_> {
        About {
            origin: self.members.id(origin).as_str(),
            incarnation,
            sequence,
        }
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

fn own(message: &Message, peer: &Peer) -> Option<u64> {
    let id = message.id;
    let is_own = id.stream.origin == peer.me()
        && id.stream.incarnation == peer.incarnation()
        && id.sequence == peer.sequence();
    is_own.then_some(message.stamp)
}
