//! The latest events of this peer, for those who look on: what its trace file would hold, in little memory and for little time.
//!
//! An event is kept as it happened and encoded only when somebody asks for it. Whoever falls out of what is kept is told
//! how much it missed.

use std::collections::VecDeque;
use std::fmt;

use lamport::ProcessId;
use lamport::trace::TraceEvent;

use super::traced::{Label, Traced};
use crate::client::TraceSince;
use crate::group::{Delivery, Event};
use crate::limits::{TRACE_BEHIND_MAX, TRACED_EVENTS_MAX};
use crate::record::Act;

/// The order in which a member's own messages wait for their turn too.
const TOTAL: &str = "total";

/// The latest events of one life of a peer.
pub(super) struct Traces {
    process: ProcessId,
    pub(super) incarnation: u64,
    order: &'static str,
    /// The Lamport time with which this life began.
    began: u64,
    /// The number of `events[0]`; the first event of a life has 1.
    first: u64,
    events: VecDeque<Traced>,
    /// The largest sequence of its own that was told as sent.
    sent: u64,
}

/// What comes next for one who looks on.
pub(super) enum Next<'t> {
    /// The event of that number.
    Event(u64, TraceEvent<'t>),
    /// The numbers from the first to the last are given up.
    Missed(u64, u64),
}

impl Traces {
    /// The traces of a life that begins at the Lamport time `began` and at `at_us`, microseconds since the Unix epoch.
    pub(super) fn new(
        process: ProcessId,
        incarnation: u64,
        order: &'static str,
        began: u64,
        at_us: u64,
    ) -> Self {
        let start = Traced::start(process.clone(), incarnation, began, at_us);
        Self {
            process,
            incarnation,
            order,
            began,
            first: 1,
            events: VecDeque::from([start]),
            sent: 0,
        }
    }

    /// Takes what the group told.
    pub(super) fn take(&mut self, events: &[Event], at_us: u64) {
        for event in events {
            match event {
                Event::Sent(sent) => self.broadcast(sent, at_us),
                Event::Delivered(own) if own.own && !own.later => {
                    // With its sending, which is told already where sends are told.
                    if own.incarnation == self.incarnation && own.sequence > self.sent {
                        self.broadcast(own, at_us);
                    }
                }
                // A durable member tells again what its application may not have taken: no event of this life.
                Event::Delivered(delivery) if delivery.received <= self.began => {}
                Event::Delivered(delivery) => {
                    let act = if delivery.later {
                        Act::DeliverLater
                    } else {
                        Act::Deliver {
                            stamp: delivery.stamp,
                        }
                    };
                    self.push(Traced::of(act, delivery, delivery.received, at_us));
                }
                Event::Missed {
                    number: _,
                    from,
                    incarnation,
                    first,
                    last,
                    time: Some(time),
                } => {
                    self.push(Traced {
                        lamport: *time,
                        at_us,
                        act: Some(Act::Miss { through: *last }),
                        origin: from.clone(),
                        incarnation: *incarnation,
                        sequence: *first,
                        label: Label::new(""),
                    });
                }
                // Nor this: see above.
                Event::Missed { time: None, .. } => {}
                Event::Suspected(_) | Event::Trusted(_) | Event::Waiting(_) | Event::Refused(_) => {}
            }
        }
    }

    /// The number after which one begins who asks so.
    pub(super) fn after(&self, since: TraceSince) -> u64 {
        match since {
            TraceSince::Now => self.last(),
            TraceSince::Event { incarnation, number } if incarnation == self.incarnation => {
                number.min(self.last())
            }
            // Of a former life nothing is known here: this one is told from its beginning, as far as it is kept.
            TraceSince::Start | TraceSince::Event { .. } => self.first - 1,
        }
    }

    /// What comes after the number `seen`, which moves on; nothing if that is all there is.
    pub(super) fn next(&self, seen: &mut u64) -> Option<Next<'_>> {
        let behind = self.last() - *seen;
        let kept = *seen + 1 >= self.first;
        if !kept || behind > TRACE_BEHIND_MAX {
            let first = *seen + 1;
            *seen = (self.first - 1).max(self.last() - TRACE_BEHIND_MAX.min(behind) / 2);
            return Some(Next::Missed(first, *seen));
        }
        let event = self.events.get((*seen + 1 - self.first) as usize)?;
        *seen += 1;
        Some(Next::Event(*seen, event.event(&self.process, self.order)))
    }

    fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    fn broadcast(&mut self, sent: &Delivery, at_us: u64) {
        self.sent = sent.sequence;
        let delivered = self.order != TOTAL;
        self.push(Traced::of(Act::Broadcast { delivered }, sent, sent.stamp, at_us));
    }

    fn push(&mut self, event: Traced) {
        if self.events.len() >= TRACED_EVENTS_MAX {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces")
            .field("process", &self.process)
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
