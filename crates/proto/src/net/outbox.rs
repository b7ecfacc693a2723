//! What waits to be written to one connection.
//!
//! A chunk is one or more whole lines in shared bytes: what a thousand connections are told is encoded and kept once.
//! Any task pushes; the connection's own task takes everything that is there and writes it with as few system calls
//! as possible. Where little is said to few, waking a hundred tasks costs more than writing to them: whoever
//! [defers](Outbox::defer) an event [delivers](Outbox::deliver) it from its own thread, and only what the socket does
//! not take at once is left to the task.
//!
//! Two marks bound the queue. Above the *soft* mark whoever fills it should slow down ([`Outbox::relieved`]). Above
//! the *hard* mark it takes no more [events](Outbox::push); the service decides what becomes of them. Replies are
//! [always taken](Outbox::push_reply): a connection above its soft mark is not read from, so the requests of one batch bound
//! them.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::socket::SharedWriter;
use crate::limits::{DELIVER_CHUNKS_MAX, OUTBOX_HARD_BYTES_DEFAULT, OUTBOX_SOFT_BYTES_DEFAULT};

/// The handle by which a connection is told things. Cloning is cheap; all clones are one queue.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Shared>);

/// The two marks, in queued bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Above this, writers should slow down.
    pub soft_bytes: usize,
    /// Above this, no event is taken.
    pub hard_bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            soft_bytes: OUTBOX_SOFT_BYTES_DEFAULT,
            hard_bytes: OUTBOX_HARD_BYTES_DEFAULT,
        }
    }
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a chunk that was not taken will never be seen by its receiver"]
pub enum Pushed {
    /// Queued.
    Taken,
    /// Queued, and the queue is above its soft mark: slow down.
    Pressing,
    /// Not queued: the queue is above its hard mark. The connection's task will be told once it has
    /// [drained](super::Turn::Drained).
    Full,
    /// Not queued: the connection is over.
    Closed,
}

/// How long whoever fills a queue waits for its receiver. Only what the receiver's socket refuses counts against it:
/// while we are the slow ones, it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long it may take nothing at all.
    pub stalled: Duration,
    /// How long it may take something, but leave the queue above its soft mark.
    pub behind: Duration,
}

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    queue: Mutex<Queue>,
    relieved: Notify,
}

#[derive(Debug, Default)]
struct Queue {
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

impl Outbox {
    pub(super) fn new(limits: OutboxLimits, socket: Option<SharedWriter>) -> Self {
        let queue = Queue {
            socket,
            ..Queue::default()
        };
        Self(Arc::new(Shared {
            limits,
            queue: Mutex::new(queue),
            relieved: Notify::new(),
        }))
    }

    /// Queues an event: whole lines, each ended by a newline.
    pub fn push(&self, chunk: Bytes) -> Pushed {
        self.push_within(chunk, self.0.limits.hard_bytes)
    }

    /// Queues a reply, whatever else is queued. Only for what this connection itself asked for.
    pub fn push_reply(&self, chunk: Bytes) -> Pushed {
        self.push_within(chunk, usize::MAX)
    }

    /// Queues an event as [`push`](Self::push) does, but wakes nobody: [`deliver`](Self::deliver) has to follow, and
    /// soon.
    pub fn defer(&self, chunk: Bytes) -> Pushed {
        self.lock()
            .take_in(chunk, &self.0.limits, self.0.limits.hard_bytes)
    }

    /// Writes what was deferred from the calling thread, as far as the socket takes it at once; the rest is left to the
    /// connection's task. Never waits.
    pub fn deliver(&self) {
        let mut queue = self.lock();
        queue.write_now();
        let writer = match queue.chunks.is_empty() {
            true => None,
            false => queue.writer.take(),
        };
        drop(queue);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Bytes pushed and not yet written.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Whether the queue is above its soft mark and its receiver follows all the same: whoever fills it should wait.
    #[must_use]
    pub fn is_worth_waiting_for(&self, patience: Patience) -> bool {
        self.rest_of(patience).is_some()
    }

    /// Waits until the queue is no longer above its soft mark, as long as that makes sense: waiting for a receiver
    /// that does not read, or only so slowly, would hold up all the others. Cancel safe.
    pub async fn relieved_within(&self, patience: Patience) {
        while let Some(rest) = self.rest_of(patience) {
            let _ = tokio::time::timeout(rest, self.relieved()).await;
        }
    }

    /// Waits until the queue is no longer above its soft mark, or the connection is over. Cancel safe.
    pub async fn relieved(&self) {
        loop {
            let mut relieved = pin!(self.0.relieved.notified());
            relieved.as_mut().enable();
            {
                let queue = self.lock();
                if queue.closed || queue.bytes() <= self.0.limits.soft_bytes {
                    return;
                }
            }
            relieved.await;
        }
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Queues a reply without waking the connection's task: it is the one that calls this.
    pub(super) fn queue_own(&self, chunk: Bytes) {
        let _ = self.lock().take_in(chunk, &self.0.limits, usize::MAX);
    }

    fn push_within(&self, chunk: Bytes, bytes_max: usize) -> Pushed {
        let mut queue = self.lock();
        let pushed = queue.take_in(chunk, &self.0.limits, bytes_max);
        let writer = match pushed {
            Pushed::Taken | Pushed::Pressing => queue.writer.take(),
            Pushed::Full | Pushed::Closed => None,
        };
        drop(queue);
        if let Some(writer) = writer {
            writer.wake();
        }
        pushed
    }

    /// How long its receiver is still to be waited for; nothing when that makes no sense or is not needed.
    fn rest_of(&self, patience: Patience) -> Option<Duration> {
        let queue = self.lock();
        if queue.closed || queue.bytes() <= self.0.limits.soft_bytes {
            return None;
        }
        let rest = |since: Option<Instant>, bound: Duration| {
            since.map_or(Some(bound), |since| bound.checked_sub(since.elapsed()))
        };
        let rest =
            rest(queue.refused_since, patience.stalled)?.min(rest(queue.behind_since, patience.behind)?);
        (!rest.is_zero()).then_some(rest)
    }

    /// Moves everything queued to the end of `chunks`; pending when there is nothing.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>, chunks: &mut VecDeque<Bytes>) -> Poll<()> {
        let mut queue = self.lock();
        if queue.chunks.is_empty() {
            if !queue
                .writer
                .as_ref()
                .is_some_and(|writer| writer.will_wake(cx.waker()))
            {
                queue.writer = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        queue.claim(chunks);
        Poll::Ready(())
    }

    /// Moves everything queued to the end of `chunks`.
    pub(super) fn take(&self, chunks: &mut VecDeque<Bytes>) {
        self.lock().claim(chunks);
    }

    /// Counts bytes that are to be written without having been queued here.
    pub(super) fn account_for(&self, bytes: usize) {
        let mut queue = self.lock();
        queue.begin_to_fill();
        queue.claimed += bytes;
    }

    /// Counts `bytes` of what was taken as written. True when the queue is empty now and has refused an event since it
    /// last was.
    pub(super) fn written(&self, bytes: usize) -> bool {
        metrics::counter!("sent_bytes_total").increment(bytes as u64);
        let (relieved, drained) = {
            let mut queue = self.lock();
            queue.claimed -= bytes;
            queue.progress = Some(Instant::now());
            queue.refused_since = None;
            let relieved = queue.pressing && queue.bytes() <= self.0.limits.soft_bytes;
            if relieved {
                queue.pressing = false;
                queue.behind_since = None;
            }
            (
                relieved,
                queue.bytes() == 0 && std::mem::take(&mut queue.overflowed),
            )
        };
        if relieved {
            self.0.relieved.notify_waiters();
        }
        drained
    }

    /// The socket takes nothing more for now.
    pub(super) fn refused(&self) {
        let mut queue = self.lock();
        let now = Instant::now();
        queue.refused_since.get_or_insert(now);
        if queue.bytes() > self.0.limits.soft_bytes {
            queue.behind_since.get_or_insert(now);
        }
    }

    /// How long nothing was written although something is queued.
    pub(super) fn stalled_for(&self) -> Option<Duration> {
        let queue = self.lock();
        queue
            .progress
            .filter(|_| queue.bytes() > 0)
            .map(|since| since.elapsed())
    }

    pub(super) fn is_above_soft(&self) -> bool {
        self.lock().bytes() > self.0.limits.soft_bytes
    }

    /// Ends the queue: nothing is taken any more, and what is left is dropped.
    pub(super) fn close(&self) {
        {
            let mut queue = self.lock();
            queue.closed = true;
            queue.chunks = VecDeque::new();
            queue.queued = 0;
            queue.writer = None;
            queue.socket = None;
        }
        self.0.relieved.notify_waiters();
    }

    /// The queue is consistent after every statement, so a panic elsewhere while it was held does no harm to it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn bytes(&self) -> usize {
        self.queued + self.claimed
    }

    fn take_in(&mut self, chunk: Bytes, limits: &OutboxLimits, bytes_max: usize) -> Pushed {
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
        let pressing = self.bytes() > limits.soft_bytes;
        self.pressing |= pressing;
        if pressing { Pushed::Pressing } else { Pushed::Taken }
    }

    fn begin_to_fill(&mut self) {
        if self.bytes() == 0 {
            self.progress = Some(Instant::now());
        }
    }

    fn claim(&mut self, chunks: &mut VecDeque<Bytes>) {
        if chunks.is_empty() {
            std::mem::swap(chunks, &mut self.chunks);
        } else {
            chunks.append(&mut self.chunks);
        }
        self.claimed += std::mem::take(&mut self.queued);
    }

    /// Writes what is queued, if nothing has to go before it and the socket takes something.
    fn write_now(&mut self) {
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
