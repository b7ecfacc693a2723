//! Telling a client what happens, at this peer or at another member: one task for each member that it follows.
//!
//! A page shows the whole group, and its browser may speak to this peer only. So this peer asks the others, as any client
//! would, and passes on what they tell; how fast, is bounded where it is told.

use std::sync::{Arc, PoisonError};

use lamport::ProcessId;
use lamport::trace::TraceEvent;
use proto::net::{Dialer, Outbox};
use proto::{LineWriter, WireError, codes};
use serde_json::value::RawValue;

use super::traces::Next;
use super::{Attached, Clients, Request};
use crate::client::{TraceSeen, TraceSince, TraceSinceError, TraceWatch, settings};
use crate::limits::{TRACE_CHUNK_EVENTS, TRACE_PACE};
use crate::members::Member;

impl Clients {
    /// Begins to tell the connection what happens at the member it asks for; returns which.
    pub(super) fn follow(
        self: &Arc<Self>,
        request: &Request<'_>,
        outbox: &Outbox,
        attached: &mut Attached,
    ) -> Result<Member, WireError> {
        let invalid = |text: String| WireError::new(codes::INVALID_FIELD, text);
        let id = request
            .member
            .as_ref()
            .map_or(self.handle.id().as_str(), |id| &id.0);
        let unknown =
            || invalid("there is no such member in this group".to_owned()).with_hint("members lists them");
        let member = self.members.find(id).ok_or_else(unknown)?;
        let since = match &request.since {
            None => TraceSince::Now,
            Some(since) => since.0.parse().map_err(|error: TraceSinceError| {
                invalid(error.to_string()).with_hint("say start, or INCARNATION/NUMBER such as 1/17")
            })?,
        };
        if attached.follows.contains(member) {
            return Err(invalid(format!("this connection follows {id} already")));
        }
        attached.follows.insert(member);
        let id = self.members.id(member).clone();
        let (clients, outbox) = (Arc::clone(self), outbox.clone());
        if id == *self.handle.id() {
            attached.tasks.spawn(clients.follow_own(since, outbox));
        } else {
            let address = self.members.address(member).to_owned();
            attached
                .tasks
                .spawn(clients.follow_member(id, address, since, outbox));
        }
        Ok(member)
    }

    /// Tells what happens here until the connection is over.
    async fn follow_own(self: Arc<Self>, since: TraceSince, outbox: Outbox) {
        let mut changed = self.traced.subscribe();
        let mut seen = self.traces().after(since);
        let mut line = Vec::new();
        self.write(
            &mut line,
            self.handle.id(),
            &TraceSeen::Attached {
                incarnation: self.incarnation,
            },
        );
        let _ = outbox.push_reply(line.into());
        while !outbox.is_closed() {
            outbox.relieved().await;
            let chunk = self.own_chunk(&mut seen);
            if chunk.is_empty() {
                if changed.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let _ = outbox.push_reply(chunk.into());
            tokio::time::sleep(TRACE_PACE).await;
        }
    }

    /// Tells what happens at another member until the connection is over.
    async fn follow_member(
        self: Arc<Self>,
        member: ProcessId,
        address: String,
        since: TraceSince,
        outbox: Outbox,
    ) {
        let mut watch = TraceWatch::new(member.clone(), Dialer::Tcp(address), settings(), since);
        while !outbox.is_closed() {
            let mut chunk = Vec::new();
            self.write(&mut chunk, &member, &watch.next().await);
            for _ in 1..TRACE_CHUNK_EVENTS {
                let Some(seen) = watch.ready() else { break };
                self.write(&mut chunk, &member, &seen);
            }
            let _ = outbox.push_reply(chunk.into());
            outbox.relieved().await;
        }
    }

    fn own_chunk(&self, seen: &mut u64) -> Vec<u8> {
        let traces = self.traces();
        let incarnation = traces.incarnation;
        let mut chunk = Vec::new();
        for _ in 0..TRACE_CHUNK_EVENTS {
            let seen = match traces.next(seen) {
                None => break,
                Some(Next::Missed(first, last)) => TraceSeen::Missed {
                    incarnation,
                    first,
                    last,
                },
                Some(Next::Event(number, event)) => TraceSeen::Event {
                    incarnation,
                    number,
                    event: event.into_owned(),
                },
            };
            self.write(&mut chunk, self.handle.id(), &seen);
        }
        chunk
    }

    fn write(&self, line: &mut Vec<u8>, member: &ProcessId, seen: &TraceSeen) {
        let event = |line, word| LineWriter::event(line, self.tick(), word).text("process", member.as_str());
        match seen {
            TraceSeen::Attached { incarnation } => event(line, "tracing")
                .text("state", "attached")
                .number("incarnation", *incarnation)
                .end(),
            TraceSeen::Lost(why) => event(line, "tracing")
                .text("state", "lost")
                .text("message", why)
                .end(),
            TraceSeen::Missed {
                incarnation,
                first,
                last,
            } => event(line, "untraced")
                .number("incarnation", *incarnation)
                .number("first", *first)
                .number("last", *last)
                .end(),
            TraceSeen::Event {
                incarnation,
                number,
                event: happened,
            } => event(line, "traced")
                .number("incarnation", *incarnation)
                .number("number", *number)
                .value("record", &record(happened))
                .end(),
        }
    }

    pub(super) fn traces(&self) -> std::sync::MutexGuard<'_, super::traces::Traces> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event as a line of a trace, without its newline.
fn record(event: &TraceEvent<'_>) -> Box<RawValue> {
    let mut line = Vec::new();
    event.write(&mut line);
    let text = String::from_utf8(line).expect("a trace is text");
    RawValue::from_string(text.trim_end().to_owned()).expect("a trace's line is JSON")
}
