//! A sort of events: what they have in common, and the last of them.

use smol_str::SmolStr;

use super::super::event::{Event, Kind, Message};
use super::super::facts::{Fact, Value};
use super::super::json::shown;
use super::super::limits::{LABEL_BYTES_MAX, NUMBERED_US};
use super::line::{Counter, Identity, Line, same};

/// Events that are told alike, and the last of them.
pub(super) struct Sort {
    pub(super) likeness: Likeness,
    lamport: Counter,
    pub(super) at_us: Counter,
    message: Identity,
    label: String,
    /// What the facts are called, apart from their values: it is only read, so all who record keep it in their caches.
    names: Vec<SmolStr>,
    facts: Vec<Known>,
    /// When the sort was last given its number.
    pub(super) numbered_us: Option<u64>,
}

/// What is the same in all events of a sort, beside the names of the facts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Likeness {
    source: u32,
    kind: Kind,
    form: Form,
    facts: usize,
}

/// What its message is called by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    None,
    Own,
    Sent,
    Request,
    Text,
}

enum Known {
    Text(String),
    Integer {
        value: i64,
        /// By how much it changed last.
        by: i64,
    },
}

impl Sort {
    pub(super) fn new(likeness: Likeness, lamport: u64, at_us: u64, event: &Event<'_>) -> Self {
        let (label, cut) = shown(event.label, LABEL_BYTES_MAX);
        Self {
            likeness,
            lamport: Counter::new(lamport),
            at_us: Counter::new(at_us),
            message: Identity::new(event.message, lamport),
            label: [label, cut].concat(),
            names: event.facts.iter().map(|(name, _)| SmolStr::new(name)).collect(),
            facts: event.facts.iter().map(|(_, value)| Known::new(value)).collect(),
            numbered_us: None,
        }
    }

    pub(super) fn has_names_of(&self, event: &Event<'_>) -> bool {
        let mut both = self.names.iter().zip(event.facts);
        both.all(|(known, (name, _))| same(known, name))
    }

    /// Whether the event changes the last one by as much as that changed the one before, whatever their labels.
    pub(super) fn goes_on_to(&self, time: u64, at_us: u64, event: &Event<'_>) -> bool {
        let value = |(known, (_, value)): (&Known, &Fact<'_>)| match (known, value) {
            (Known::Integer { value: known, by }, Value::Integer(value)) => {
                known.checked_add(*by) == Some(*value)
            }
            (Known::Text(known), Value::Text(value)) => same(known, value),
            _ => false,
        };
        let numbered = |since| at_us.saturating_sub(since) <= NUMBERED_US;
        self.lamport.goes_on_to(time)
            && self.at_us.goes_on_to(at_us)
            && self.numbered_us.is_some_and(numbered)
            && self.message.goes_on_to(event.message, time)
            && self.facts.iter().zip(event.facts).all(value)
    }

    pub(super) fn has_label(&self, label: &str) -> bool {
        same(&self.label, label)
    }

    /// Makes the event the last one, which goes on to it.
    pub(super) fn go_on_to(&mut self, time: u64, at_us: u64, event: &Event<'_>) {
        self.lamport.count = time;
        self.at_us.count = at_us;
        self.message.go_on_to(event.message, time);
        for (known, (_, value)) in self.facts.iter_mut().zip(event.facts) {
            if let (Known::Integer { value: known, .. }, Value::Integer(value)) = (known, value) {
                *known = *value;
            }
        }
    }

    /// Makes the last event the one that so many times the same change later comes.
    pub(super) fn repeat(&mut self, times: u32) {
        self.lamport.repeat(times);
        self.message.repeat(times);
        for known in &mut self.facts {
            if let Known::Integer { value, by } = known {
                *value = value.wrapping_add(by.wrapping_mul(times.into()));
            }
        }
    }

    /// Appends what is new in the event as a short line, and says whether it holds nothing but integers. Nothing if the event
    /// cannot be told so; what was appended is void then, and so is the sort.
    pub(super) fn write_change(
        &mut self,
        out: &mut Vec<u8>,
        number: u32,
        time: u64,
        at_us: u64,
        event: &Event<'_>,
    ) -> Option<bool> {
        let mut line = Line::begin(out, number);
        line.count(&mut self.lamport, time)?;
        line.count(&mut self.at_us, at_us)?;
        if self.likeness.form != Form::None {
            line.message(&mut self.message, event.message, time)?;
        }
        for (known, (_, value)) in self.facts.iter_mut().zip(event.facts) {
            match (known, value) {
                (Known::Integer { value: known, by }, Value::Integer(value)) => {
                    *by = value.checked_sub(*known)?;
                    *known = *value;
                    line.change(*by);
                }
                (Known::Text(known), Value::Text(value)) => {
                    if line.text(known, value) {
                        known.clear();
                        known.push_str(value);
                    }
                }
                _ => return None,
            }
        }
        line.label(&mut self.label, event.label);
        Some(line.end())
    }
}

impl Likeness {
    pub(super) fn of(source: u32, event: &Event<'_>) -> Self {
        Self {
            source,
            kind: event.kind,
            form: match event.message {
                Message::None => Form::None,
                Message::Own => Form::Own,
                Message::Sent { .. } => Form::Sent,
                Message::Request { .. } => Form::Request,
                Message::Text(_) => Form::Text,
            },
            facts: event.facts.len(),
        }
    }
}

impl Known {
    fn new(value: &Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.clone().into_owned()),
            Value::Integer(value) => Self::Integer { value: *value, by: 0 },
        }
    }
}
