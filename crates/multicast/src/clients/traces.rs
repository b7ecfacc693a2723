//! The latest events of this peer, for those who look on: what its trace file would hold, in little memory and for little time.
//!
//! An event is kept as it happened and encoded only when somebody asks for it. Whoever falls out of what is kept is told
//! how much it missed.

use std::collections::VecDeque;
use std::fmt;

use lamport::ProcessId;
use lamport::trace::{Kind, Message, Service, TraceEvent, limits::LABEL_BYTES_MAX};

use crate::client::TraceSince;
use crate::group::{Delivery, Event};
use crate::limits::{TRACE_BEHIND_MAX, TRACED_EVENTS_MAX};
use crate::record::{self, About, Act};

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

/// An event, with its text beside it: no memory is asked for or given back while messages flow.
struct Traced {
    lamport: u64,
    at_us: u64,
    /// None: the member starts.
    act: Option<Act>,
    origin: ProcessId,
    incarnation: u64,
    sequence: u64,
    label: Label,
}

/// As much of a text as a trace shows, and a little more, so that it shows that it was cut.
struct Label {
    length: u8,
    bytes: [u8; LABEL_BYTES],
}

const LABEL_BYTES: usize = LABEL_BYTES_MAX + 4;

impl Label {
    fn new(text: &str) -> Self {
        let length = text.floor_char_boundary(LABEL_BYTES);
        let mut bytes = [0; LABEL_BYTES];
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self {
            length: length as u8,
            bytes,
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("it was cut between characters")
    }
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
        let start = Traced {
            lamport: began,
            at_us,
            act: None,
            origin: process.clone(),
            incarnation,
            sequence: 0,
            label: Label::new(""),
        };
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
                Event::Delivered(own) if own.own && !own.later && self.order != TOTAL => {
                    // With its sending, which is told already where sends are told.
                    if own.incarnation == self.incarnation && own.sequence > self.sent {
                        self.broadcast(own, at_us);
                    }
                }
                // A durable member tells again what its application may not have taken: no event of this life.
                Event::Delivered(delivery) if delivery.received <= self.began => {}
                Event::Delivered(delivery) => {
                    let act = if delivery.later || delivery.own {
                        Act::DeliverLater
                    } else {
                        Act::Deliver {
                            stamp: delivery.stamp,
                        }
                    };
                    self.push(traced(act, delivery, delivery.received, at_us));
                }
                Event::Missed {
                    number: _,
                    from,
                    incarnation,
                    first,
                    last,
                } => {
                    let lamport = self.events.back().map_or(0, |event| event.lamport);
                    self.push(Traced {
                        lamport,
                        at_us,
                        act: Some(Act::Miss { through: *last }),
                        origin: from.clone(),
                        incarnation: *incarnation,
                        sequence: *first,
                        label: Label::new(""),
                    });
                }
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
        Some(Next::Event(*seen, self.event(event)))
    }

    fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    fn broadcast(&mut self, sent: &Delivery, at_us: u64) {
        self.sent = sent.sequence;
        let delivered = self.order != TOTAL;
        self.push(traced(Act::Broadcast { delivered }, sent, sent.stamp, at_us));
    }

    fn push(&mut self, event: Traced) {
        if self.events.len() >= TRACED_EVENTS_MAX {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }

    fn event<'t>(&'t self, traced: &'t Traced) -> TraceEvent<'t> {
        let whole = |event: &lamport::trace::Event<'_>| TraceEvent {
            process: self.process.as_str().into(),
            lamport: traced.lamport,
            kind: event.kind,
            message: message(event, self.process.as_str(), traced.lamport).map(Into::into),
            label: event.label.to_owned().into(),
            at_us: traced.at_us,
            service: Service::Multicast,
            facts: owned(event.facts),
        };
        let Some(act) = traced.act else {
            return record::start(self.order, whole);
        };
        let about = About {
            origin: traced.origin.as_str(),
            incarnation: traced.incarnation,
            sequence: traced.sequence,
        };
        act.record(about, traced.label.text(), whole)
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

fn traced(act: Act, delivery: &Delivery, lamport: u64, at_us: u64) -> Traced {
    Traced {
        lamport,
        at_us,
        act: Some(act),
        origin: delivery.from.clone(),
        incarnation: delivery.incarnation,
        sequence: delivery.sequence,
        label: Label::new(delivery.text()),
    }
}

fn message(event: &lamport::trace::Event<'_>, process: &str, lamport: u64) -> Option<String> {
    match event.message {
        Message::Own => Some(format!("{process}@{lamport}")),
        Message::Sent { process, time } => Some(format!("{process}@{time}")),
        _ => {
            debug_assert_eq!(
                event.kind,
                Kind::Local,
                "a member's messages have those two names"
            );
            None
        }
    }
}

fn owned(facts: &[lamport::trace::Fact<'_>]) -> Vec<lamport::trace::Fact<'static>> {
    facts
        .iter()
        .map(|(key, value)| (key.clone().into_owned().into(), value.clone().into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(from: &str, sequence: u64, stamp: u64, received: u64) -> Delivery {
        Delivery {
            number: 1,
            from: from.parse().unwrap(),
            incarnation: 1,
            sequence,
            data: format!("text {sequence}").into_bytes().into(),
            stamp,
            received,
            at: 0,
            own: from == "P1",
            later: false,
        }
    }

    fn traces() -> Traces {
        Traces::new("P1".parse().unwrap(), 1, "causal", 0, 0)
    }

    fn told(traces: &Traces, seen: &mut u64) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(next) = traces.next(seen) {
            told.push(match next {
                Next::Event(number, event) => {
                    format!(
                        "{number} {} {} {}",
                        event.kind.as_str(),
                        event.lamport,
                        event.label
                    )
                }
                Next::Missed(first, last) => format!("missed {first}-{last}"),
            });
        }
        told
    }

    #[test]
    fn sends_and_deliveries_are_events_once() {
        let mut traces = traces();
        let own = delivery("P1", 1, 1, 1);
        let events = [
            Event::Sent(own.clone()),
            Event::Delivered(own),
            Event::Delivered(delivery("P2", 1, 2, 3)),
            Event::Delivered(Delivery {
                later: true,
                ..delivery("P3", 1, 2, 4)
            }),
        ];
        traces.take(&events, 7);
        let mut seen = traces.after(TraceSince::Start);
        assert_eq!(
            told(&traces, &mut seen),
            [
                "1 local 0 start",
                "2 send 1 text 1",
                "3 receive 3 text 1",
                "4 local 4 text 1"
            ]
        );
        assert!(told(&traces, &mut seen).is_empty());
    }

    #[test]
    fn a_peer_that_does_not_tell_its_sends_tells_them_with_their_delivery() {
        let mut traces = traces();
        traces.take(&[Event::Delivered(delivery("P1", 1, 1, 1))], 7);
        let mut seen = traces.after(TraceSince::Event {
            incarnation: 1,
            number: 1,
        });
        assert_eq!(told(&traces, &mut seen), ["2 send 1 text 1"]);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut traces = traces();
        let long = Delivery {
            data: "é".repeat(LABEL_BYTES).into_bytes().into(),
            ..delivery("P2", 1, 1, 2)
        };
        traces.take(&[Event::Delivered(long)], 7);
        let Some(Next::Event(_, event)) = traces.next(&mut 1) else {
            panic!("one event was told")
        };
        assert_eq!(event.label, "é".repeat(LABEL_BYTES / 2));
    }

    #[test]
    fn what_a_former_life_delivered_is_no_event_of_this_one() {
        let mut traces = Traces::new("P1".parse().unwrap(), 2, "causal", 10, 0);
        let old = delivery("P2", 1, 9, 10);
        let own = delivery("P1", 3, 8, 8);
        let new = delivery("P2", 2, 11, 12);
        traces.take(&[old, own, new].map(Event::Delivered), 7);
        let mut seen = 0;
        assert_eq!(
            told(&traces, &mut seen),
            ["1 local 10 start", "2 receive 12 text 2"]
        );
    }

    #[test]
    fn in_total_order_the_own_delivery_is_an_event_of_its_own() {
        let mut traces = Traces::new("P1".parse().unwrap(), 1, TOTAL, 0, 0);
        let own = delivery("P1", 1, 1, 1);
        traces.take(&[Event::Sent(own.clone()), Event::Delivered(own)], 7);
        let mut seen = 1;
        assert_eq!(told(&traces, &mut seen), ["2 send 1 text 1", "3 local 1 text 1"]);
    }

    #[test]
    fn what_is_no_longer_kept_or_comes_too_fast_is_missed_and_told() {
        let mut traces = traces();
        let mut slow = traces.after(TraceSince::Start);
        let count = TRACED_EVENTS_MAX as u64 + 10;
        for sequence in 1..=count {
            traces.take(
                &[Event::Delivered(delivery("P2", sequence, sequence, sequence + 1))],
                7,
            );
        }
        let last = count + 1;
        let told = told(&traces, &mut slow);
        assert_eq!(told[0], format!("missed 1-{}", last - TRACE_BEHIND_MAX / 2));
        assert_eq!(told.len() as u64, 1 + TRACE_BEHIND_MAX / 2);
        assert_eq!(slow, last);
        assert_eq!(traces.events.len(), TRACED_EVENTS_MAX);
    }

    #[test]
    fn another_life_begins_at_its_beginning() {
        let traces = traces();
        let check = |since, expected| assert_eq!(traces.after(since), expected, "{since:?}");
        let at = |incarnation, number| TraceSince::Event { incarnation, number };
        check(TraceSince::Now, 1);
        check(at(1, 1), 1);
        check(at(1, 99), 1);
        check(at(9, 99), 0);
    }
}
