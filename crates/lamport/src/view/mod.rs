//! Seeing a run: space-time diagrams as SVG and as text, the table of events, vector clocks, the log that ShiViz reads,
//! figures.
//!
//! [`Run`] holds the part of a run that a person looks at, read from any number of traces; the modules draw it. All of
//! it is pure: the same run gives the same picture, byte for byte.
//!
//! ```
//! use lamport::check::Merge;
//! use lamport::view::{Filter, Run, Style, svg, text};
//!
//! let trace = br#"{"process":"P1","lamport":1,"kind":"send","message":"P1@1","label":"hello"}
//! {"process":"P2","lamport":2,"kind":"receive","message":"P1@1","label":"hello"}
//! "#;
//! let mut merge = Merge::new();
//! merge.add("run", &trace[..])?;
//! let run = Run::read(&mut merge, &Filter::default())?;
//! assert!(svg(&run, &Style::default()).starts_with("<svg"));
//! assert!(text(&run, 80).contains("├─"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod causality;
mod layout;
mod shiviz;
mod stats;
mod svg;
mod table;
mod text;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::convert::Infallible;

use crate::check::{Merge, MergeError};
use crate::process;
use crate::trace::facts::{ACT, INCARNATION, ORIGIN, SEQUENCE};
use crate::trace::{Kind, Record, TraceEvent};

pub use causality::{VectorClock, vector_clocks};
pub use shiviz::{SHIVIZ_PATTERN, shiviz};
pub use stats::{Latency, ProcessStats, Stats};
pub use svg::svg;
pub use table::{Cell, Row, Table};
pub use text::text;

/// Events that a view holds at most, unless asked otherwise: beyond some ten thousand nobody finds anything.
pub const EVENTS_MAX: usize = 20_000;

/// Which part of a run to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only these processes; a name that ends in `*` stands for all that begin so. Empty: all.
    pub processes: Vec<String>,
    /// Only events at this Lamport time or later.
    pub from: u64,
    /// Only events at this Lamport time or earlier.
    pub to: u64,
    /// At most so many events, the earliest.
    pub events_max: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            processes: Vec::new(),
            from: 0,
            to: u64::MAX,
            events_max: EVENTS_MAX,
        }
    }
}

impl Filter {
    fn shows(&self, event: &TraceEvent<'_>) -> bool {
        let named = |wanted: &String| match wanted.strip_suffix('*') {
            Some(beginning) => event.process.starts_with(beginning),
            None => event.process == **wanted,
        };
        (self.from..=self.to).contains(&event.lamport)
            && (self.processes.is_empty() || self.processes.iter().any(named))
    }
}

/// How a diagram is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Style {
    /// What the way down measures.
    pub axis: Axis,
    /// The colours.
    pub theme: Theme,
    /// Whether neighbouring events of one kind become one.
    pub fold: Fold,
    /// A line above the picture.
    pub title: String,
}

/// What the time axis of a diagram shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Axis {
    /// Lamport time: a row for each time that occurs.
    #[default]
    Logical,
    /// Wall time, with long pauses shortened.
    Wall,
}

/// The colours of a diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// What the viewer prefers.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Whether neighbouring events of one process that are alike are drawn as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    /// From 600 events on.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A run to be looked at: its events in the order of their stamps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// The processes, by name.
    pub processes: Vec<String>,
    /// The events, by `(time, process)`.
    pub events: Vec<RunEvent>,
    /// From a send to one of its receives, as indices of events, in the order of the receives.
    pub arrows: Vec<(usize, usize)>,
    /// Events that the filter wanted and the bound left out.
    pub left_out: u64,
    /// Events that the traces say are missing.
    pub dropped: u64,
}

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEvent {
    /// Index of its process.
    pub process: usize,
    /// The process's clock.
    pub lamport: u64,
    /// Send, receive or local.
    pub kind: Kind,
    /// What happened, safe to show on a terminal.
    pub label: String,
    /// The message sent or received.
    pub message: Option<String>,
    /// Microseconds since the Unix epoch.
    pub at_us: u64,
    /// The multicast message that is broadcast or delivered: origin, incarnation and sequence.
    pub cast: Option<(String, i64, i64)>,
}

impl Run {
    /// Reads what the filter shows.
    ///
    /// # Errors
    ///
    /// If a trace cannot be read.
    pub fn read(merge: &mut Merge<'_>, filter: &Filter) -> Result<Self, MergeError> {
        let mut run = Self::default();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let outcome = merge.for_each(|_, record| {
            match record {
                Record::Event(event) if filter.shows(&event) && run.events.len() >= filter.events_max => {
                    run.left_out += 1
                }
                Record::Event(event) if filter.shows(&event) => {
                    let next = numbers.len();
                    let number = *numbers.entry(event.process.clone().into_owned()).or_insert(next);
                    if number == next {
                        run.processes.push(event.process.clone().into_owned());
                    }
                    run.events.push(RunEvent::new(&event, number));
                }
                Record::Event(_) | Record::Closed(_) => {}
                Record::Dropped(count) => run.dropped += count,
            }
            Ok::<(), Infallible>(())
        })?;
        let Ok(()) = outcome;
        run.sort();
        run.match_messages();
        run.label_receives();
        Ok(run)
    }

    /// Puts processes and events in their order.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.processes.len()).collect();
        order.sort_by(|one, other| by_name(&self.processes[*one], &self.processes[*other]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(to, from)| place[*from] = to);
        self.processes = order
            .iter()
            .map(|from| std::mem::take(&mut self.processes[*from]))
            .collect();
        self.events
            .iter_mut()
            .for_each(|event| event.process = place[event.process]);
        let names = &self.processes;
        self.events.sort_by(|one, other| {
            let times = one.lamport.cmp(&other.lamport);
            times.then_with(|| process::order(&names[one.process], &names[other.process]))
        });
    }

    fn match_messages(&mut self) {
        let sends: HashMap<&str, usize> = (self.events.iter().enumerate())
            .filter(|(_, event)| event.kind == Kind::Send)
            .filter_map(|(index, event)| Some((event.message.as_deref()?, index)))
            .collect();
        self.arrows = (self.events.iter().enumerate())
            .filter(|(_, event)| event.kind == Kind::Receive)
            .filter_map(|(index, event)| Some((*sends.get(event.message.as_deref()?)?, index)))
            .collect();
    }

    /// Gives events without a label that of the send: a member's trace has the text of a message only where it is sent.
    fn label_receives(&mut self) {
        let sent: HashMap<_, usize> = (self.events.iter().enumerate())
            .filter(|(_, event)| event.kind == Kind::Send)
            .filter_map(|(index, event)| Some((event.cast.as_ref()?, index)))
            .collect();
        let of_cast = self.events.iter().enumerate().filter_map(|(index, event)| {
            let is_unnamed = event.label.is_empty() && event.kind == Kind::Local;
            Some((*sent.get(event.cast.as_ref().filter(|_| is_unnamed)?)?, index))
        });
        let pairs: Vec<_> = of_cast.chain(self.arrows.iter().copied()).collect();
        for (sent, received) in pairs {
            if self.events[received].label.is_empty() {
                self.events[received].label = self.events[sent].label.clone();
            }
        }
    }
}

impl RunEvent {
    fn new(event: &TraceEvent<'_>, process: usize) -> Self {
        let number = |key| event.fact(key).and_then(crate::trace::Value::integer);
        let origin = event.fact(ACT).and_then(|_| event.fact(ORIGIN)?.text());
        Self {
            process,
            lamport: event.lamport,
            kind: event.kind,
            label: visible(&event.label),
            message: event.message.as_deref().map(visible),
            at_us: event.at_us,
            cast: origin.map(|origin| {
                (
                    visible(origin),
                    number(INCARNATION).unwrap_or(0),
                    number(SEQUENCE).unwrap_or(0),
                )
            }),
        }
    }
}

/// The order of columns, as people look for names: without regard to case, numbers at their end as numbers.
fn by_name(one: &str, other: &str) -> Ordering {
    fn split(name: &str) -> (String, Option<u64>) {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        (stem.to_lowercase(), name[stem.len()..].parse().ok())
    }
    split(one).cmp(&split(other)).then_with(|| one.cmp(other))
}

/// A text with everything that acts on a terminal shown as its code.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if crate::trace::acts_on_a_terminal(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// At most `count` characters of a text, the last one `…` if it had more.
fn cut(text: &str, count: usize) -> String {
    match text.char_indices().nth(count) {
        None => text.to_owned(),
        Some(_) => text.chars().take(count.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests;
