//! The writing side of a connection: what its [`Outbox`] holds goes to the stream with as few system calls as possible.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt as _;
use tokio::task::unconstrained;

use super::deadlines::Deadlines;
use super::outbox::Outbox;
use super::queue;
use super::socket::Socket;
use super::turn::Closed;
use crate::limits::WRITE_CHUNKS_MAX;

/// See the [module](self).
pub(super) struct Outbound {
    outbox: Outbox,
    /// Taken from the outbox and not yet written.
    writing: VecDeque<Bytes>,
    /// The outbox is empty again after it had refused an event: still to be told.
    drained: bool,
}

impl Outbound {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self {
            outbox,
            writing: VecDeque::new(),
            drained: false,
        }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes everything queued so far out of the outbox.
    pub(super) fn claim(&mut self) {
        self.outbox.take(&mut self.writing);
    }

    /// Adds lines after those claimed, before those still in the outbox.
    pub(super) fn add(&mut self, chunk: Bytes) {
        self.outbox.account_for(chunk.len());
        self.writing.push_back(chunk);
    }

    /// Whether the outbox has drained after having refused an event, since this was last asked.
    pub(super) fn has_drained(&mut self) -> bool {
        std::mem::take(&mut self.drained)
    }

    /// Writes what is there. Ready with `Ok` when the outbox [has drained](Self::has_drained); pending when everything is
    /// written or the peer takes no more for now.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Socket,
        deadlines: &mut Deadlines,
    ) -> Poll<Result<(), Closed>> {
        loop {
            // Taking also leaves our waker when the queue is empty.
            if self.writing.len() < WRITE_CHUNKS_MAX
                && self.outbox.poll_take(cx, &mut self.writing).is_pending()
                && self.writing.is_empty()
            {
                return Poll::Pending;
            }
            if ready!(self.poll_write_some(cx, stream, deadlines))? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes until everything [claimed](Self::claim) and [added](Self::add) is written, and nothing that is still in
    /// the outbox; pending while the peer takes no more.
    pub(super) fn poll_write_claimed(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Socket,
        deadlines: &mut Deadlines,
    ) -> Poll<Result<(), Closed>> {
        while !self.writing.is_empty() {
            ready!(self.poll_write_some(cx, stream, deadlines))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a line around the outbox, if nothing would have to go before it and the stream takes it at once.
    pub(super) fn write_last(&mut self, line: &[u8], stream: &mut Socket) {
        if self.outbox.queued_bytes() == 0 {
            // There is no later: not even for a task that has done what the runtime allows at a stretch.
            let write = unconstrained(poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(line)])));
            let _ = write.now_or_never();
        }
    }

    /// Writes the beginning of what is claimed. True when that drained the outbox.
    fn poll_write_some(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Socket,
        deadlines: &mut Deadlines,
    ) -> Poll<Result<bool, Closed>> {
        let mut slices = [IoSlice::new(&[]); WRITE_CHUNKS_MAX];
        let count = self.writing.len().min(slices.len());
        for (slice, chunk) in slices.iter_mut().zip(&self.writing) {
            *slice = IoSlice::new(chunk);
        }
        match stream.poll_write(cx, &slices[..count]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(Closed::Lost(io::ErrorKind::WriteZero))),
            Poll::Ready(Ok(written)) => {
                self.discard(written);
                let drained = self.outbox.written(written);
                self.drained |= drained;
                Poll::Ready(Ok(drained))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Closed::Lost(error.kind()))),
            Poll::Pending => {
                self.outbox.refused();
                deadlines.mind_stall();
                Poll::Pending
            }
        }
    }

    fn discard(&mut self, written: usize) {
        queue::discard(&mut self.writing, written);
        // A burst must not leave its room behind in ten thousand idle connections.
        if self.writing.is_empty() && self.writing.capacity() > WRITE_CHUNKS_MAX {
            self.writing = VecDeque::new();
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.outbox.close();
    }
}
