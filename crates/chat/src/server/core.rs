//! The hub, the clock and the receivers under one lock, and what happens while it is held.
//!
//! A connection's task parses what it received before it takes the lock, and holds it for a whole batch of lines. The
//! order in which batches get the lock is the order of everything: numbers, stamps, the lines in each outbox, the
//! history and the trace. Under the lock nothing is awaited; an operation that has to wait for something (a password,
//! stored history, numbers that are not reserved yet) stops the batch, and the task goes on with the rest of it
//! later, so that replies keep the order of the requests.
//!
//! Lock order: this one first, then the history's, the tracer's or an outbox's; never two of the latter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lamport::trace::{Event as TraceEvent, Fact, Message, Tracer, facts};
use lamport::{Clock, TIME_MAX};
use proto::net::Outbox;
use proto::{Harmless, LineWriter, Refusal, WireError, codes};

use super::RunError;
use super::fanout::{Chunk, Numbered, Receiver, Receivers};
use super::request::{Errand, Line, Received};
use super::session::Session;
use crate::codes::RECEIVER_BEHIND;
use crate::events::{write_history, write_lagged, write_reply, write_told};
use crate::history::History;
use crate::hub::{ConnectionId, Entering, Hub, Input, Output, Reason, Reply, Stake};
use crate::limits::{CLOCK_MARGIN, ROOMS_PER_MEMBER_MAX};

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Core {
    state: Mutex<State>,
    pub(super) history: History,
    clock: Clock,
    tracer: Tracer,
    started: Instant,
}

#[derive(Debug)]
struct State {
    hub: Hub,
    receivers: Receivers,
    /// The last Lamport time that is known to be reserved.
    clock_through: u64,
    connections: u64,
}

/// How far a batch got.
#[derive(Debug)]
pub(super) enum Progress<'b> {
    /// All of it is done.
    Done,
    /// Numbers have to be reserved before it can go on.
    Needs(Needed),
    /// Something has to be awaited before it can go on.
    Waits(Errand<'b>),
    /// These receivers should be waited for before it goes on.
    Holds(Vec<Outbox>),
    /// The connection is over: what is queued is to be written and the stream closed.
    Over,
}

/// Numbers to be reserved.
#[derive(Debug, Default)]
pub(super) struct Needed {
    /// Rooms, each with the number needed.
    pub(super) rooms: Vec<(Arc<str>, u64)>,
    /// What the clock shows, and the time needed.
    pub(super) clock: Option<(u64, u64)>,
}

impl Core {
    pub(super) fn new(hub: Hub, history: History, clock: Clock, tracer: Tracer) -> Self {
        let state = State {
            hub,
            receivers: Receivers::default(),
            clock_through: 0,
            connections: 0,
        };
        Self {
            state: Mutex::new(state),
            history,
            clock,
            tracer,
            started: Instant::now(),
        }
    }

    /// Stores what is not stored yet, once all connections are over.
    pub(super) async fn close(&self) -> Result<(), RunError> {
        self.history.clone().close(self.clock.now()).await?;
        self.tracer.close()?;
        Ok(())
    }

    /// A connection is there.
    pub(super) fn open(&self, receiver: Receiver) -> ConnectionId {
        let mut state = self.lock();
        state.connections += 1;
        let connection = ConnectionId(state.connections);
        state
            .hub
            .step(self.now_ns(), Input::Opened { connection }, &mut Vec::new());
        state.receivers.insert(connection, receiver);
        connection
    }

    /// Handles the lines that are left of a batch, as far as it can be done without waiting. When `patient`, receivers
    /// that are behind are waited for first.
    pub(super) fn receive<'b>(
        &self,
        session: &mut Session,
        lines: &mut std::vec::IntoIter<Line<'b>>,
        patient: bool,
    ) -> Progress<'b> {
        self.decide(session, |state, session| {
            let State { hub, receivers, .. } = state;
            let told = std::mem::take(&mut session.told);
            let reaches = |other| hub.share_a_room(session.id, other) || told.contains(&other);
            let holding_up = receivers.holding_up(session.id, reaches);
            if patient && !holding_up.is_empty() {
                session.told = told;
                return Progress::Holds(holding_up);
            }
            // What the flood limit refuses need not have a room; one token more may come meanwhile.
            let allowance = state.hub.allowance(session.id, self.now_ns()).saturating_add(1);
            let requests = lines.as_slice().iter().filter(|line| line.lamport().is_some());
            let entering: Vec<Entering> = requests.take(allowance).filter_map(Line::entering).collect();
            let numbers = lines.len() as u64 * 2;
            let times = lines.as_slice().iter().map(Line::times).sum();
            let stamps = lines.as_slice().iter().filter_map(Line::lamport);
            let stamp_max = stamps.max().unwrap_or(0);
            if let Some(needed) =
                self.missing_numbers(state, session.id, &entering, numbers, times, stamp_max)
            {
                return Progress::Needs(needed);
            }
            let mut desk = Desk::new(self, state, session, lines.as_slice());
            while desk.progress.is_none()
                && let Some(line) = lines.next()
            {
                desk.take(line);
            }
            let progress = desk.close();
            // Numbers reserved for a room that was not opened after all are not kept for nobody.
            for entering in entering
                .iter()
                .filter(|entering| !state.hub.has_room(entering.room()))
            {
                self.history.forget(entering.room().as_str());
            }
            progress
        })
    }

    /// Goes on with what waited for a password or for a registration.
    pub(super) fn resume<'b>(
        &self,
        session: &mut Session,
        entering: &[Entering],
        answer: &mut Option<Input<'b>>,
    ) -> Progress<'b> {
        self.decide(session, |state, session| {
            let times = 2 * ROOMS_PER_MEMBER_MAX as u64 + 2;
            if let Some(needed) = self.missing_numbers(state, session.id, entering, 2, times, 0) {
                return Progress::Needs(needed);
            }
            let mut desk = Desk::new(self, state, session, &[]);
            if let Some(input) = answer.take() {
                desk.step(input);
            }
            desk.close()
        })
    }

    /// Replies to `history`.
    pub(super) fn reply_history(
        &self,
        session: &mut Session,
        id: u64,
        room: &str,
        page: Result<crate::history::Page, WireError>,
    ) {
        self.decide(session, |state, session| {
            let mut desk = Desk::new(self, state, session, &[]);
            match page {
                Ok(page) => {
                    let lamport = desk.send("reply", &[]);
                    let events = page.events.iter().map(|line| &line[..]);
                    write_history(&mut desk.replies, lamport, id, room, events, page.more);
                }
                Err(error) => desk.refuse(id, &error),
            }
            let _ = desk.close();
        });
    }

    /// The line that says how many events a replay does not have.
    pub(super) fn lagged_line(&self, room: &str, missed: u64) -> Vec<u8> {
        let _decided = self.lock();
        let mut line = Vec::new();
        write_lagged(&mut line, self.send("lagged", &[]), room, missed);
        line
    }

    /// The connection has drained after its outbox was full: it is told what it missed, and receives again.
    pub(super) fn drained(&self, session: &mut Session) {
        let mut state = self.lock();
        let missed = state.receivers.take_missed(session.id);
        let mut lines = Vec::new();
        for (room, missed) in missed {
            tracing::warn!(room = %Harmless(&room), missed, "the connection lagged");
            write_lagged(&mut lines, self.send("lagged", &[]), &room, missed);
        }
        session.reply(lines);
    }

    /// The connection is over without having left. Numbers may have to be reserved first.
    pub(super) fn end(&self, session: &mut Session, reason: Reason) -> Progress<'static> {
        self.decide(session, |state, session| {
            let times = 2 * ROOMS_PER_MEMBER_MAX as u64;
            if let Some(needed) = self.missing_numbers(state, session.id, &[], 2, times, 0) {
                return Progress::Needs(needed);
            }
            state.receivers.remove(session.id);
            let mut desk = Desk::new(self, state, session, &[]);
            let connection = desk.session.id;
            desk.step(Input::Ended { connection, reason });
            desk.close()
        })
    }

    /// The server goes down: the first connection to notice empties the rooms, and each is told.
    pub(super) fn shut_down(&self, session: &mut Session) -> Progress<'static> {
        self.decide(session, |state, session| {
            let times = state.hub.memberships() + 1;
            if let Some(needed) = self.missing_numbers(state, session.id, &[], 0, times, 0) {
                return Progress::Needs(needed);
            }
            let mut desk = Desk::new(self, state, session, &[]);
            desk.step(Input::ShutDown);
            desk.tell_end(
                &WireError::new(codes::SHUTTING_DOWN, "the server is going down")
                    .with_hint("come back in a moment"),
            );
            desk.close()
        })
    }

    /// The connection is told why it ends.
    pub(super) fn tell_end(&self, session: &mut Session, error: &WireError) {
        self.decide(session, |state, session| {
            let mut desk = Desk::new(self, state, session, &[]);
            desk.tell_end(error);
            let _ = desk.close();
        });
    }

    /// Decides something under the lock; what it left to be delivered follows when others have the lock already.
    fn decide<R>(&self, session: &mut Session, work: impl FnOnce(&mut State, &mut Session) -> R) -> R {
        let result = work(&mut self.lock(), session);
        session.deliveries.deliver();
        result
    }

    /// What has to be reserved before up to `numbers` numbers of each room at stake and `times` Lamport times, after
    /// stamps up to `stamp_max` were received, can be used.
    fn missing_numbers(
        &self,
        state: &mut State,
        connection: ConnectionId,
        entering: &[Entering],
        numbers: u64,
        times: u64,
        stamp_max: u64,
    ) -> Option<Needed> {
        let mut needed = Needed::default();
        for room in state.hub.make_space(entering) {
            self.history.forget(&room);
        }
        for Stake { room, seq } in state.hub.stakes(connection, entering) {
            let through = seq + numbers;
            if self.history.seqs_through(&room) < through {
                needed.rooms.push((room, through));
            }
        }
        // What is sent outside of batches uses the margin.
        let now = self.clock.now();
        let through = now
            .max(stamp_max)
            .saturating_add(times + CLOCK_MARGIN)
            .min(TIME_MAX);
        if state.clock_through < through || state.clock_through - through < CLOCK_MARGIN {
            state.clock_through = self.history.clock_used(now);
        }
        if state.clock_through < through {
            needed.clock = Some((now, through));
        }
        (!needed.rooms.is_empty() || needed.clock.is_some()).then_some(needed)
    }

    /// One event of sending: its time, recorded.
    fn send(&self, label: &str, facts: &[Fact<'_>]) -> u64 {
        // A clock at its end stays there: messages still arrive, only their stamps no longer tell them apart.
        let lamport = self.clock.tick().unwrap_or(TIME_MAX);
        self.tracer.record(lamport, &TraceEvent::send(label, facts));
        lamport
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A panic while the lock was held may have left a message half handed out, to one room at worst; the others and
    /// everything that follows are not worse for it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's turn with the lock.
struct Desk<'l, 'b> {
    core: &'l Core,
    state: &'l mut State,
    session: &'l mut Session,
    now_ns: u64,
    at_ms: u64,
    /// Replies to this connection that are not queued yet.
    replies: Vec<u8>,
    chunk: Chunk,
    outputs: Vec<Output<'b>>,
    /// Set when this turn is over.
    progress: Option<Progress<'b>>,
    /// The receiver of a private text could not take it: the reply says so.
    behind: bool,
}

impl<'l, 'b> Desk<'l, 'b> {
    fn new(core: &'l Core, state: &'l mut State, session: &'l mut Session, lines: &[Line<'b>]) -> Self {
        let at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_millis());
        Self {
            core,
            state,
            session,
            now_ns: core.now_ns(),
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
            replies: Vec::with_capacity(lines.len() * REPLY_BYTES),
            chunk: Chunk::expecting(lines.iter().map(Line::event_bytes).sum()),
            outputs: Vec::new(),
            progress: None,
            behind: false,
        }
    }

    fn take(&mut self, line: Line<'b>) {
        match line {
            Line::Refused(refusal) => self.refuse_line(refusal),
            Line::Request(Received { id, lamport, op }) => {
                #[cfg(test)]
                if let crate::ops::Op::Say { text, .. } = &op {
                    assert_ne!(&**text, PLANTED_PANIC, "as the test wants it");
                }
                if let Err(error) = self.receive(op.name(), lamport) {
                    return self.refuse(id, &error);
                }
                let connection = self.session.id;
                self.step(Input::Request { connection, id, op });
            }
        }
    }

    /// A request arrives: its stamp moves the clock.
    fn receive(&mut self, label: &str, lamport: u64) -> Result<(), WireError> {
        self.session.requests += 1;
        let time = self.core.clock.receive(lamport)?;
        let message = Message::Request {
            connection: self.session.connection.id(),
            number: self.session.requests,
        };
        self.core
            .tracer
            .record(time, &TraceEvent::receive(label, message, &[]));
        Ok(())
    }

    fn step(&mut self, input: Input<'b>) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.state.hub.step(self.now_ns, input, &mut outputs);
        for output in outputs.drain(..) {
            self.carry_out(output);
        }
        self.outputs = outputs;
    }

    fn carry_out(&mut self, output: Output<'b>) {
        match output {
            Output::Broadcast {
                room,
                name,
                seq,
                except,
                event,
            } => {
                let facts = [
                    facts::fact(facts::ROOM, &*name),
                    facts::fact(facts::SEQ, seq),
                    facts::fact(facts::NAME, event.actor()),
                ];
                let lamport = self.core.send(event.name(), &facts);
                let at_ms = self.at_ms;
                tracing::debug!(room = %Harmless(&name), seq, ?event, "event");
                let event = Numbered {
                    room,
                    name,
                    seq,
                    except,
                    lamport,
                    at_ms,
                    event,
                };
                if self.chunk.is_of_another(&event) {
                    self.hand_out();
                }
                self.chunk.add(&event);
            }
            Output::Reply { id, reply, .. } => self.reply(id, &reply),
            Output::Refuse { id, error, .. } => self.refuse(id, &error),
            Output::Told {
                connection,
                from,
                text,
            } => {
                let lamport = self.send("told", &[]);
                let mut line = Vec::new();
                write_told(&mut line, lamport, self.at_ms, &from, &text);
                self.tell(connection, line);
            }
            Output::Replay {
                room, after, through, ..
            } => {
                self.progress = Some(Progress::Waits(Errand::Replay { room, after, through }));
            }
            Output::ReadHistory {
                id,
                room,
                after,
                before,
                limit,
                ..
            } => {
                self.progress = Some(Progress::Waits(Errand::ReadHistory {
                    id,
                    room,
                    after,
                    before,
                    limit,
                }));
            }
            Output::CheckPassword {
                id,
                password,
                hash,
                wanted,
                ..
            } => {
                self.progress = Some(Progress::Waits(Errand::CheckPassword {
                    id,
                    password,
                    hash,
                    wanted,
                }));
            }
            Output::StorePassword {
                id, password, name, ..
            } => {
                self.progress = Some(Progress::Waits(Errand::StorePassword { id, password, name }));
            }
            Output::Close { connection } if connection == self.session.id => {
                self.progress = Some(Progress::Over)
            }
            Output::Close { connection } => {
                if let Some(receiver) = self.state.receivers.get(connection) {
                    receiver.ousted.notify_one();
                }
            }
        }
    }

    fn reply(&mut self, id: u64, reply: &Reply) {
        match reply {
            Reply::Joined { name, room, .. } => {
                tracing::info!(name = %Harmless(name), room = %Harmless(room), "joined");
                self.session.connection.establish();
            }
            Reply::Told { .. } if std::mem::take(&mut self.behind) => {
                let error = WireError::new(
                    RECEIVER_BEHIND,
                    "that member is too far behind to be told anything now",
                );
                return self.refuse(id, &error);
            }
            Reply::Renamed { name, .. } => tracing::info!(name = %Harmless(name), "renamed"),
            Reply::Registered { name } => tracing::info!(name = %Harmless(name), "registered"),
            Reply::Left { .. } => tracing::info!("left"),
            _ => {}
        }
        let lamport = self.send("reply", &[]);
        write_reply(&mut self.replies, lamport, id, reply);
    }

    fn refuse(&mut self, id: u64, error: &WireError) {
        let lamport = self.send(error.code.as_str(), &[]);
        LineWriter::error_reply(&mut self.replies, lamport, id, error);
    }

    /// Answers a line that is no request of ours.
    fn refuse_line(&mut self, mut refusal: Refusal) {
        if let Some(lamport) = refusal.lamport
            && let Err(error) = self.receive("refused", lamport)
        {
            refusal.error = error;
        }
        let lamport = self.send(refusal.error.code.as_str(), &[]);
        self.queue_replies();
        if !self.session.connection.refuse(lamport, &refusal) {
            tracing::info!("closed: it does not speak this protocol");
            // The hub hears of it as of any other end.
            self.session.broken = true;
            self.progress = Some(Progress::Over);
        }
    }

    /// Queues a private line for anybody, behind everything that was decided before.
    fn tell(&mut self, connection: ConnectionId, line: Vec<u8>) {
        self.hand_out();
        if connection == self.session.id {
            self.replies.extend_from_slice(&line);
            return;
        }
        let Session { deliveries, told, .. } = &mut *self.session;
        self.behind |= !self.state.receivers.tell(connection, line.into(), deliveries);
        if told.last() != Some(&connection) {
            told.push(connection);
        }
    }

    fn tell_end(&mut self, error: &WireError) {
        let lamport = self.send(error.code.as_str(), &[]);
        LineWriter::error_event(&mut self.replies, lamport, error);
    }

    fn send(&self, label: &str, facts: &[Fact<'_>]) -> u64 {
        self.core.send(label, facts)
    }

    fn hand_out(&mut self) {
        let State { hub, receivers, .. } = &mut *self.state;
        self.chunk
            .hand_out(hub, receivers, &self.core.history, &mut self.session.deliveries);
    }

    fn queue_replies(&mut self) {
        self.session.reply(std::mem::take(&mut self.replies));
    }

    /// Ends the turn: everything decided is queued.
    fn close(mut self) -> Progress<'b> {
        self.hand_out();
        self.queue_replies();
        if let Some(Progress::Waits(Errand::Replay { .. })) = self.progress {
            // What others cause from now on comes after the replay.
            self.session.connection.claim_queued();
        }
        self.progress.unwrap_or(Progress::Done)
    }
}

/// Saying this panics while the lock is held, so that a test can see what becomes of it.
#[cfg(test)]
pub(super) const PLANTED_PANIC: &str = "a planted panic";

/// About what a reply to `say` takes.
const REPLY_BYTES: usize = 96;
