//! The hub, the clock and the receivers under one lock, and what happens while it is held.
//!
//! A connection's task parses what it received before it takes the lock, and holds it for a whole batch of lines. The
//! order in which batches get the lock is the order of everything: numbers, stamps, the lines in each outbox, the
//! history and the trace. Under the lock nothing is awaited; an operation that has to wait for something (a password,
//! stored history, numbers that are not reserved yet) stops the batch, and the task goes on with the rest of it
//! later, so that replies keep the order of the requests. What is done for each output of the hub is in `desk`.
//!
//! Lock order: this one first, then the history's, the tracer's or an outbox's; never two of the latter.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lamport::trace::{BatchTracer, Event as TraceEvent, Fact, Tracer};
use lamport::{LEAP_MAX_DEFAULT, TIME_MAX, after_receive_within};
use proto::net::{Outbox, ServerClock};
use proto::{Harmless, WireError, codes};

use super::RunError;
use super::desk::Desk;
use super::fanout::{Receiver, Receivers};
use super::request::{Errand, Line};
use super::session::Session;
use crate::events::{write_history, write_lagged};
use crate::history::History;
use crate::hub::{ConnectionId, Entering, Hub, Input, Reason, Stake};
use crate::limits::{CLOCK_MARGIN, ROOMS_PER_MEMBER_MAX};

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Core {
    state: Mutex<State>,
    pub(super) history: History,
    pub(super) clock: ServerClock,
    tracer: Tracer,
    started: Instant,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) hub: Hub,
    pub(super) receivers: Receivers,
    pub(super) tracer: BatchTracer,
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
    pub(super) fn new(hub: Hub, history: History, clock: ServerClock, tracer: Tracer) -> Self {
        let state = State {
            hub,
            receivers: Receivers::default(),
            tracer: tracer.batched(),
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
        self.with_state(|state| {
            state.connections += 1;
            let connection = ConnectionId(state.connections);
            let input = Input::Opened { connection };
            state.hub.step(self.now_ns(), input, &mut Vec::new());
            state.receivers.insert(connection, receiver);
            connection
        })
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
            let horizon = self.clock.horizon();
            let stamp_max = believed(self.clock.now(), times, horizon, stamps);
            if let Some(needed) =
                self.missing_numbers(state, session.id, &entering, numbers, times, stamp_max)
            {
                return Progress::Needs(needed);
            }
            let mut desk = Desk::new(self, state, session, lines.as_slice());
            while desk.progress.is_none()
                && let Some(line) = lines.next()
            {
                desk.take(line, horizon);
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
        let mut line = Vec::new();
        let lamport = self.with_state(|state| state.send(&self.clock, "lagged", &[]));
        write_lagged(&mut line, lamport, room, missed);
        line
    }

    /// The connection has drained after its outbox was full: it is told what it missed, and receives again.
    pub(super) fn drained(&self, session: &mut Session) {
        self.decide(session, |state, session| {
            let mut lines = Vec::new();
            for (room, missed) in state.receivers.take_missed(session.id) {
                tracing::warn!(room = %Harmless(&room), missed, "the connection lagged");
                let lamport = state.send(&self.clock, "lagged", &[]);
                write_lagged(&mut lines, lamport, &room, missed);
            }
            session.reply(lines);
        });
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
        let result = self.with_state(|state| work(state, session));
        session.deliveries.deliver();
        result
    }

    /// The one way to the state: what is recorded on it is handed to the tracer as one batch before others get the lock.
    fn with_state<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        // A panic while the lock was held may have left a message half handed out, to one room at worst; the others and
        // everything that follows are not worse for it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut state);
        state.tracer.end_batch();
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
            tracing::debug!(room = %Harmless(&room), "forgotten");
            metrics::counter!("chat_rooms_forgotten_total").increment(1);
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

    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The latest of the `stamps` that a clock at `now`, which uses up to `times` meanwhile, may believe within `horizon`.
/// For one that it refuses no time is reserved: a later life would go on there.
fn believed(now: u64, times: u64, horizon: u64, stamps: impl Iterator<Item = u64>) -> u64 {
    stamps.fold(now, |latest, stamp| {
        match after_receive_within(latest.saturating_add(times), stamp, LEAP_MAX_DEFAULT, horizon) {
            Ok(_) => latest.max(stamp),
            Err(_) => latest,
        }
    })
}

impl State {
    /// One event of sending: its time, recorded.
    pub(super) fn send(&mut self, clock: &ServerClock, label: &str, facts: &[Fact<'_>]) -> u64 {
        // A clock at its end stays there: messages still arrive, only their stamps no longer tell them apart.
        let lamport = clock.tick().unwrap_or(TIME_MAX);
        self.tracer.record(lamport, &TraceEvent::send(label, facts));
        lamport
    }
}
