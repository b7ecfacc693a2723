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
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::queue::{Queue, Written};
use super::socket::SharedWriter;
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
#[must_use = "a chunk that was not queued will never be seen by its receiver"]
pub enum Pushed {
    /// Queued.
    Queued,
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

impl Outbox {
    pub(super) fn new(limits: OutboxLimits, socket: Option<SharedWriter>) -> Self {
        Self(Arc::new(Shared {
            limits,
            queue: Mutex::new(Queue::new(limits, socket)),
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
        self.lock().take_in(chunk, self.0.limits.hard_bytes)
    }

    /// Writes what was deferred from the calling thread, as far as the socket takes it at once; the rest is left to the
    /// connection's task. Never waits.
    pub fn deliver(&self) {
        let mut queue = self.lock();
        queue.write_now();
        let writer = queue.has_unclaimed().then(|| queue.take_writer()).flatten();
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
                if queue.is_closed() || !queue.is_above_soft() {
                    return;
                }
            }
            relieved.await;
        }
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed()
    }

    /// Queues a reply without waking the connection's task: it is the one that calls this.
    pub(super) fn queue_own(&self, chunk: Bytes) {
        let _ = self.lock().take_in(chunk, usize::MAX);
    }

    fn push_within(&self, chunk: Bytes, bytes_max: usize) -> Pushed {
        let mut queue = self.lock();
        let pushed = queue.take_in(chunk, bytes_max);
        let writer = match pushed {
            Pushed::Queued | Pushed::Pressing => queue.take_writer(),
            Pushed::Full | Pushed::Closed => None,
        };
        drop(queue);
        if let Some(writer) = writer {
            writer.wake();
        }
        pushed
    }

    /// Gives the lock back before the caller awaits.
    fn rest_of(&self, patience: Patience) -> Option<Duration> {
        self.lock().rest_of(patience)
    }

    /// Moves everything queued to the end of `chunks`; pending when there is nothing.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>, chunks: &mut VecDeque<Bytes>) -> Poll<()> {
        let mut queue = self.lock();
        if !queue.has_unclaimed() {
            queue.remember_writer(cx.waker());
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
        self.lock().account_for(bytes);
    }

    /// Counts `bytes` of what was taken as written. True when the queue is empty now and has refused an event since it
    /// last was.
    pub(super) fn written(&self, bytes: usize) -> bool {
        metrics::counter!("sent_bytes_total").increment(bytes as u64);
        let Written { relieved, drained } = self.lock().written(bytes);
        if relieved {
            self.0.relieved.notify_waiters();
        }
        drained
    }

    /// The socket takes nothing more for now.
    pub(super) fn refused(&self) {
        self.lock().refused();
    }

    /// How long nothing was written although something is queued.
    pub(super) fn stalled_for(&self) -> Option<Duration> {
        self.lock().stalled_for()
    }

    pub(super) fn is_above_soft(&self) -> bool {
        self.lock().is_above_soft()
    }

    /// Ends the queue: nothing is taken any more, and what is left is dropped.
    pub(super) fn close(&self) {
        self.lock().close();
        self.0.relieved.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
