//! What waits to be written: chunks of whole lines, bounded together.

use std::collections::VecDeque;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use super::lanes::Wants;
use crate::trace::event::{Event, Record, Summary};
use crate::trace::limits::{CHUNK_BYTES, LINE_BYTES_MAX, QUEUE_BYTES_MAX, SPARE_CHUNKS_MAX};
use crate::trace::short::{Context, Numbers, Shortener};

/// The lines that wait. Its lock is held only to append, or to exchange chunks.
pub(super) struct Queue {
    /// Writes the events that come one by one.
    shortener: Shortener,
    /// The chunk being filled; grows no further than [`CHUNK_BYTES`] and one line, or one batch.
    current: Vec<u8>,
    full: VecDeque<Vec<u8>>,
    full_bytes: usize,
    spare: Vec<Vec<u8>>,
    /// Chunks taken by the writer and not written yet still count against the bound.
    writing_bytes: usize,
    pub(super) summary: Summary,
    /// Events dropped that the file does not tell about yet.
    dropped_untold: u64,
    /// What lanes want of the writer.
    lanes: Wants,
    pub(super) closing: bool,
    pub(super) failed: Option<io::Error>,
}

impl Queue {
    /// An empty one, with what numbers there are in its file.
    pub(super) const fn new(numbers: Numbers) -> Self {
        Self {
            shortener: Shortener::new(numbers),
            current: Vec::new(),
            full: VecDeque::new(),
            full_bytes: 0,
            spare: Vec::new(),
            writing_bytes: 0,
            summary: Summary {
                written: 0,
                dropped: 0,
            },
            dropped_untold: 0,
            lanes: Wants::Nothing,
            closing: false,
            failed: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty() && self.full.is_empty() && self.lanes == Wants::Nothing
    }

    /// Whether a full chunk or lane waits, which is not to wait for company.
    pub(super) fn has_full(&self) -> bool {
        !self.full.is_empty() || self.lanes == Wants::Collection
    }

    /// A lane wants something.
    pub(super) fn lanes_want(&mut self, wants: Wants) {
        self.lanes = self.lanes.max(wants);
    }

    /// Adds an event, or drops and counts it. True if the writer has to be woken.
    pub(super) fn append(&mut self, from: &Context, time: u64, at_us: u64, event: &Event<'_>) -> bool {
        let idle = self.is_empty();
        if !self.takes() {
            self.drop_events(1);
            return false;
        }
        self.tell_dropped();
        let start = self.current.len();
        self.shortener.write(&mut self.current, from, time, at_us, event);
        if self.current.len() - start > LINE_BYTES_MAX {
            self.current.truncate(start);
            self.shortener.forget();
            self.drop_events(1);
            // Something may stand here all the same: how many were dropped before.
            return idle && !self.is_empty();
        }
        self.summary.written += 1;
        self.cut_chunk() || idle
    }

    /// Adds the lines of a batch and empties it, or drops and counts its events. Whether they are in, and whether the
    /// writer has to be woken.
    pub(super) fn append_batch(&mut self, lines: &mut Vec<u8>, events: Summary) -> (bool, bool) {
        let idle = self.is_empty();
        let taken = self.takes();
        if taken {
            self.tell_dropped();
            self.current.extend_from_slice(lines);
            self.summary.written += events.written;
            self.summary.dropped += events.dropped;
        } else {
            self.drop_events(events.written + events.dropped);
        }
        lines.clear();
        (taken, taken && (self.cut_chunk() || idle))
    }

    /// Puts the chunk away when it is full.
    fn cut_chunk(&mut self) -> bool {
        let full = self.current.len() >= CHUNK_BYTES;
        if full {
            let next = self
                .spare
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES + LINE_BYTES_MAX));
            let chunk = std::mem::replace(&mut self.current, next);
            self.full_bytes += chunk.len();
            self.full.push_back(chunk);
        }
        full
    }

    /// Hands out what is to be written now: the full chunks, or what there is. Whoever asks collects the lanes, too.
    pub(super) fn take(&mut self) -> VecDeque<Vec<u8>> {
        self.tell_dropped();
        self.lanes = Wants::Nothing;
        let mut batch = std::mem::take(&mut self.full);
        self.full_bytes = 0;
        if batch.is_empty() || self.closing {
            let next = self.spare.pop().unwrap_or_default();
            batch.push_back(std::mem::replace(&mut self.current, next));
        }
        self.writing_bytes = batch.iter().map(Vec::len).sum();
        batch
    }

    /// Takes the chunks back that were written.
    pub(super) fn written(&mut self, chunks: VecDeque<Vec<u8>>) {
        self.writing_bytes = 0;
        for mut chunk in chunks {
            if self.spare.len() < SPARE_CHUNKS_MAX {
                chunk.clear();
                self.spare.push(chunk);
            }
        }
    }

    /// The file failed: what waits will never be written.
    pub(super) fn fail(&mut self, error: io::Error) {
        self.failed = Some(error);
        self.full.clear();
        self.full_bytes = 0;
        self.current = Vec::new();
    }

    fn takes(&self) -> bool {
        let waiting = self.full_bytes + self.current.len() + self.writing_bytes;
        !self.closing && self.failed.is_none() && waiting <= QUEUE_BYTES_MAX
    }

    fn drop_events(&mut self, count: u64) {
        self.summary.dropped += count;
        self.dropped_untold += count;
    }

    /// Puts a `dropped` record where events are missing.
    fn tell_dropped(&mut self) {
        let count = std::mem::take(&mut self.dropped_untold);
        if count > 0 {
            Record::Dropped(count).write(&mut self.current);
        }
    }
}

/// The wall clock, in microseconds since the Unix epoch.
pub(super) fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::facts::fact;
    use crate::trace::json::Frame;

    #[test]
    fn the_writer_is_woken_for_the_first_that_waits_whatever_it_is() {
        let mut queue = Queue::new(Numbers::default());
        let from = Context {
            source: 0,
            frame: Frame::new("P1", "other"),
        };
        let text = "x".repeat(LINE_BYTES_MAX);
        let facts = [fact("text", text.as_str())];
        let too_long = Event::local("a", &facts);
        assert!(!queue.append(&from, 1, 1, &too_long), "nothing waits yet");
        assert!(
            queue.append(&from, 2, 2, &too_long),
            "the first that was dropped waits"
        );
        assert!(
            !queue.append(&from, 3, 3, &Event::local("b", &[])),
            "once is enough"
        );
        let taken: Vec<u8> = queue.take().into_iter().flatten().collect();
        assert!(taken.starts_with(b"{\"dropped\":1}\n{"));
    }
}
