//! Several traces read as one, in the order of their stamps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io::{self, BufRead};
use std::path::Path;

use super::{Check, Place, Report, Violation};
use crate::trace::{ReadError, ReadProblem, Reader, Record, Summary};

/// Traces that can be merged, since all of them are open at once: below the usual limit of 1024 open files.
pub const SOURCES_MAX: usize = 1000;

/// Reads any number of traces as one: smallest Lamport time first, the order of the sources where times are equal,
/// each source in its own order. A send so comes before its receives unless the run broke the clock condition.
pub struct Merge<'a> {
    sources: Vec<Input<'a>>,
    /// The next line of every source that has one, smallest time first.
    heads: BinaryHeap<Reverse<(u64, u32)>>,
    started: bool,
    bytes: u64,
    /// What the closing records say, together.
    summary: Summary,
}

struct Input<'a> {
    name: String,
    reader: Reader<Box<dyn BufRead + 'a>>,
    /// The largest time read so far: a line without a time goes with the one before it.
    time: u64,
    /// The last record read says that the trace ended in good order.
    closed: bool,
}

/// Why the traces cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A file cannot be opened.
    #[error("cannot open {name}: {error}; hint: give the traces that the services wrote")]
    Open {
        /// The file's name.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// A line is no record.
    #[error("{name}:{}: {}", error.line, error.problem)]
    Read {
        /// The source's name.
        name: String,
        /// The line and what is wrong with it.
        error: ReadError,
    },
    /// There are too many sources.
    #[error("at most {SOURCES_MAX} traces can be merged; hint: join those of one program with `cat`")]
    TooMany,
}

impl<'a> Merge<'a> {
    /// No sources yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sources: Vec::new(),
            heads: BinaryHeap::new(),
            started: false,
            bytes: 0,
            summary: Summary::default(),
        }
    }

    /// Adds the trace in a file.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or there are too many.
    pub fn open(&mut self, path: impl AsRef<Path>) -> Result<(), MergeError> {
        let name = path.as_ref().display().to_string();
        match std::fs::File::open(path) {
            Ok(file) => self.add(&name, io::BufReader::with_capacity(128 * 1024, file)),
            Err(error) => Err(MergeError::Open { name, error }),
        }
    }

    /// Adds a trace from any input.
    ///
    /// # Errors
    ///
    /// If there are too many.
    pub fn add(&mut self, name: &str, input: impl BufRead + 'a) -> Result<(), MergeError> {
        if self.sources.len() == SOURCES_MAX {
            return Err(MergeError::TooMany);
        }
        self.sources.push(Input {
            name: name.to_owned(),
            reader: Reader::new(Box::new(input)),
            time: 0,
            closed: false,
        });
        Ok(())
    }

    /// How many sources there are.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// The name of a source.
    #[must_use]
    pub fn name(&self, source: u32) -> &str {
        &self.sources[source as usize].name
    }

    /// Bytes read so far, of all sources.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many sources, of what was read so far, do not end with a closing record: their processes were killed, or run
    /// still.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.sources.iter().filter(|source| !source.closed).count()
    }

    /// What the closing records say together, of what was read so far; `None` if a source does not end with one.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        (self.unfinished() == 0).then_some(self.summary)
    }

    /// Calls `each` with every record, and stops at the first error of either kind: the outer one of the reading, the
    /// inner one of `each`.
    ///
    /// # Errors
    ///
    /// [`MergeError::Read`] for a line that is no record.
    pub fn for_each<E>(
        &mut self,
        mut each: impl FnMut(Place, Record<'_>) -> Result<(), E>,
    ) -> Result<Result<(), E>, MergeError> {
        if !std::mem::replace(&mut self.started, true) {
            for source in 0..self.sources.len() {
                self.advance(u32::try_from(source).expect("at most SOURCES_MAX"))?;
            }
        }
        while let Some(Reverse((_, source))) = self.heads.pop() {
            // A source goes on as long as it has the smallest time, without passing through the heap.
            loop {
                let input = &mut self.sources[source as usize];
                let place = Place::new(source, input.reader.line_number()).with_nth(input.reader.nth());
                let record = match input.reader.record() {
                    Ok(record) => record,
                    Err(error) => return Err(read_error(&input.name, error)),
                };
                input.closed = matches!(record, Record::Closed(_));
                if let Record::Closed(summary) = record {
                    self.summary += summary;
                }
                if let Err(error) = each(place, record) {
                    return Ok(Err(error));
                }
                if !self.step(source)? {
                    break;
                }
                let time = self.sources[source as usize].time;
                if self
                    .heads
                    .peek()
                    .is_some_and(|Reverse(first)| *first < (time, source))
                {
                    self.heads.push(Reverse((time, source)));
                    break;
                }
            }
        }
        Ok(Ok(()))
    }

    /// Checks all of it.
    ///
    /// # Errors
    ///
    /// The outer one if a trace cannot be read, the inner one if the run breaks a rule.
    pub fn check(&mut self, mut check: Check) -> Result<Result<Report, Box<Violation>>, MergeError> {
        for source in 0..self.sources.len() {
            check.opened(u32::try_from(source).expect("at most SOURCES_MAX"));
        }
        let outcome = self.for_each(|place, record| {
            match record {
                Record::Event(event) => return check.event(place, &event),
                Record::Dropped(count) => check.dropped(place, count),
                Record::Closed(_) => check.closed(place),
            }
            Ok(())
        })?;
        Ok(outcome.and_then(|()| check.finish()))
    }

    fn advance(&mut self, source: u32) -> Result<(), MergeError> {
        if self.step(source)? {
            self.heads
                .push(Reverse((self.sources[source as usize].time, source)));
        }
        Ok(())
    }

    /// Goes to the source's next line; false at its end. A last line that was cut off is no line: that is what a process
    /// leaves that was killed while it wrote, and the lack of a closing record tells it.
    fn step(&mut self, source: u32) -> Result<bool, MergeError> {
        let input = &mut self.sources[source as usize];
        let before = input.reader.bytes();
        let more = input.reader.advance();
        self.bytes += input.reader.bytes() - before;
        input.time = input.reader.time().unwrap_or(input.time);
        match more {
            Err(error) if matches!(error.problem, ReadProblem::CutOff) => Ok(false),
            more => more.map_err(|error| read_error(&input.name, error)),
        }
    }
}

impl fmt::Debug for Merge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge")
            .field("sources", &self.sources.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

fn read_error(name: &str, error: ReadError) -> MergeError {
    MergeError::Read {
        name: name.to_owned(),
        error,
    }
}

impl Default for Merge<'_> {
    fn default() -> Self {
        Self::new()
    }
}
