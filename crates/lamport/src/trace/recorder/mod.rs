//! EDGE: the one folder of this crate that reads the wall clock, runs a thread and writes a file.
//!
//! Whoever records events encodes them, and there are three ways: one by one into the chunk of memory that all share, under its
//! lock ([`queue`]); as the only one for a process into memory of its own, which is copied into that chunk a batch at a time
//! ([`batch`]); or as one of many threads of a process into one of several lanes, which are put together later ([`lanes`]). A
//! thread of its own takes full chunks and the lanes' lines away and writes them ([`writer`]). Nobody who records ever waits for
//! the disk: when too much waits already, the event is dropped and counted, and the file says so itself.

mod batch;
mod lanes;
mod queue;
mod writer;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::event::{Event, Service, Summary};
use super::json::Frame;
use super::short::Context;
use crate::ProcessId;
use queue::now_us;
use writer::Recorder;

pub use batch::BatchTracer;
pub use lanes::{Here, LaneGuard, SharedTracer};

/// Records the events of one process. Cloning is cheap; all clones write to the same place.
///
/// A tracer that is off does nothing, and since an [`Event`] only borrows, building one for it costs nothing either.
/// One that is on encodes the event under a lock held for some 100 ns and returns; a thread of its own writes. When
/// more than 32 MiB wait for the disk, events are dropped and counted instead.
///
/// What it costs is in `docs/benchmarks.md`; `cargo bench -p lamport --bench figures` measures it. Who has many events at
/// once and is the only one to tell them uses [`batched`](Self::batched), which takes the lock once for all of them; a process
/// whose many threads share a clock, [`shared`](Self::shared).
///
/// The file is complete once [`close`](Tracer::close) has returned, or the last clone is dropped, which waits for the
/// same. A process that is killed loses the last 10 ms.
#[derive(Clone, Default)]
pub struct Tracer {
    source: Option<Arc<Source>>,
}

/// A process and where its events go.
struct Source {
    process: ProcessId,
    service: Service,
    context: Context,
    recorder: Arc<Recorder>,
}

/// Why a trace is not complete although it was closed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the trace could not be written: {source} ({} events are in it at most); hint: is there room on the disk?",
    summary.written
)]
pub struct CloseError {
    /// What the file said.
    pub source: io::Error,
    /// What was recorded up to then.
    pub summary: Summary,
}

impl Tracer {
    /// A tracer that records nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self { source: None }
    }

    /// Records into a file, which is emptied if it exists.
    ///
    /// # Errors
    ///
    /// If the file cannot be created or the writer's thread not started.
    pub fn to_file(path: impl AsRef<Path>, process: ProcessId, service: Service) -> io::Result<Self> {
        Self::to_writer(File::create(path)?, process, service)
    }

    /// Records into anything that takes bytes, on a thread of its own. Each call of `write_all` brings whole lines.
    ///
    /// # Errors
    ///
    /// If the writer's thread cannot be started.
    pub fn to_writer(
        sink: impl Write + Send + 'static,
        process: ProcessId,
        service: Service,
    ) -> io::Result<Self> {
        let recorder = Arc::new(Recorder::start(sink)?);
        Ok(Self::with(process, service, recorder))
    }

    /// A tracer for another process into the same place, such as one of many clients in one program.
    #[must_use]
    pub fn for_process(&self, process: ProcessId) -> Self {
        match &self.source {
            None => Self::off(),
            Some(source) => Self::with(process, source.service, source.recorder.clone()),
        }
    }

    /// A tracer for a process whose events all come from one owner, many at a time: it takes no lock and looks at no
    /// clock for each of them. The process is then to be recorded by that one only.
    #[must_use]
    pub fn batched(&self) -> BatchTracer {
        BatchTracer::new(self.clone())
    }

    /// A tracer for a process whose many threads share a clock and record all the time: they hardly ever meet. The process is
    /// then to be recorded through that one and its clones only.
    #[must_use]
    pub fn shared(&self) -> SharedTracer {
        SharedTracer::new(self.clone())
    }

    /// Whether anything is recorded. Asked before work that only a trace needs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.source.is_some()
    }

    /// The process whose events are recorded, if any are.
    #[must_use]
    pub fn process(&self) -> Option<&ProcessId> {
        self.source.as_deref().map(|source| &source.process)
    }

    /// Records an event that has the Lamport time `time`. Never waits for the disk.
    ///
    /// Events of one process must be recorded in the order of their times: record where the clock ticks, under the
    /// lock that orders the events, or use [`stamped`](Self::stamped) where there is no such lock.
    #[inline]
    pub fn record(&self, time: u64, event: &Event<'_>) {
        if let Some(source) = &self.source {
            let at_us = now_us();
            let queue = source.recorder.lock();
            source.recorder.append(queue, &source.context, time, at_us, event);
        }
    }

    /// Moves the clock by `advance` and records the event with the time it returns, as one step: where many tasks
    /// share a clock, the trace still has their events in the order of their times. Off, it only calls `advance`.
    ///
    /// ```
    /// # use lamport::{Clock, trace::{Event, Tracer}};
    /// let (clock, tracer) = (Clock::new(), Tracer::off());
    /// let time = tracer.stamped(|| clock.tick(), &Event::send("deposit", &[]))?;
    /// assert_eq!(time, 1);
    /// # Ok::<(), lamport::ClockError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// That of `advance`; nothing is recorded then.
    #[inline]
    pub fn stamped<E>(&self, advance: impl FnOnce() -> Result<u64, E>, event: &Event<'_>) -> Result<u64, E> {
        let Some(source) = &self.source else {
            return advance();
        };
        // Before the lock, which others wait for.
        let at_us = now_us();
        let queue = source.recorder.lock();
        let time = advance()?;
        source.recorder.append(queue, &source.context, time, at_us, event);
        Ok(time)
    }

    /// Events told so far, and those of them that were dropped.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.source
            .as_ref()
            .map_or_else(Summary::default, |source| source.recorder.summary())
    }

    /// Ends the trace and waits until it is written. Later events of any clone are counted as dropped; closing again
    /// returns the same summary.
    ///
    /// # Errors
    ///
    /// [`CloseError`] if the file failed at any time; it then lacks its closing record.
    pub fn close(&self) -> Result<Summary, CloseError> {
        let Some(source) = &self.source else {
            return Ok(Summary::default());
        };
        source.recorder.finish();
        let summary = source.recorder.summary();
        let mut queue = source.recorder.lock();
        match queue.failed.take() {
            None => Ok(summary),
            Some(error) => {
                queue.failed = Some(io::Error::new(error.kind(), error.to_string()));
                Err(CloseError {
                    source: error,
                    summary,
                })
            }
        }
    }

    fn with(process: ProcessId, service: Service, recorder: Arc<Recorder>) -> Self {
        let context = Context {
            source: recorder.add_source(),
            frame: Frame::new(process.as_str(), service.as_str()),
        };
        Self {
            source: Some(Arc::new(Source {
                process,
                service,
                context,
                recorder,
            })),
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            None => f.write_str("Tracer(off)"),
            Some(source) => f.debug_tuple("Tracer").field(&source.process).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
