//! One connection, seen from the task that owns it.
//!
//! [`Connection::turn`] does everything a connection has to do at once: it writes what the [`Outbox`] holds, reads
//! what arrives, keeps the connection alive, and minds its deadlines; it returns when there is something to decide.
//! Its two sides and its deadlines have files of their own; here is who acts on all three.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use super::deadlines::{Deadlines, Due};
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::outbox::{Outbox, OutboxLimits};
use super::shutdown::{Shutdown, Step, Watch};
use super::socket::Socket;
use super::stream::{PeerAddress, Stream};
use super::turn::{Closed, Turn};
use crate::envelope::Refusal;
use crate::error::{Code, WireError, codes};
use crate::limits;
use crate::writer::LineWriter;

/// The bounds of one connection. `None` means no bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// Longest line in bytes; a service may [change it](Connection::set_line_bytes_max) later.
    pub line_bytes_max: usize,
    /// Time from the opening to [`Connection::establish`].
    pub handshake: Option<Duration>,
    /// Silence after which a ping is sent.
    pub ping_interval: Option<Duration>,
    /// Silence after which the connection is over.
    pub idle: Option<Duration>,
    /// Time without progress in writing after which the connection is over.
    pub write_stall: Option<Duration>,
    /// The marks of the outbox.
    pub outbox: OutboxLimits,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            line_bytes_max: limits::LINE_BYTES_MAX,
            handshake: Some(limits::HANDSHAKE_DEFAULT),
            ping_interval: Some(limits::PING_INTERVAL_DEFAULT),
            idle: Some(limits::IDLE_DEFAULT),
            write_stall: Some(limits::WRITE_STALL_DEFAULT),
            outbox: OutboxLimits::default(),
        }
    }
}

/// A connection and the only task that reads from it and writes to it.
///
/// Dropping it closes the stream and its [`Outbox`].
pub struct Connection {
    id: Arc<str>,
    peer: PeerAddress,
    inbound: Inbound,
    outbound: Outbound,
    stream: Socket,
    deadlines: Deadlines,
    framing_errors: u32,
    /// The peer has closed its end: what it was owed by then is still written, and nothing else is done.
    parting: bool,
    shutdown: Watch,
    /// [`Turn::ShuttingDown`] was told.
    told_of_shutdown: bool,
    /// What the accept loop wants to have dropped together with the connection.
    _admission: Option<Box<dyn Send + Sync>>,
}

impl Connection {
    /// A connection over `stream`. `id` names it in traces and logs.
    #[must_use]
    pub fn new(
        stream: Stream,
        peer: PeerAddress,
        id: Arc<str>,
        settings: Arc<ConnectionSettings>,
        shutdown: &Shutdown,
    ) -> Self {
        let stream = Socket::from(stream);
        Self {
            id,
            peer,
            inbound: Inbound::new(settings.line_bytes_max),
            outbound: Outbound::new(Outbox::new(settings.outbox, stream.shared_writer())),
            stream,
            deadlines: Deadlines::new(settings),
            framing_errors: 0,
            parting: false,
            shutdown: shutdown.watch(),
            told_of_shutdown: false,
            _admission: None,
        }
    }

    pub(super) fn admit(&mut self, admission: Box<dyn Send + Sync>) {
        self._admission = Some(admission);
    }

    /// The text that names this connection in traces and logs.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Where it comes from.
    #[must_use]
    pub fn peer(&self) -> PeerAddress {
        self.peer
    }

    /// The handle by which any task tells this connection something.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        self.outbound.outbox()
    }

    /// The peer has joined or logged in: the handshake deadline no longer applies.
    pub fn establish(&mut self) {
        self.deadlines.establish();
    }

    /// Changes the bound on lines that arrive from now on.
    pub fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        self.inbound.set_line_bytes_max(line_bytes_max);
    }

    /// Changes the bound on the time without progress in writing. `None` means no bound.
    pub fn set_write_stall(&mut self, bound: Option<Duration>) {
        let stalled_for = self.outbox().stalled_for();
        self.deadlines.set_write_stall(bound, stalled_for);
    }

    /// Reads, writes and waits until there is something to decide.
    ///
    /// Cancel safe: nothing read or queued is lost when the future is dropped. While the outbox is above its soft
    /// mark nothing is read: who does not take its replies cannot ask for more.
    pub async fn turn(&mut self) -> Turn {
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    /// Runs `work` while it goes on writing, but does not read: what arrives waits, and the silence is not the peer's.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection is over before `work` is done.
    pub async fn write_while<F: Future>(&mut self, work: F) -> Result<F::Output, Closed> {
        let mut work = std::pin::pin!(work);
        let mut waits = false;
        poll_fn(|cx| {
            let polled = work.as_mut().poll(cx);
            waits |= polled.is_pending();
            if waits {
                self.deadlines.pardon_silence();
            }
            if let Poll::Ready(done) = polled {
                return Poll::Ready(Ok(done));
            }
            if self.shutdown.poll_step(cx) == Step::CutOff {
                return Poll::Ready(Err(Closed::CutOff));
            }
            if let Poll::Ready(Err(closed)) = self.poll_write_through(cx) {
                return Poll::Ready(Err(closed));
            }
            self.poll_deadlines(cx).map(Err)
        })
        .await
    }

    /// Writes until the outbox is not above its soft mark any more. Before an answer that may be large: otherwise one batch of short
    /// requests could have any amount of answers queued that nobody reads.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection is over before that.
    pub async fn relieve(&mut self) -> Result<(), Closed> {
        let outbox = self.outbox().clone();
        self.write_while(outbox.relieved()).await
    }

    /// Writes until everything queued is written.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection is over before that.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        let outbox = self.outbox().clone();
        poll_fn(|cx| {
            if self.shutdown.poll_step(cx) == Step::CutOff {
                return Poll::Ready(Err(Closed::CutOff));
            }
            if let Poll::Ready(Err(closed)) = self.poll_write_through(cx) {
                return Poll::Ready(Err(closed));
            }
            if outbox.queued_bytes() == 0 {
                return Poll::Ready(Ok(()));
            }
            self.poll_deadlines(cx).map(Err)
        })
        .await
    }

    /// Writes everything queued and tells the peer that nothing follows.
    pub async fn finish(mut self) {
        if self.flush().await.is_ok() {
            // The peer may be gone already; then there is nobody left to tell.
            let _ = self.stream.shutdown().await;
        }
    }

    /// Queues lines for this connection itself, whatever else is queued; the next turn writes them. Unlike
    /// [`Outbox::push_reply`] it wakes nobody: who calls this is the one to be woken.
    pub fn queue(&mut self, lines: Bytes) {
        self.outbox().queue_own(lines);
    }

    /// Takes everything queued so far out of the outbox, to be written next. What is pushed later comes after what
    /// [`write_next`](Self::write_next) adds.
    pub fn claim_queued(&mut self) {
        self.outbound.claim();
    }

    /// Adds lines after those [claimed](Self::claim_queued), before those still in the outbox.
    pub fn write_next(&mut self, chunk: Bytes) {
        self.outbound.add(chunk);
    }

    /// Writes until everything [claimed](Self::claim_queued) and [added](Self::write_next) is written, and nothing
    /// that is still in the outbox.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection is over before that.
    pub async fn flush_claimed(&mut self) -> Result<(), Closed> {
        poll_fn(|cx| {
            if self.shutdown.poll_step(cx) == Step::CutOff {
                return Poll::Ready(Err(Closed::CutOff));
            }
            let written = self
                .outbound
                .poll_write_claimed(cx, &mut self.stream, &mut self.deadlines);
            match written {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => self.poll_deadlines(cx).map(Err),
            }
        })
        .await
    }

    /// Answers a refused line: a reply where the request's id is known, otherwise an error event. `lamport` is the
    /// stamp of this sending. False when the connection has broken the framing too often and should be ended.
    #[must_use]
    pub fn refuse(&mut self, lamport: u64, refusal: &Refusal) -> bool {
        let mut line = Vec::new();
        match refusal.id {
            Some(id) => LineWriter::error_reply(&mut line, lamport, id, &refusal.error),
            None => LineWriter::error_event(&mut line, lamport, &refusal.error),
        }
        self.queue(line.into());
        self.framing_errors += u32::from(refusal.framing);
        self.framing_errors < limits::FRAME_ERRORS_MAX
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let step = self.shutdown.poll_step(cx);
        if step == Step::CutOff {
            return Poll::Ready(Turn::Closed(Closed::CutOff));
        }
        if self.parting {
            return self.poll_part(cx).map(Turn::Closed);
        }
        if let Poll::Ready(Err(closed)) = self.poll_write(cx) {
            return Poll::Ready(Turn::Closed(closed));
        }
        if self.outbound.has_drained() {
            return Poll::Ready(Turn::Drained);
        }
        if step == Step::Begun && !std::mem::replace(&mut self.told_of_shutdown, true) {
            return Poll::Ready(Turn::ShuttingDown);
        }
        if !self.outbox().is_above_soft()
            && let Poll::Ready(turn) = self.poll_read(cx)
        {
            return Poll::Ready(turn);
        }
        let closed = self.poll_deadlines(cx);
        // A ping's write may have been the one that drained the outbox; nobody would wake us to tell.
        if closed.is_pending() && self.outbound.has_drained() {
            return Poll::Ready(Turn::Drained);
        }
        closed.map(Turn::Closed)
    }

    /// Writes what is there, as [`Outbound::poll_write`] does.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.outbound
            .poll_write(cx, &mut self.stream, &mut self.deadlines)
    }

    /// Writes what is there and goes on when the outbox has drained: that is told at the next turn.
    fn poll_write_through(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        loop {
            ready!(self.poll_write(cx))?;
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            match ready!(self.inbound.poll_read(cx, &mut self.stream)) {
                Ok(batch) => {
                    self.deadlines.heard(|| self.outbound.outbox().stalled_for());
                    if let Some(batch) = batch {
                        return Poll::Ready(Turn::Received(batch));
                    }
                }
                Err(Closed::Ended) => {
                    self.parting = true;
                    self.outbound.claim();
                    return self.poll_part(cx).map(Turn::Closed);
                }
                Err(closed) => return Poll::Ready(Turn::Closed(closed)),
            }
        }
    }

    /// Writes what the peer was owed when it closed its end: it sends nothing more, but it may still read.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        let written = self
            .outbound
            .poll_write_claimed(cx, &mut self.stream, &mut self.deadlines);
        match written {
            // An error says that it reads nothing more either.
            Poll::Ready(_) => Poll::Ready(Closed::Ended),
            Poll::Pending => self.poll_deadlines(cx),
        }
    }

    /// Minds the deadlines and sends pings.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            ready!(self.deadlines.poll_timer(cx));
            let stalled_for = self.outbox().stalled_for();
            match self.deadlines.due(stalled_for) {
                Some(Due::Close(closed)) => {
                    self.explain(closed);
                    return Poll::Ready(closed);
                }
                Some(Due::Ping) => {
                    self.queue(Bytes::from_static(b"{\"event\":\"ping\"}\n"));
                    if let Poll::Ready(Err(closed)) = self.poll_write_through(cx) {
                        return Poll::Ready(closed);
                    }
                }
                None => {}
            }
            let stalled_for = self.outbox().stalled_for();
            self.deadlines.arm(stalled_for);
        }
    }

    /// Tells the peer that it ran out of time.
    fn explain(&mut self, closed: Closed) {
        match closed {
            Closed::HandshakeTimedOut => self.last_words(
                codes::HANDSHAKE_TIMEOUT,
                "the connection did not join or log in in time",
            ),
            Closed::TimedOut => {
                self.last_words(codes::IDLE_TIMEOUT, "the connection was silent for too long");
            }
            Closed::Ended | Closed::Lost(_) | Closed::Slow | Closed::CutOff => {}
        }
    }

    /// Tells the peer why the connection ends, if that can be done at once and without cutting a line in two.
    pub(super) fn last_words(&mut self, code: Code, message: &'static str) {
        let mut line = Vec::new();
        LineWriter::upkeep_error(&mut line, &WireError::new(code, message));
        self.outbound.write_last(&line, &mut self.stream);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
