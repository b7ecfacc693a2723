//! The table as people read it: aligned columns, a line for each event or for each message.

use std::fmt;

use super::{ByMessage, Cell, Row, Table};
use crate::view::visible;

impl Cell {
    /// The stamp of the delivery (of the receipt, where nothing is delivered), but not the one of the `send` itself.
    fn show(&self, multicast: bool, send: Option<u64>) -> Option<String> {
        let stamps = if multicast {
            &self.delivered
        } else {
            &self.received
        };
        let mut texts: Vec<String> = Vec::new();
        if stamps.is_empty() && !self.received.is_empty() {
            texts.push(format!("({})", join(&self.received)));
        }
        if !stamps.is_empty() && (send.is_none() || stamps.len() > 1 || send != stamps.first().copied()) {
            texts.push(join(stamps));
        }
        if self.missed {
            texts.push("missed".to_owned());
        }
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

fn join(stamps: &[u64]) -> String {
    stamps.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![head("Event", &self.processes)];
        for row in &self.messages {
            for (title, column, stamp) in row.events(&self.processes) {
                let mut line = vec![title];
                line.resize(self.processes.len() + 1, "-".to_owned());
                line[column + 1] = stamp;
                lines.push(line);
            }
        }
        write_aligned(f, &lines)
    }
}

impl fmt::Display for ByMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(table) = self;
        let mut lines = vec![head("Message", &table.processes)];
        for row in &table.messages {
            let mut line = vec![format!("{} \"{}\"", row.message, row.title())];
            line.extend(row.at.iter().zip(&table.processes).map(|(cell, process)| {
                let sent = row.sent.filter(|_| row.is_origin(process));
                let text = [
                    sent.map(|stamp| format!("{stamp} sent")),
                    cell.show(row.multicast, sent),
                ];
                let text: Vec<String> = text.into_iter().flatten().collect();
                if text.is_empty() {
                    "-".to_owned()
                } else {
                    text.join(", ")
                }
            }));
            lines.push(line);
        }
        write_aligned(f, &lines)
    }
}

fn head(first: &str, processes: &[String]) -> Vec<String> {
    std::iter::once(first.to_owned())
        .chain(processes.iter().cloned())
        .collect()
}

/// The first column to the left, the others to the right, two spaces between them.
fn write_aligned(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |text: &String| unicode_width::UnicodeWidthStr::width(text.as_str());
    let widths: Vec<usize> = (0..columns)
        .map(|column| lines.iter().map(|line| width(&line[column])).max().unwrap_or(0))
        .collect();
    for line in lines {
        for (column, text) in line.iter().enumerate() {
            let padding = " ".repeat(widths[column] - width(text));
            match column {
                0 => write!(f, "{text}{padding}")?,
                _ => write!(f, "  {padding}{text}")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

impl Row {
    fn title(&self) -> String {
        let text = if self.label.is_empty() {
            &self.message
        } else {
            &self.label
        };
        visible(text)
    }

    fn is_origin(&self, process: &str) -> bool {
        self.origin.as_deref() == Some(process)
    }

    /// The lines of the message: what happened, where, and what stands in that column.
    fn events<'t>(&'t self, processes: &'t [String]) -> impl Iterator<Item = (String, usize, String)> + 't {
        let title = self.title();
        let sent = processes
            .iter()
            .position(|process| self.is_origin(process))
            .zip(self.sent);
        let send = sent.map(|(column, stamp)| {
            (
                format!("Send \"{title}\" ({})", processes[column]),
                column,
                stamp.to_string(),
            )
        });
        let word = if self.multicast { "Delivery" } else { "Receipt" };
        let others = self.at.iter().enumerate().filter_map(move |(column, cell)| {
            let text = cell.show(
                self.multicast,
                self.sent.filter(|_| self.is_origin(&processes[column])),
            )?;
            Some((
                format!("{word} \"{title}\" ({})", processes[column]),
                column,
                text,
            ))
        });
        send.into_iter().chain(others)
    }
}
