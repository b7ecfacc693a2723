//! Gathers the events of any number of traces, in any order, and puts what belongs to one message into one row.

use std::collections::HashMap;

use super::overheard::Overheard;
use super::{Cell, Row, Table};
use crate::trace::facts::{ACT, DELIVER, DELIVERED, INCARNATION, MISS, ORIGIN, SEQUENCE, THROUGH};
use crate::trace::{Kind, Record, TraceEvent, Value};
use crate::view::by_name;

/// Messages that one "will never be delivered" of a trace may add to the table; a longer range is cut there. A member
/// that was away for a day may have missed millions, which no table shows.
const MISSED_ROWS_MAX: i64 = 1000;

/// Gathers events into a [`Table`].
#[derive(Debug, Default)]
pub(super) struct Collector {
    processes: Vec<String>,
    rows: Vec<Row>,
    /// Rows by the identity of a multicast.
    by_identity: HashMap<(String, i64, i64), usize>,
    /// Rows by the message named in the trace.
    by_message: HashMap<String, usize>,
    /// What messages say that have no row yet.
    overheard: Overheard,
    dropped: u64,
    left_out: u64,
}

impl Collector {
    /// Takes one record, of any process, in any order.
    pub(super) fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::Event(event) => self.take_event(event),
            Record::Dropped(count) => self.dropped += count,
            Record::Closed(_) => {}
        }
    }

    /// Takes note of an event for which there is no room.
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Takes note of what a send says that is not to be shown itself: its message may be received where it is shown.
    pub(super) fn overhear(&mut self, event: &TraceEvent<'_>) {
        if event.kind != Kind::Send || event.label.is_empty() {
            return;
        }
        let message = match (identity(event), event.message.as_deref()) {
            (Some(identity), _) => name(&identity),
            (None, Some(message)) => message.to_owned(),
            (None, None) => return,
        };
        self.overheard.note(message, &event.label);
    }

    fn take_event(&mut self, event: &TraceEvent<'_>) {
        let process = self.process(&event.process);
        let act = event.fact(ACT).and_then(Value::text);
        if act == Some(MISS) {
            return self.take_missed(event, process);
        }
        let Some(row) = self.row(event) else { return };
        let row = &mut self.rows[row];
        row.at.resize_with(row.at.len().max(process + 1), Cell::default);
        if !event.label.is_empty() && (row.label.is_empty() || event.kind == Kind::Send) {
            event.label.as_ref().clone_into(&mut row.label);
        }
        row.multicast |= act.is_some();
        let cell = &mut row.at[process];
        match event.kind {
            Kind::Send => {
                row.sent = Some(event.lamport);
                row.origin = Some(event.process.as_ref().to_owned());
                if event.fact(DELIVERED).is_some() {
                    cell.delivered.push(event.lamport);
                }
            }
            Kind::Receive => cell.received.push(event.lamport),
            Kind::Local => {}
        }
        if act == Some(DELIVER) {
            cell.delivered.push(event.lamport);
        }
    }

    fn take_missed(&mut self, event: &TraceEvent<'_>, process: usize) {
        let Some((origin, incarnation, first)) = identity(event) else {
            return;
        };
        let last = event.fact(THROUGH).and_then(Value::integer).unwrap_or(first);
        for sequence in first..=last.min(first.saturating_add(MISSED_ROWS_MAX - 1)) {
            let row = self.row_of((origin.clone(), incarnation, sequence));
            let row = &mut self.rows[row];
            row.at.resize_with(row.at.len().max(process + 1), Cell::default);
            row.at[process].missed = true;
        }
    }

    fn process(&mut self, name: &str) -> usize {
        match self.processes.iter().position(|known| known == name) {
            Some(place) => place,
            None => {
                self.processes.push(name.to_owned());
                self.processes.len() - 1
            }
        }
    }

    /// The row of the message that the event is about; local events that concern none have no row.
    fn row(&mut self, event: &TraceEvent<'_>) -> Option<usize> {
        let row = match (identity(event), event.message.as_deref()) {
            (Some(identity), _) => self.row_of(identity),
            (None, Some(message)) => match self.by_message.get(message) {
                Some(&row) => return Some(row),
                None => self.add_row(message.to_owned(), None),
            },
            (None, None) => return None,
        };
        if let Some(message) = event.message.as_deref()
            && !self.by_message.contains_key(message)
        {
            self.by_message.insert(message.to_owned(), row);
        }
        Some(row)
    }

    fn row_of(&mut self, identity: (String, i64, i64)) -> usize {
        if let Some(&row) = self.by_identity.get(&identity) {
            return row;
        }
        let row = self.add_row(name(&identity), Some(identity.0.clone()));
        self.by_identity.insert(identity, row);
        row
    }

    fn add_row(&mut self, message: String, origin: Option<String>) -> usize {
        self.rows.push(Row {
            label: self.overheard.text(&message).unwrap_or_default().to_owned(),
            message,
            multicast: origin.is_some(),
            origin,
            sent: None,
            at: Vec::new(),
        });
        self.rows.len() - 1
    }

    /// Puts the columns and the rows in order.
    pub(super) fn finish(self) -> Table {
        let mut columns: Vec<usize> = (0..self.processes.len()).collect();
        columns.sort_by(|&a, &b| by_name(&self.processes[a], &self.processes[b]));
        let mut messages = self.rows;
        for row in &mut messages {
            row.at.resize_with(columns.len(), Cell::default);
            row.at = columns
                .iter()
                .map(|&column| std::mem::take(&mut row.at[column]))
                .collect();
        }
        messages.sort_by_cached_key(Row::place);
        let mut processes = self.processes;
        Table {
            processes: columns
                .iter()
                .map(|&column| std::mem::take(&mut processes[column]))
                .collect(),
            messages,
            dropped: self.dropped,
            left_out: self.left_out,
            unfinished: 0,
        }
    }
}

fn identity(event: &TraceEvent<'_>) -> Option<(String, i64, i64)> {
    let origin = event.fact(ORIGIN)?.text()?.to_owned();
    let incarnation = event.fact(INCARNATION).and_then(Value::integer).unwrap_or(0);
    Some((origin, incarnation, event.fact(SEQUENCE)?.integer()?))
}

/// A multicast's identity as it is shown.
fn name((origin, incarnation, sequence): &(String, i64, i64)) -> String {
    format!("{origin}/{incarnation}/{sequence}")
}

impl Row {
    /// Lamport's total order of the sends; what was never seen being sent goes by the first that was seen of it.
    fn place(&self) -> (u64, Option<String>, String) {
        let seen = || {
            self.at
                .iter()
                .filter_map(|cell| cell.received.iter().chain(&cell.delivered).min())
                .min()
        };
        let time = self.sent.or_else(|| seen().copied()).unwrap_or(u64::MAX);
        (time, self.origin.clone(), self.message.clone())
    }
}
