//! What waits to be written: chunks of whole lines, bounded together.

use std::collections::VecDeque;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::trace::event::{Event, Record, Summary};
use crate::trace::json::Frame;
use crate::trace::limits::{CHUNK_BYTES, LINE_BYTES_MAX, QUEUE_BYTES_MAX, SPARE_CHUNKS_MAX};

/// The lines that wait. Its lock is held only to append, or to exchange chunks.
#[derive(Default)]
pub(super) struct Queue {
    /// The chunk being filled; grows no further than [`CHUNK_BYTES`] and one line.
    current: Vec<u8>,
    full: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    /// Chunks taken by the writer and not written yet still count against the bound.
    writing_bytes: usize,
    pub(super) summary: Summary,
    /// Events dropped that the file does not tell about yet.
    dropped_untold: u64,
    pub(super) closing: bool,
    pub(super) failed: Option<io::Error>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty() && self.full.is_empty()
    }

    /// Whether a full chunk waits, which is not to wait for company.
    pub(super) fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Adds an event, or drops and counts it. True if the writer has to be woken.
    pub(super) fn append(&mut self, frame: &Frame, time: u64, event: &Event<'_>) -> bool {
        let idle = self.is_empty();
        if self.closing || self.failed.is_some() || self.waiting_bytes() > QUEUE_BYTES_MAX {
            self.drop_one();
            return false;
        }
        self.tell_dropped();
        let start = self.current.len();
        frame.write(&mut self.current, time, now_us(), event);
        if self.current.len() - start > LINE_BYTES_MAX {
            self.current.truncate(start);
            self.drop_one();
            return false;
        }
        self.summary.written += 1;
        let full = self.current.len() >= CHUNK_BYTES;
        if full {
            let next = self
                .spare
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES + LINE_BYTES_MAX));
            let chunk = std::mem::replace(&mut self.current, next);
            self.full.push_back(chunk);
        }
        idle || full
    }

    /// Hands out what is to be written now: the full chunks, or what there is.
    pub(super) fn take(&mut self) -> VecDeque<Vec<u8>> {
        self.tell_dropped();
        let mut batch = std::mem::take(&mut self.full);
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
        self.current = Vec::new();
    }

    fn waiting_bytes(&self) -> usize {
        self.full.len() * CHUNK_BYTES + self.current.len() + self.writing_bytes
    }

    fn drop_one(&mut self) {
        self.summary.dropped += 1;
        self.dropped_untold += 1;
    }

    /// Puts a `dropped` record where events are missing.
    fn tell_dropped(&mut self) {
        let count = std::mem::take(&mut self.dropped_untold);
        if count > 0 {
            Record::Dropped(count).write(&mut self.current);
        }
    }
}

fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}
