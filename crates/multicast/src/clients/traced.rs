//! One event as it is kept for those who look on, and as a trace has it.

use lamport::ProcessId;
use lamport::trace::{self, Fact, Kind, Message, Service, TraceEvent, limits::LABEL_BYTES_MAX};

use crate::group::Delivery;
use crate::record::{self, About, Act};

/// An event, with its text beside it: no memory is asked for or given back while messages flow.
pub(super) struct Traced {
    pub(super) lamport: u64,
    pub(super) at_us: u64,
    /// None: the member starts.
    pub(super) act: Option<Act>,
    pub(super) origin: ProcessId,
    pub(super) incarnation: u64,
    pub(super) sequence: u64,
    pub(super) label: Label,
}

/// As much of a text as a trace shows, and a little more, so that it shows that it was cut.
pub(super) struct Label {
    length: u8,
    bytes: [u8; LABEL_BYTES],
}

pub(super) const LABEL_BYTES: usize = LABEL_BYTES_MAX + 4;

impl Label {
    pub(super) fn new(text: &str) -> Self {
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

impl Traced {
    /// The start of a member's life.
    pub(super) fn start(member: ProcessId, incarnation: u64, began: u64, at_us: u64) -> Self {
        Self {
            lamport: began,
            at_us,
            act: None,
            origin: member,
            incarnation,
            sequence: 0,
            label: Label::new(""),
        }
    }

    /// What was done with a message, at the Lamport time `lamport`.
    pub(super) fn of(act: Act, delivery: &Delivery, lamport: u64, at_us: u64) -> Self {
        Self {
            lamport,
            at_us,
            act: Some(act),
            origin: delivery.from.clone(),
            incarnation: delivery.incarnation,
            sequence: delivery.sequence,
            label: Label::new(delivery.text()),
        }
    }

    /// The event as the trace of the member `process`, of a group in this order, has it.
    pub(super) fn event<'t>(&'t self, process: &'t ProcessId, order: &'static str) -> TraceEvent<'t> {
        let whole = |event: &trace::Event<'_>| TraceEvent {
            process: process.as_str().into(),
            lamport: self.lamport,
            kind: event.kind,
            message: message(event, process.as_str(), self.lamport).map(Into::into),
            label: event.label.to_owned().into(),
            at_us: self.at_us,
            service: Service::Multicast,
            facts: owned(event.facts),
        };
        let Some(act) = self.act else {
            return record::start(order, whole);
        };
        let about = About {
            origin: self.origin.as_str(),
            incarnation: self.incarnation,
            sequence: self.sequence,
        };
        act.record(about, self.label.text(), whole)
    }
}

fn message(event: &trace::Event<'_>, process: &str, lamport: u64) -> Option<String> {
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

fn owned(facts: &[Fact<'_>]) -> Vec<Fact<'static>> {
    facts
        .iter()
        .map(|(key, value)| (key.clone().into_owned().into(), value.clone().into_owned()))
        .collect()
}
