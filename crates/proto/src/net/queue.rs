//! What an outbox keeps under its lock: the chunks, how much of them waits, and how well their receiver follows.
//!
//! It wakes and waits for nobody; that is the [`Outbox`](super::outbox::Outbox)'s part. It is consistent after every
//! statement, so a panic elsewhere while the lock was held does no harm to it.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::task::Waker;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::outbox::{OutboxLimits, Patience, Pushed};
use super::socket::SharedWriter;
use crate::limits::DELIVER_CHUNKS_MAX;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Queue {
    limits: OutboxLimits,
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`.
    queued: usize,
    /// Bytes that the connection's task has taken and not yet written.
    claimed: usize,
    /// An event was refused since the queue was last found empty.
    overflowed: bool,
    closed: bool,
    /// When a byte was last written, or the queue began to fill.
    progress: Option<Instant>,
    /// The queue was found above its soft mark, and its receiver has not been relieved since.
    pressing: bool,
    /// Since when the socket takes nothing.
    refused_since: Option<Instant>,
    /// Since when the queue is above its soft mark because the socket did not take everything.
    behind_since: Option<Instant>,
    writer: Option<Waker>,
    /// Where any task may write while the connection's own has nothing to write.
    socket: Option<SharedWriter>,
}

/// What the writing of some bytes brought about.
pub(super) struct Written {
    /// Whoever waits for the queue to come below its soft mark may go on.
    pub(super) relieved: bool,
    /// The queue is empty now and has refused an event since it last was.
    pub(super) drained: bool,
}

impl Queue {
    pub(super) fn new(limits: OutboxLimits, socket: Option<SharedWriter>) -> Self {
        Self {
            limits,
            chunks: VecDeque::new(),
            queued: 0,
            claimed: 0,
            overflowed: false,
            closed: false,
            progress: None,
            pressing: false,
            refused_since: None,
            behind_since: None,
            writer: None,
            socket,
        }
    }

    /// Bytes pushed and not yet written.
    pub(super) fn bytes(&self) -> usize {
        self.queued + self.claimed
    }

    /// Takes a chunk in as long as no more than `bytes_max` wait then.
    pub(super) fn take_in(&mut self, chunk: Bytes, bytes_max: usize) -> Pushed {
        if self.closed {
            return Pushed::Closed;
        }
        if self.bytes() + chunk.len() > bytes_max {
            self.overflowed = true;
            return Pushed::Full;
        }
        self.begin_to_fill();
        self.queued += chunk.len();
        self.chunks.push_back(chunk);
        let pressing = self.is_above_soft();
        self.pressing |= pressing;
        if pressing {
            Pushed::Pressing
        } else {
            Pushed::Queued
        }
    }

    /// Moves everything queued to the end of `chunks`, to be written by the caller.
    pub(super) fn claim(&mut self, chunks: &mut VecDeque<Bytes>) {
        if chunks.is_empty() {
            std::mem::swap(chunks, &mut self.chunks);
        } else {
            chunks.append(&mut self.chunks);
        }
        self.claimed += std::mem::take(&mut self.queued);
    }

    /// Writes what is queued, if nothing has to go before it and the socket takes something.
    pub(super) fn write_now(&mut self) {
        // A queue that has refused an event is emptied by its task, which has to tell of it.
        let is_first = self.claimed == 0 && !self.overflowed && !self.pressing;
        let Some(socket) = self
            .socket
            .as_ref()
            .filter(|_| is_first && !self.chunks.is_empty())
        else {
            return;
        };
        let mut slices = [IoSlice::new(&[]); DELIVER_CHUNKS_MAX];
        let count = self.chunks.len().min(slices.len());
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
        }
        // A broken stream is for the task to find.
        let Ok(written @ 1..) = socket.write_now(&slices[..count]) else {
            return;
        };
        metrics::counter!("sent_bytes_total").increment(written as u64);
        discard(&mut self.chunks, written);
        self.queued -= written;
        if self.queued > 0 {
            self.progress = Some(Instant::now());
        }
    }

    pub(super) fn is_above_soft(&self) -> bool {
        self.bytes() > self.limits.soft_bytes
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether something waits that nobody has claimed.
    pub(super) fn has_unclaimed(&self) -> bool {
        !self.chunks.is_empty()
    }

    /// Who is to be woken to write, if they asked for it.
    pub(super) fn take_writer(&mut self) -> Option<Waker> {
        self.writer.take()
    }

    /// Remembers who is to be woken once there is something to write.
    pub(super) fn remember_writer(&mut self, writer: &Waker) {
        if !self.writer.as_ref().is_some_and(|known| known.will_wake(writer)) {
            self.writer = Some(writer.clone());
        }
    }

    /// Counts bytes that are to be written without having been queued here.
    pub(super) fn account_for(&mut self, bytes: usize) {
        self.begin_to_fill();
        self.claimed += bytes;
    }

    /// Counts `bytes` of what was claimed as written.
    pub(super) fn written(&mut self, bytes: usize) -> Written {
        self.claimed -= bytes;
        self.progress = Some(Instant::now());
        self.refused_since = None;
        let relieved = self.pressing && !self.is_above_soft();
        if relieved {
            self.pressing = false;
            self.behind_since = None;
        }
        let drained = self.bytes() == 0 && std::mem::take(&mut self.overflowed);
        Written { relieved, drained }
    }

    /// The socket takes nothing more for now.
    pub(super) fn refused(&mut self) {
        let now = Instant::now();
        self.refused_since.get_or_insert(now);
        if self.is_above_soft() {
            self.behind_since.get_or_insert(now);
        }
    }

    /// How long nothing was written although something is queued.
    pub(super) fn stalled_for(&self) -> Option<Duration> {
        self.progress
            .filter(|_| self.bytes() > 0)
            .map(|since| since.elapsed())
    }

    /// How long its receiver is still to be waited for; nothing when that makes no sense or is not needed.
    pub(super) fn rest_of(&self, patience: Patience) -> Option<Duration> {
        if self.closed || !self.is_above_soft() {
            return None;
        }
        let rest = |since: Option<Instant>, bound: Duration| {
            since.map_or(Some(bound), |since| bound.checked_sub(since.elapsed()))
        };
        let rest = rest(self.refused_since, patience.stalled)?.min(rest(self.behind_since, patience.behind)?);
        (!rest.is_zero()).then_some(rest)
    }

    /// Nothing is taken any more, and what is left is dropped.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.chunks = VecDeque::new();
        self.queued = 0;
        self.writer = None;
        self.socket = None;
    }

    fn begin_to_fill(&mut self) {
        if self.bytes() == 0 {
            self.progress = Some(Instant::now());
        }
    }
}

/// Removes the first `written` bytes from the front of `chunks`, which hold at least as many.
pub(super) fn discard(chunks: &mut VecDeque<Bytes>, mut written: usize) {
    while written > 0 {
        let chunk = chunks.front_mut().expect("no more is written than was there");
        if written < chunk.len() {
            return chunk.advance(written);
        }
        written -= chunk.len();
        chunks.pop_front();
    }
}
