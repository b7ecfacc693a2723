//! Writing: which events are alike, and what is new in the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::event::{Event, Kind, Message};
use super::super::facts::Value;
use super::super::json::{Frame, shown};
use super::super::limits::{LABEL_BYTES_MAX, NUMBERED_US, NUMBERS_MAX, SORTS_MAX, TOGETHER_US};
use smol_str::SmolStr;

use super::line::{Identity, Line, same};

/// Writes events as lines, short ones where it can.
pub(in crate::trace) struct Shortener {
    numbers: Numbers,
    /// The number of the first sort, once one was needed; none if there were none left.
    first: Option<Option<u32>>,
    sorts: Vec<Sort>,
    /// The place of the sort that gives way next.
    oldest: usize,
}

/// The numbers of a file that nobody took yet.
#[derive(Clone, Default)]
pub(in crate::trace) struct Numbers(Arc<AtomicU32>);

/// Where events come from.
pub(in crate::trace) struct Context {
    /// Tells the processes of one recorder apart.
    pub(in crate::trace) source: u32,
    /// What the lines of the process have in common.
    pub(in crate::trace) frame: Frame,
}

/// Events that are told alike, and the last of them.
struct Sort {
    likeness: Likeness,
    lamport: u64,
    at_us: u64,
    message: Identity,
    label: String,
    /// What the facts are called, apart from their values: it is only read, so all who record keep it in their caches.
    names: Vec<SmolStr>,
    facts: Vec<Known>,
    /// When the sort was last given its number.
    numbered_us: Option<u64>,
}

/// What is the same in all events of a sort, beside the names of the facts.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Likeness {
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
    Text(SmolStr),
    Integer(i64),
}

impl Shortener {
    /// One that takes what numbers it needs from those of its file.
    pub(in crate::trace) const fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            first: None,
            sorts: Vec::new(),
            oldest: 0,
        }
    }

    /// Forgets what was written, because it will not be read.
    pub(in crate::trace) fn forget(&mut self) {
        self.sorts.clear();
    }

    /// Appends the event as a line with its newline.
    pub(in crate::trace) fn write(
        &mut self,
        out: &mut Vec<u8>,
        from: &Context,
        time: u64,
        at_us: u64,
        event: &Event<'_>,
    ) {
        let likeness = Likeness::of(from.source, event);
        let place = self
            .sorts
            .iter()
            .position(|sort| sort.likeness == likeness && sort.has_names_of(event));
        let Some(place) = place else {
            self.add(Sort::new(likeness, time, at_us, event));
            return from.frame.write(out, None, time, at_us, event);
        };
        let sort = &mut self.sorts[place];
        let together = at_us.saturating_sub(sort.at_us) <= TOGETHER_US;
        let number = match together {
            true => self
                .first
                .get_or_insert_with(|| self.numbers.take())
                .map(|first| first + place as u32),
            false => None,
        };
        if let (Some(number), Some(since)) = (number, sort.numbered_us)
            && at_us.saturating_sub(since) <= NUMBERED_US
        {
            let start = out.len();
            if sort.write_change(out, number, time, at_us, event).is_some() {
                return;
            }
            out.truncate(start);
        }
        *sort = Sort::new(likeness, time, at_us, event);
        sort.numbered_us = number.map(|_| at_us);
        from.frame.write(out, number, time, at_us, event);
    }

    fn add(&mut self, sort: Sort) {
        if self.sorts.len() < SORTS_MAX {
            self.sorts.push(sort);
        } else {
            self.sorts[self.oldest] = sort;
            self.oldest = (self.oldest + 1) % SORTS_MAX;
        }
    }
}

impl Numbers {
    /// The first of [`SORTS_MAX`] numbers that nobody else gives.
    fn take(&self) -> Option<u32> {
        let taken = SORTS_MAX as u32;
        let in_bounds = |first: u32| {
            first
                .checked_add(taken)
                .filter(|end| *end as usize <= NUMBERS_MAX)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, in_bounds)
            .ok()
    }
}

impl Sort {
    fn new(likeness: Likeness, lamport: u64, at_us: u64, event: &Event<'_>) -> Self {
        let (label, cut) = shown(event.label, LABEL_BYTES_MAX);
        Self {
            likeness,
            lamport,
            at_us,
            message: Identity::new(event.message, lamport),
            label: [label, cut].concat(),
            names: event.facts.iter().map(|(name, _)| SmolStr::new(name)).collect(),
            facts: event.facts.iter().map(|(_, value)| Known::new(value)).collect(),
            numbered_us: None,
        }
    }

    fn has_names_of(&self, event: &Event<'_>) -> bool {
        let mut both = self.names.iter().zip(event.facts);
        both.all(|(known, (name, _))| same(known, name))
    }

    /// Appends what is new in the event as a short line. Nothing if it cannot be told so; what was appended is void
    /// then, and so is the sort.
    fn write_change(
        &mut self,
        out: &mut Vec<u8>,
        number: u32,
        time: u64,
        at_us: u64,
        event: &Event<'_>,
    ) -> Option<()> {
        let mut line = Line::begin(out, number);
        line.count(&mut self.lamport, time)?;
        line.count(&mut self.at_us, at_us)?;
        if self.likeness.form != Form::None {
            line.message(&mut self.message, event.message, time)?;
        }
        for (known, (_, value)) in self.facts.iter_mut().zip(event.facts) {
            match (known, value) {
                (Known::Integer(known), Value::Integer(value)) => {
                    line.change(value.checked_sub(*known)?);
                    *known = *value;
                }
                (Known::Text(known), Value::Text(value)) => {
                    if line.text(known, value) {
                        *known = SmolStr::new(value);
                    }
                }
                _ => return None,
            }
        }
        line.label(&mut self.label, event.label);
        line.end();
        Some(())
    }
}

impl Likeness {
    fn of(source: u32, event: &Event<'_>) -> Self {
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
            Value::Text(text) => Self::Text(SmolStr::new(text)),
            Value::Integer(integer) => Self::Integer(*integer),
        }
    }
}
