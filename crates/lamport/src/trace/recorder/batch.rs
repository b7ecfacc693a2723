//! Recording by one owner, a batch of events at a time.

use super::queue::now_us;
use super::{Source, Tracer};
use crate::trace::event::{Event, Record, Summary};
use crate::trace::limits::{CHUNK_BYTES, LINE_BYTES_MAX};
use crate::trace::short::Shortener;
use std::fmt;
use std::sync::Arc;

/// Records the events of one process that are all told by one owner, in the order of their times.
///
/// Events gather here and reach the trace with [`end_batch`](Self::end_batch), which is to be called whenever the owner
/// has done all there is to do for now. The events of a batch have one wall time, that of the first of them: a message
/// that arrives has arrived by then, one that is sent leaves later.
#[derive(Default)]
pub struct BatchTracer {
    batch: Option<Box<Batch>>,
}

struct Batch {
    source: Arc<Source>,
    shortener: Shortener,
    lines: Vec<u8>,
    events: Summary,
    /// The wall time of the batch, once it has an event.
    at_us: Option<u64>,
}

impl BatchTracer {
    pub(super) fn new(tracer: Tracer) -> Self {
        Self {
            batch: tracer.source.map(|source| {
                Box::new(Batch {
                    shortener: source.recorder.add_shortener(),
                    source,
                    lines: Vec::new(),
                    events: Summary::default(),
                    at_us: None,
                })
            }),
        }
    }

    /// Whether anything is recorded. Asked before work that only a trace needs.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.batch.is_some()
    }

    /// Records an event that has the Lamport time `time`, larger than those before. Waits for nothing.
    #[inline]
    pub fn record(&mut self, time: u64, event: &Event<'_>) {
        if let Some(batch) = &mut self.batch {
            batch.record(time, event);
        }
    }

    /// Records an event that changes the last one just as that changed the one before it: its time, the count at the end of its
    /// message and each fact; `labelled` says whether it has a label. It need not be put together then. False if it is to be
    /// told by [`record`](Self::record) all the same.
    ///
    /// ```
    /// # use lamport::{ProcessId, trace::{Event, Service, Tracer}};
    /// # let tracer = Tracer::to_writer(std::io::sink(), ProcessId::new("P1")?, Service::Other)?;
    /// let mut batched = tracer.batched();
    /// for time in 1..=1000 {
    ///     // After two the second is known to have changed the first by one.
    ///     if time < 3 || !batched.again(false) {
    ///         batched.record(time, &Event::local("", &[]));
    ///     }
    /// }
    /// batched.end_batch();
    /// assert_eq!(tracer.close()?.written, 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn again(&mut self, labelled: bool) -> bool {
        let Some(batch) = &mut self.batch else { return true };
        let again = batch.shortener.again(labelled);
        batch.events.written += u64::from(again);
        again
    }

    /// Gives the trace what gathered since the last time. Never waits for the disk.
    #[inline]
    pub fn end_batch(&mut self) {
        if let Some(batch) = &mut self.batch {
            batch.hand_over();
            batch.at_us = None;
        }
    }
}

impl Batch {
    fn record(&mut self, time: u64, event: &Event<'_>) {
        let at_us = *self.at_us.get_or_insert_with(now_us);
        if self.shortener.goes_on(&self.source.context, time, at_us, event) {
            self.events.written += 1;
            return;
        }
        self.shortener.tell_run(&mut self.lines);
        let start = self.lines.len();
        self.shortener
            .write(&mut self.lines, &self.source.context, time, at_us, event);
        if self.lines.len() - start > LINE_BYTES_MAX {
            self.lines.truncate(start);
            self.shortener.forget();
            self.events.dropped += 1;
            Record::Dropped(1).write(&mut self.lines);
        } else {
            self.events.written += 1;
        }
        if self.lines.len() >= CHUNK_BYTES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.shortener.end_run(&mut self.lines);
        if self.lines.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.events);
        if !self.source.recorder.append_batch(&mut self.lines, events) {
            self.shortener.forget();
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl fmt::Debug for BatchTracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.batch {
            None => f.write_str("BatchTracer(off)"),
            Some(batch) => f.debug_tuple("BatchTracer").field(&batch.source.process).finish(),
        }
    }
}
