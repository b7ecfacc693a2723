//! The table of a run: its events, and the stamp that each has at each process.
//!
//! ```text
//! Event                          P1  P2  P3
//! Send "Olá a todos!" (P1)        1   -   -
//! Delivery "Olá a todos!" (P2)    -   2   -
//! Delivery "Olá a todos!" (P3)    -   -   2
//! ```
//!
//! Shown as it is, a [`Table`] has a line for every event, as above; [`Table::by_message`] has one for every message,
//! which is what fits a longer run.

mod collect;
mod overheard;
mod show;

use std::convert::Infallible;
use std::fmt;

use serde::Serialize;

use super::Filter;
use crate::check::{Merge, MergeError};
use crate::trace::Record;
use collect::Collector;

/// What happened to every message, in the order of the stamps with which they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Table {
    /// The columns: every process seen, P2 before P10.
    pub processes: Vec<String>,
    /// The messages.
    pub messages: Vec<Row>,
    /// Events that the traces say they lack.
    pub dropped: u64,
    /// Events that the filter wanted and its bound left out.
    pub left_out: u64,
    /// Traces without their last line: the process was killed, or is still running.
    pub unfinished: usize,
}

/// One message at every process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its identity: `P1/2/17` (origin, incarnation, sequence) for a multicast, otherwise that of the trace.
    pub message: String,
    /// What it says.
    pub label: String,
    /// Who sent it, if that is in the traces.
    pub origin: Option<String>,
    /// The stamp with which it was sent.
    pub sent: Option<u64>,
    /// Whether it is delivered, which may be later than received.
    multicast: bool,
    /// What it met at each process, in the order of [`Table::processes`].
    pub at: Vec<Cell>,
}

/// A message at a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cell {
    /// When it was received.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub received: Vec<u64>,
    /// When it was delivered; more than once only if something is wrong, or the process lost its memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delivered: Vec<u64>,
    /// The process was told that it will never get it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
}

impl Table {
    /// Reads what the filter shows; its bound on the number of events holds too.
    ///
    /// # Errors
    ///
    /// If a trace cannot be read.
    pub fn read(merge: &mut Merge<'_>, filter: &Filter) -> Result<Self, MergeError> {
        let mut collector = Collector::default();
        let mut events = 0;
        let outcome = merge.for_each(|_, record| {
            match &record {
                Record::Event(event) if !filter.shows(event) => {
                    if events < filter.events_max {
                        collector.overhear(event);
                    }
                    return Ok::<(), Infallible>(());
                }
                Record::Event(_) if events >= filter.events_max => {
                    collector.leave_out();
                    return Ok(());
                }
                Record::Event(_) => events += 1,
                Record::Dropped(_) | Record::Closed(_) => {}
            }
            collector.take(&record);
            Ok(())
        })?;
        let Ok(()) = outcome;
        let mut table = collector.finish();
        table.unfinished = merge.unfinished();
        Ok(table)
    }

    /// The table with one line for every message.
    #[must_use]
    pub fn by_message(&self) -> impl fmt::Display + '_ {
        ByMessage(self)
    }
}

/// The table with a line for each message.
struct ByMessage<'t>(&'t Table);

#[cfg(test)]
mod tests;
