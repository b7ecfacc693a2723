//! The table of a run: its events, and the stamp that each has at each process.
//!
//! ```text
//! Event                          P1  P2  P3
//! Send "Olá a todos!" (P1)        1   -   -
//! Delivery "Olá a todos!" (P2)    -   2   -
//! Delivery "Olá a todos!" (P3)    -   -   2
//! ```
//!
//! A [`Collector`] takes the events of any number of traces in any order and gathers what belongs to one message into
//! one [`Row`]. Shown as it is, a [`Table`] has a line for every event, as above; [`Table::by_message`] has one for every
//! message, which is what fits a longer run. Reading the files is left to the caller, or to [`Table::read`].

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::facts::{ACT, DELIVER, DELIVERED, INCARNATION, MISS, ORIGIN, SEQUENCE, THROUGH, Value};
use super::json::acts_on_a_terminal;
use super::{Kind, ReadError, Reader, Record, TraceEvent};

/// Messages that one "will never be delivered" of a trace may add to the table; a longer range is cut there. A member
/// that was away for a day may have missed millions, which no table shows.
const MISSED_ROWS_MAX: i64 = 1000;

/// What happened to every message, in the order of the stamps with which they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Table {
    /// The columns: every process seen, P2 before P10.
    pub processes: Vec<String>,
    /// The messages.
    pub messages: Vec<Row>,
    /// Events that the traces say they lack.
    pub dropped: u64,
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

/// Why no table could be made of the files.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file cannot be opened.
    #[error("cannot open {}: {source}", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no record.
    #[error("{}: {source}", .path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Which line, and what is wrong with it.
        source: ReadError,
    },
}

/// Gathers events into a [`Table`].
#[derive(Debug, Default)]
pub struct Collector {
    processes: Vec<String>,
    rows: Vec<Row>,
    /// Rows by the identity of a multicast.
    by_identity: HashMap<(String, i64, i64), usize>,
    /// Rows by the message named in the trace.
    by_message: HashMap<String, usize>,
    dropped: u64,
}

impl Table {
    /// Reads whole traces.
    ///
    /// A last line that was cut off is left out: that is what `kill -9` leaves behind.
    ///
    /// # Errors
    ///
    /// [`TableError`], at the first file that cannot be opened or line that is no record.
    pub fn read(paths: &[impl AsRef<Path>]) -> Result<Self, TableError> {
        let mut collector = Collector::default();
        let mut unfinished = 0;
        for path in paths {
            let path = path.as_ref();
            let mut reader = Reader::open(path).map_err(|source| TableError::Open {
                path: path.to_owned(),
                source,
            })?;
            let mut closed = false;
            loop {
                match reader.read() {
                    Ok(Some(record)) => {
                        closed = matches!(record, Record::Closed(_));
                        collector.take(&record);
                    }
                    Ok(None) => break,
                    Err(error) if matches!(error.problem, super::ReadProblem::CutOff) => break,
                    Err(source) => {
                        return Err(TableError::Read {
                            path: path.to_owned(),
                            source,
                        });
                    }
                }
            }
            unfinished += usize::from(!closed);
        }
        let mut table = collector.finish();
        table.unfinished = unfinished;
        Ok(table)
    }

    /// The table with one line for every message.
    #[must_use]
    pub fn by_message(&self) -> impl fmt::Display + '_ {
        ByMessage(self)
    }
}

impl Collector {
    /// Takes one record, of any process, in any order.
    pub fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::Event(event) => self.take_event(event),
            Record::Dropped(count) => self.dropped += count,
            Record::Closed(_) => {}
        }
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
        let (origin, incarnation, sequence) = &identity;
        let row = self.add_row(format!("{origin}/{incarnation}/{sequence}"), Some(origin.clone()));
        self.by_identity.insert(identity, row);
        row
    }

    fn add_row(&mut self, message: String, origin: Option<String>) -> usize {
        self.rows.push(Row {
            message,
            label: String::new(),
            multicast: origin.is_some(),
            origin,
            sent: None,
            at: Vec::new(),
        });
        self.rows.len() - 1
    }

    /// Puts the columns and the rows in order.
    #[must_use]
    pub fn finish(self) -> Table {
        let mut columns: Vec<usize> = (0..self.processes.len()).collect();
        columns.sort_by(|&a, &b| compare_names(&self.processes[a], &self.processes[b]));
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
            unfinished: 0,
        }
    }
}

fn identity(event: &TraceEvent<'_>) -> Option<(String, i64, i64)> {
    let origin = event.fact(ORIGIN)?.text()?.to_owned();
    let incarnation = event.fact(INCARNATION).and_then(Value::integer).unwrap_or(0);
    Some((origin, incarnation, event.fact(SEQUENCE)?.integer()?))
}

/// Numbers at the end of names count as numbers.
fn compare_names(a: &str, b: &str) -> Ordering {
    fn split(name: &str) -> (&str, Option<u64>) {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        (stem, name[stem.len()..].parse().ok())
    }
    split(a).cmp(&split(b)).then_with(|| a.cmp(b))
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

    fn title(&self) -> String {
        let text = if self.label.is_empty() {
            &self.message
        } else {
            &self.label
        };
        let mut title = String::with_capacity(text.len());
        for c in text.chars() {
            if acts_on_a_terminal(c) {
                title.extend(c.escape_default());
            } else {
                title.push(c);
            }
        }
        title
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

struct ByMessage<'t>(&'t Table);

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

#[cfg(test)]
mod tests {
    use super::*;

    /// One line of a trace: `P1 1 send`, `P2 2 deliver P1/1/1`, `P2 3 miss P1/1/4-6`, `P2 3 receive P1@1`.
    fn record(text: &str) -> Record<'static> {
        let words: Vec<&str> = text.split(' ').collect();
        let (process, lamport, what) = (words[0], words[1], words[2]);
        let facts = |act: &str, message: &str| {
            let parts: Vec<&str> = message.split('/').collect();
            let (first, last) = parts[2].split_once('-').unwrap_or((parts[2], parts[2]));
            format!(
                r#""facts":[{{"act":"{act}","origin":"{}","incarnation":{},"sequence":{first},"through":{last}}}]"#,
                parts[0], parts[1]
            )
        };
        let rest = match what {
            "send" => format!(
                r#""kind":"send","message":"{process}@{lamport}","label":"text of {0}",{1}"#,
                words[3],
                facts("broadcast", words[3])
            ),
            "deliver" => format!(
                r#""kind":"local","label":"delivered",{}"#,
                facts("deliver", words[3])
            ),
            "miss" => format!(r#""kind":"local",{}"#, facts("miss", words[3])),
            _ => format!(r#""kind":"receive","message":"{}","label":"received""#, words[3]),
        };
        let line = format!(r#"{{"process":"{process}","lamport":{lamport},"service":"multicast",{rest}}}"#);
        Reader::new(line.as_bytes()).next().unwrap().unwrap()
    }

    fn table(lines: &[&str]) -> Table {
        let mut collector = Collector::default();
        lines.iter().for_each(|line| collector.take(&record(line)));
        collector.finish()
    }

    fn check(lines: &[&str], by_event: &str, by_message: &str) {
        let table = table(lines);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = |text: &str| text.trim().lines().map(words).collect::<Vec<_>>().join("\n");
        assert_eq!(words(&table.to_string()), words(by_event));
        assert_eq!(words(&table.by_message().to_string()), words(by_message));
    }

    #[test]
    fn rows_and_columns_are_in_order_whatever_the_order_of_the_traces() {
        check(
            &[
                "P10 4 deliver P2/1/1",
                "P10 2 deliver P1/1/1",
                "P2 2 deliver P1/1/1",
                "P2 3 send P2/1/1",
                "P1 1 send P1/1/1",
                "P1 1 deliver P1/1/1",
                "P1 4 deliver P2/1/1",
            ],
            r#"
            Event                            P1  P2  P10
            Send "text of P1/1/1" (P1)        1   -    -
            Delivery "text of P1/1/1" (P2)    -   2    -
            Delivery "text of P1/1/1" (P10)   -   -    2
            Send "text of P2/1/1" (P2)        -   3    -
            Delivery "text of P2/1/1" (P1)    4   -    -
            Delivery "text of P2/1/1" (P10)   -   -    4"#,
            r#"
            Message                       P1      P2  P10
            P1/1/1 "text of P1/1/1"   1 sent       2    2
            P2/1/1 "text of P2/1/1"        4  3 sent    4"#,
        );
    }

    #[test]
    fn what_is_wrong_shows() {
        check(
            &[
                "P1 1 send P1/1/1",
                "P1 5 deliver P1/1/1",
                "P2 2 deliver P1/1/1",
                "P2 7 deliver P1/1/1",
                "P3 2 receive P1@1",
                "P3 9 miss P1/1/2-3",
            ],
            r#"
            Event                              P1    P2      P3
            Send "text of P1/1/1" (P1)          1     -       -
            Delivery "text of P1/1/1" (P1)      5     -       -
            Delivery "text of P1/1/1" (P2)      -  2, 7       -
            Delivery "text of P1/1/1" (P3)      -     -     (2)
            Delivery "P1/1/2" (P3)              -     -  missed
            Delivery "P1/1/3" (P3)              -     -  missed"#,
            r#"
            Message                         P1    P2      P3
            P1/1/1 "text of P1/1/1"  1 sent, 5  2, 7     (2)
            P1/1/2 "P1/1/2"                 -     -  missed
            P1/1/3 "P1/1/3"                 -     -  missed"#,
        );
    }

    #[test]
    fn columns_stand_under_each_other_however_wide_the_characters() {
        let mut table = table(&["P1 1 send P1/1/1", "P2 12 deliver P1/1/1"]);
        table.messages[0].label = "ol\u{e1} \u{8a9e}\u{1b}[2J".to_owned();
        let shown = table.to_string();
        let widths: Vec<_> = shown.lines().map(unicode_width::UnicodeWidthStr::width).collect();
        assert!(widths.iter().all(|&width| width == widths[0]), "{shown}");
        assert!(shown.contains(r"\u{1b}[2J"), "{shown}");
    }
}
