//! What the engine does of what the core wants done: lines for the links, events for the application.

use bytes::Bytes;
use proto::net::Pushed;
use proto::{LineWriter, WireError};

use super::Engine;
use super::store::Due;
use crate::core::frame::{Frame, Message, MessageId, StreamId};
use crate::core::{Order, Output};
use crate::driver::refusal;
use crate::group::{Delivery, Event, Sent};
use crate::members::{Member, MemberSet};
use crate::record::Act;

/// Room kept for lines that are not yet given to the links, in bytes.
const LINES_KEPT: usize = 64 * 1024;

/// Room kept for what the core wants done of one input. What a message releases that others waited for may be far more.
const OUTPUTS_KEPT: usize = 1024;

impl Engine {
    /// Does what the core wants done, in its order, or holds it until it is stored. It is `at` on the wall clock.
    pub(super) fn act(&mut self, at: u64) {
        let mut outputs = std::mem::take(&mut self.outputs);
        if let Some(store) = &mut self.store {
            for output in outputs.drain(..) {
                store.hold(Due::Output { output, at });
            }
        } else {
            for output in outputs.drain(..) {
                self.do_one(output, at);
            }
        }
        if outputs.capacity() <= OUTPUTS_KEPT {
            self.outputs = outputs;
        }
    }

    /// Tells that the application's message was broadcast, or holds it until it is stored.
    pub(super) fn act_sent(&mut self, sent: Sent, data: Bytes, at: u64) {
        match &mut self.store {
            Some(store) => store.hold(Due::Sent { sent, data, at }),
            None => self.tell_sent(sent, data, at),
        }
    }

    pub(super) fn tell_sent(&mut self, sent: Sent, data: Bytes, at: u64) {
        let stream = StreamId {
            origin: self.peer.me(),
            incarnation: sent.incarnation,
        };
        let id = MessageId {
            stream,
            sequence: sent.sequence,
        };
        // In total order the own delivery is an event of its own.
        let delivered = self.order != Order::Total;
        self.recorder.broadcast(id, sent.stamp, &data, delivered);
        if self.tell_sends {
            self.events.push(Event::Sent(Delivery {
                number: 0,
                from: self.members.id(stream.origin).clone(),
                incarnation: sent.incarnation,
                sequence: sent.sequence,
                data,
                stamp: sent.stamp,
                received: sent.stamp,
                at,
                own: true,
                later: false,
            }));
        }
    }

    pub(super) fn do_one(&mut self, output: Output, at: u64) {
        match output {
            Output::Send(to, frame) => self.queue(to, &frame),
            Output::Deliver { message, time, later } => self.deliver(message, time, later, at),
            Output::Missed {
                stream,
                from,
                to,
                time,
            } => {
                self.recorder.missed(time, stream, from, to);
                self.number += 1;
                let origin = self.members.id(stream.origin).clone();
                tracing::warn!(%origin, from, to, "messages are out of reach: nobody keeps them any more");
                let incarnation = stream.incarnation;
                self.events.push(Event::Missed {
                    number: self.number,
                    from: origin,
                    incarnation,
                    first: from,
                    last: to,
                    time: Some(time),
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
                self.waits_for = members;
                let ids = self.ids(members);
                if ids.is_empty() {
                    tracing::info!("total order goes on");
                } else {
                    tracing::warn!(members = ?ids, "total order waits for members that are away");
                }
                self.events.push(Event::Waiting(ids));
            }
            Output::Keep { .. } => {}
            Output::Refused(refusal) => {
                let told = refusal::told(&refusal, &self.members);
                tracing::warn!(code = %told.code, "refused: {}; hint: {}", told.message, told.hint.as_deref().unwrap_or("none"));
                self.events.push(Event::Refused(told.message.into_owned()));
            }
        }
    }

    /// Answers what a member sent with a refusal: once for each kind in a row, because it sends again what is not acknowledged.
    pub(super) fn refuse(&mut self, member: Member, told: &WireError) {
        let Some(link) = &mut self.links[member.index()] else {
            return;
        };
        if link.refused == Some(told.code) {
            return;
        }
        link.refused = Some(told.code);
        let mut line = Vec::new();
        // Below the clock, like everything but messages.
        LineWriter::upkeep_error(&mut line, told);
        let _ = link.outbox.push_reply(line.into());
        let id = self.members.id(member);
        tracing::warn!(member = %id, code = %told.code, "refused what a member sent: {}; hint: {}", told.message, told.hint.as_deref().unwrap_or("none"));
        self.events.push(Event::Refused(told.message.to_string()));
    }

    /// Gives the links the lines written so far.
    pub(super) fn push_lines(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let room = Vec::with_capacity(self.lines.len().min(LINES_KEPT));
        let chunk = Bytes::from(std::mem::replace(&mut self.lines, room));
        for member in self.lines_to.iter() {
            if let Some(link) = &self.links[member.index()] {
                match link.outbox.defer(chunk.clone()) {
                    Pushed::Queued | Pushed::Pressing => self.written.insert(member),
                    // The link's task notices both, and the link begins anew.
                    Pushed::Full | Pushed::Closed => {}
                }
            }
        }
    }

    fn deliver(&mut self, message: Message, time: u64, later: bool, at: u64) {
        self.delivered += 1;
        self.number += 1;
        let stream = message.id.stream;
        let own = stream.origin == self.peer.me();
        // An own message that did not wait was delivered with its broadcast.
        if !own || later {
            let act = match later {
                true => Act::DeliverLater,
                false => Act::Deliver { stamp: message.stamp },
            };
            self.recorder.deliver(act, message.id, time);
        }
        self.events.push(Event::Delivered(Delivery {
            number: self.number,
            from: self.members.id(stream.origin).clone(),
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
            self.frame_counts.payload_sent += sent;
        } else {
            self.frame_counts.control_sent += sent;
        }
        self.writer.write(&mut self.lines, frame, &self.members);
    }
}
