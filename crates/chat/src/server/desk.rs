//! One connection's turn with the lock: what each output of the hub leads to, in the hub's order.
//!
//! Every send ticks the clock once, in this order. Events of one room are gathered in one chunk until something else has
//! to go to the same receivers; replies are gathered until the end of the turn.

use std::time::{SystemTime, UNIX_EPOCH};

use lamport::trace::{Event as TraceEvent, Fact, Message, facts};
use proto::{Harmless, LineWriter, Refusal, WireError};

use super::core::{Core, Progress, State};
use super::fanout::{Chunk, Numbered};
use super::request::{Errand, Line, Received, Replay};
use super::session::Session;
use crate::codes::RECEIVER_BEHIND;
use crate::events::{write_reply, write_told};
use crate::hub::{ConnectionId, Input, Output, Reply};

/// One connection's turn with the lock.
pub(super) struct Desk<'l, 'b> {
    core: &'l Core,
    state: &'l mut State,
    pub(super) session: &'l mut Session,
    now_ns: u64,
    at_ms: u64,
    /// Replies to this connection that are not queued yet.
    pub(super) replies: Vec<u8>,
    chunk: Chunk,
    outputs: Vec<Output<'b>>,
    /// Set when this turn is over.
    pub(super) progress: Option<Progress<'b>>,
    /// The receiver of a private text could not take it: the reply says so.
    behind: bool,
}

impl<'l, 'b> Desk<'l, 'b> {
    pub(super) fn new(
        core: &'l Core,
        state: &'l mut State,
        session: &'l mut Session,
        lines: &[Line<'b>],
    ) -> Self {
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

    /// Takes a line; its stamp is believed within `horizon`.
    pub(super) fn take(&mut self, line: Line<'b>, horizon: u64) {
        match line {
            Line::Refused(refusal) => self.refuse_line(refusal, horizon),
            Line::Request(Received { id, lamport, op }) => {
                #[cfg(test)]
                if let crate::ops::Op::Say { text, .. } = &op {
                    assert_ne!(&**text, PLANTED_PANIC, "as the test wants it");
                }
                if let Err(error) = self.receive(op.name(), lamport, horizon) {
                    return self.refuse(id, &error);
                }
                let connection = self.session.id;
                self.step(Input::Request { connection, id, op });
            }
        }
    }

    /// A request arrives: its stamp moves the clock.
    fn receive(&mut self, label: &str, lamport: u64, horizon: u64) -> Result<(), WireError> {
        self.session.requests += 1;
        let time = self.core.clock.receive_within(lamport, horizon)?;
        let message = Message::Request {
            connection: self.session.connection.id(),
            number: self.session.requests,
        };
        self.state
            .tracer
            .record(time, &TraceEvent::receive(label, message, &[]));
        Ok(())
    }

    pub(super) fn step(&mut self, input: Input<'b>) {
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
                let lamport = self.send(event.name(), &facts);
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
                let replay = Replay { room, after, through };
                self.progress = Some(Progress::Waits(Errand::Replay(replay)));
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

    pub(super) fn refuse(&mut self, id: u64, error: &WireError) {
        let lamport = self.send(error.code.as_str(), &[]);
        LineWriter::error_reply(&mut self.replies, lamport, id, error);
    }

    /// Answers a line that is no request of ours.
    fn refuse_line(&mut self, mut refusal: Refusal, horizon: u64) {
        if let Some(lamport) = refusal.lamport
            && let Err(error) = self.receive("refused", lamport, horizon)
            // That a request has no id is told first.
            && refusal.id.is_some()
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

    pub(super) fn tell_end(&mut self, error: &WireError) {
        let lamport = self.send(error.code.as_str(), &[]);
        LineWriter::error_event(&mut self.replies, lamport, error);
    }

    pub(super) fn send(&mut self, label: &str, facts: &[Fact<'_>]) -> u64 {
        self.state.send(&self.core.clock, label, facts)
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
    pub(super) fn close(mut self) -> Progress<'b> {
        self.hand_out();
        self.queue_replies();
        if let Some(Progress::Waits(Errand::Replay(_))) = self.progress {
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
