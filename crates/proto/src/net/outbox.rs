//! What waits to be written to one connection.
//!
//! A chunk is one or more whole lines in shared bytes: what a thousand connections are told is encoded and kept once.
//! Any task pushes; the connection's own task takes everything that is there and writes it with as few system calls
//! as possible.
//!
//! Two marks bound the queue. Above the *soft* mark whoever fills it should slow down ([`Outbox::relieved`]). Above
//! the *hard* mark it takes no more [events](Outbox::push); the service decides what becomes of them. Replies are
//! [always taken](Outbox::push_reply): a connection above its soft mark is not read from, so the requests of one batch bound
//! them.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{OUTBOX_HARD_BYTES_DEFAULT, OUTBOX_SOFT_BYTES_DEFAULT};

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

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    queue: Mutex<Queue>,
    relieved: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks` and in what the connection's task has taken and not yet written.
    bytes: usize,
    /// An event was refused since the queue was last found empty.
    overflowed: bool,
    closed: bool,
    /// When a byte was last written, or the queue began to fill.
    progress: Option<Instant>,
    /// Since when the queue is above its soft mark.
    pressing_since: Option<Instant>,
    writer: Option<Waker>,
}

impl Outbox {
    pub(super) fn new(limits: OutboxLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            queue: Mutex::default(),
            relieved: Notify::new(),
        }))
    }

    /// Queues an event: whole lines, each ended by a newline.
    pub fn push(&self, chunk: Bytes) -> Pushed {
        self.queue_up(chunk, self.0.limits.hard_bytes)
    }

    /// Queues a reply, whatever else is queued. Only for what this connection itself asked for.
    pub fn push_reply(&self, chunk: Bytes) -> Pushed {
        self.queue_up(chunk, usize::MAX)
    }

    /// Bytes pushed and not yet written.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether the queue is above its soft mark while its receiver still takes something: a byte within `stalled`,
    /// and the whole for no longer than `behind`. Waiting for such a receiver makes sense; waiting for one that does
    /// not read would only hold up the others.
    #[must_use]
    pub fn is_pressing(&self, stalled: Duration, behind: Duration) -> bool {
        let queue = self.lock();
        let within = |since: Option<Instant>, bound| since.is_some_and(|since| since.elapsed() <= bound);
        !queue.closed
            && queue.bytes > self.0.limits.soft_bytes
            && within(queue.progress, stalled)
            && within(queue.pressing_since, behind)
    }

    /// Waits until the queue is no longer above its soft mark, or the connection is over. Cancel safe.
    pub async fn relieved(&self) {
        loop {
            let mut relieved = pin!(self.0.relieved.notified());
            relieved.as_mut().enable();
            {
                let queue = self.lock();
                if queue.closed || queue.bytes <= self.0.limits.soft_bytes {
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

    fn queue_up(&self, chunk: Bytes, bytes_max: usize) -> Pushed {
        let soft_bytes = self.0.limits.soft_bytes;
        let (pushed, writer) = {
            let mut queue = self.lock();
            if queue.closed {
                return Pushed::Closed;
            }
            if queue.bytes + chunk.len() > bytes_max {
                queue.overflowed = true;
                return Pushed::Full;
            }
            if queue.bytes == 0 {
                queue.progress = Some(Instant::now());
            }
            queue.bytes += chunk.len();
            queue.chunks.push_back(chunk);
            let pressing = queue.bytes > soft_bytes;
            if pressing && queue.pressing_since.is_none() {
                queue.pressing_since = Some(Instant::now());
            }
            (
                if pressing { Pushed::Pressing } else { Pushed::Taken },
                queue.writer.take(),
            )
        };
        if let Some(writer) = writer {
            writer.wake();
        }
        pushed
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
        if chunks.is_empty() {
            std::mem::swap(chunks, &mut queue.chunks);
        } else {
            chunks.append(&mut queue.chunks);
        }
        Poll::Ready(())
    }

    /// Moves everything queued to the end of `chunks`.
    pub(super) fn take(&self, chunks: &mut VecDeque<Bytes>) {
        chunks.append(&mut self.lock().chunks);
    }

    /// Counts bytes that are to be written without having been queued here.
    pub(super) fn account_for(&self, bytes: usize) {
        let mut queue = self.lock();
        if queue.bytes == 0 {
            queue.progress = Some(Instant::now());
        }
        queue.bytes += bytes;
    }

    /// Counts `bytes` as written. True when the queue is empty now and has refused an event since it last was.
    pub(super) fn written(&self, bytes: usize) -> bool {
        let (relieved, drained) = {
            let mut queue = self.lock();
            queue.bytes -= bytes;
            queue.progress = Some(Instant::now());
            let relieved = queue.bytes <= self.0.limits.soft_bytes && queue.pressing_since.take().is_some();
            (
                relieved,
                queue.bytes == 0 && std::mem::take(&mut queue.overflowed),
            )
        };
        if relieved {
            self.0.relieved.notify_waiters();
        }
        drained
    }

    /// How long nothing was written although something is queued.
    pub(super) fn stalled_for(&self) -> Option<Duration> {
        let queue = self.lock();
        queue
            .progress
            .filter(|_| queue.bytes > 0)
            .map(|since| since.elapsed())
    }

    pub(super) fn is_above_soft(&self) -> bool {
        self.lock().bytes > self.0.limits.soft_bytes
    }

    /// Ends the queue: nothing is taken any more, and what is left is dropped.
    pub(super) fn close(&self) {
        {
            let mut queue = self.lock();
            queue.closed = true;
            queue.chunks = VecDeque::new();
            queue.writer = None;
        }
        self.0.relieved.notify_waiters();
    }

    /// The queue is consistent after every statement, so a panic elsewhere while it was held does no harm to it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
