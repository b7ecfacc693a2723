//! The table event × process: the stamp that each event has at each process.

use std::collections::HashMap;

use super::Run;
use crate::trace::Kind;

/// A table of texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// What stands above the columns.
    pub header: Vec<String>,
    /// The rows, as long as the header.
    pub rows: Vec<Vec<String>>,
}

/// A row for each message, with its stamp at the sender and at everyone who received it, and a row for each local
/// event that is no delivery; in the order of the first stamps. A multicast's delivery counts, not its arrival.
#[must_use]
pub fn table(run: &Run) -> Table {
    let mut rows: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let mut row_of: HashMap<String, usize> = HashMap::new();
    for event in &run.events {
        let process = &run.processes[event.process];
        let key = match (&event.cast, &event.message, event.kind) {
            (Some((origin, incarnation, sequence)), _, _) => {
                Some(format!("{origin} {incarnation} {sequence}"))
            }
            (None, Some(message), Kind::Send | Kind::Receive) => Some(message.clone()),
            _ => None,
        };
        let next = rows.len();
        let row = key.map_or(next, |key| *row_of.entry(key).or_insert(next));
        if row == next {
            rows.push((
                format!("{process}: {}", event.label),
                vec![Vec::new(); run.processes.len()],
            ));
        }
        let cell = match event.kind {
            Kind::Send => format!("{} send", event.lamport),
            Kind::Receive | Kind::Local => event.lamport.to_string(),
        };
        rows[row].1[event.process].push(cell);
    }
    Table {
        header: std::iter::once("event".to_owned())
            .chain(run.processes.iter().cloned())
            .collect(),
        rows: rows
            .into_iter()
            .map(|(event, cells)| {
                std::iter::once(event)
                    .chain(cells.iter().map(|cell| cell.join(", ")))
                    .collect()
            })
            .collect(),
    }
}
