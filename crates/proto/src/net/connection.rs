//! One connection, seen from the task that owns it.
//!
//! [`Connection::turn`] does everything a connection has to do at once: it writes what the [`Outbox`] holds, reads
//! what arrives, keeps the connection alive, and minds its deadlines; it returns when there is something to decide.
//! An idle connection holds no buffers: bytes are read into a buffer of the thread and copied out only as far as
//! they are there.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep};
use tokio_util::codec::Decoder;

use super::outbox::{self, Outbox, OutboxLimits};
use super::shutdown::{Shutdown, Step, Watch};
use super::socket::Socket;
use super::stream::{PeerAddress, Stream};
use crate::envelope::Refusal;
use crate::error::{Code, codes};
use crate::frame::{Batch, LineDecoder};
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

/// What [`Connection::turn`] came back with.
#[derive(Debug)]
pub enum Turn {
    /// Lines arrived.
    Received(Batch),
    /// The outbox is empty again after it had refused an event.
    Drained,
    /// The server is going down: finish, then [flush](Connection::flush) and drop the connection. Told once.
    ShuttingDown,
    /// The connection is over.
    Closed(Closed),
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed its end.
    Ended,
    /// The stream broke.
    Lost(io::ErrorKind),
    /// It was silent for too long.
    TimedOut,
    /// It was not established in time.
    HandshakeTimedOut,
    /// It did not read what was sent to it.
    Slow,
    /// It was still there after the grace period of a shutdown.
    CutOff,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the peer closed it"),
            Self::Lost(kind) => write!(f, "it broke: {kind}"),
            Self::TimedOut => f.write_str("it was silent for too long"),
            Self::HandshakeTimedOut => f.write_str("it was not established in time"),
            Self::Slow => f.write_str("it did not read what was sent"),
            Self::CutOff => f.write_str("it was cut off by the shutdown"),
        }
    }
}

/// A connection and the only task that reads from it and writes to it.
///
/// Dropping it closes the stream and its [`Outbox`].
pub struct Connection {
    id: Arc<str>,
    peer: PeerAddress,
    stream: Socket,
    settings: Arc<ConnectionSettings>,
    decoder: LineDecoder,
    /// The beginning of a line whose end has not arrived.
    unfinished: BytesMut,
    outbox: Outbox,
    /// Taken from the outbox and not yet written.
    writing: VecDeque<Bytes>,
    /// When the connection must be established, until it is.
    establish_by: Option<Instant>,
    heard_at: Instant,
    /// The outbox drained while something else was awaited: still to be told.
    drained: bool,
    /// A ping was sent since something was heard.
    pinged: bool,
    framing_errors: u32,
    timer: Pin<Box<Sleep>>,
    shutdown: Watch,
    /// [`Turn::ShuttingDown`] was told.
    told_of_shutdown: bool,
    /// What the accept loop wants to have dropped together with the connection.
    _admission: Option<Box<dyn Send + Sync>>,
}

thread_local! {
    /// Where bytes are read before they are known to be there; one for each thread, not one for each connection.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; limits::READ_BYTES_MAX]);
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
        let now = Instant::now();
        let stream = Socket::from(stream);
        let mut connection = Self {
            id,
            peer,
            decoder: LineDecoder::new(settings.line_bytes_max),
            unfinished: BytesMut::new(),
            outbox: Outbox::new(settings.outbox, stream.shared_writer()),
            stream,
            writing: VecDeque::new(),
            establish_by: settings.handshake.map(|handshake| now + handshake),
            heard_at: now,
            drained: false,
            pinged: false,
            framing_errors: 0,
            timer: Box::pin(tokio::time::sleep_until(now)),
            shutdown: shutdown.watch(),
            told_of_shutdown: false,
            settings,
            _admission: None,
        };
        connection.arm_timer();
        connection
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
        &self.outbox
    }

    /// The peer has joined or logged in: the handshake deadline no longer applies.
    pub fn establish(&mut self) {
        self.establish_by = None;
    }

    /// Changes the bound on lines that arrive from now on.
    pub fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        self.decoder.set_line_bytes_max(line_bytes_max);
    }

    /// Reads, writes and waits until there is something to decide.
    ///
    /// Cancel safe: nothing read or queued is lost when the future is dropped. While the outbox is above its soft
    /// mark nothing is read: who does not take its replies cannot ask for more.
    pub async fn turn(&mut self) -> Turn {
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    /// Runs `work` while it goes on writing, but does not read: what arrives waits.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection is over before `work` is done.
    pub async fn write_while<F: Future>(&mut self, work: F) -> Result<F::Output, Closed> {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
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

    /// Writes until everything queued is written.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the connection is over before that.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        let outbox = self.outbox.clone();
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
        self.outbox.queue_own(lines);
    }

    /// Takes everything queued so far out of the outbox, to be written next. What is pushed later comes after what
    /// [`write_next`](Self::write_next) adds.
    pub fn claim_queued(&mut self) {
        self.outbox.take(&mut self.writing);
    }

    /// Adds lines after those [claimed](Self::claim_queued), before those still in the outbox.
    pub fn write_next(&mut self, chunk: Bytes) {
        self.outbox.account_for(chunk.len());
        self.writing.push_back(chunk);
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
            while !self.writing.is_empty() {
                match self.poll_write_some(cx) {
                    Poll::Ready(Ok(drained)) => self.drained |= drained,
                    Poll::Ready(Err(closed)) => return Poll::Ready(Err(closed)),
                    Poll::Pending => return self.poll_deadlines(cx).map(Err),
                }
            }
            Poll::Ready(Ok(()))
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
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => self.drained = true,
            Poll::Ready(Err(closed)) => return Poll::Ready(Turn::Closed(closed)),
            Poll::Pending => {}
        }
        if std::mem::take(&mut self.drained) {
            return Poll::Ready(Turn::Drained);
        }
        if step == Step::Begun && !std::mem::replace(&mut self.told_of_shutdown, true) {
            return Poll::Ready(Turn::ShuttingDown);
        }
        if !self.outbox.is_above_soft()
            && let Poll::Ready(turn) = self.poll_read(cx)
        {
            return Poll::Ready(turn);
        }
        self.poll_deadlines(cx).map(Turn::Closed)
    }

    /// Writes what is there, and remembers it for the next turn if the outbox has drained.
    fn poll_write_through(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        loop {
            std::task::ready!(self.poll_write(cx))?;
            self.drained = true;
        }
    }

    /// Writes what is there. Ready with `Ok` when the outbox has drained after having refused an event; pending when
    /// everything is written or the peer takes no more for now.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        loop {
            // Taking also leaves our waker when the queue is empty.
            if self.writing.len() < limits::WRITE_CHUNKS_MAX
                && self.outbox.poll_take(cx, &mut self.writing).is_pending()
                && self.writing.is_empty()
            {
                return Poll::Pending;
            }
            if std::task::ready!(self.poll_write_some(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes the beginning of what is claimed. True when the outbox has drained after having refused an event.
    fn poll_write_some(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Closed>> {
        let mut slices = [IoSlice::new(&[]); limits::WRITE_CHUNKS_MAX];
        let count = self.writing.len().min(slices.len());
        for (slice, chunk) in slices.iter_mut().zip(&self.writing) {
            *slice = IoSlice::new(chunk);
        }
        match self.stream.poll_write(cx, &slices[..count]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(Closed::Lost(io::ErrorKind::WriteZero))),
            Poll::Ready(Ok(written)) => {
                self.discard_written(written);
                Poll::Ready(Ok(self.outbox.written(written)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Closed::Lost(error.kind()))),
            Poll::Pending => {
                self.mind_stall();
                Poll::Pending
            }
        }
    }

    fn discard_written(&mut self, written: usize) {
        outbox::discard(&mut self.writing, written);
        // A burst must not leave its room behind in ten thousand idle connections.
        if self.writing.is_empty() && self.writing.capacity() > limits::WRITE_CHUNKS_MAX {
            self.writing = VecDeque::new();
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            let (decoder, unfinished) = (&mut self.decoder, &mut self.unfinished);
            let stream = &mut self.stream;
            let read = READ_BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                let polled = stream.poll_read(cx, &mut buffer);
                unfinished.extend_from_slice(buffer.filled());
                polled.map_ok(|()| buffer.filled().len())
            });
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Turn::Closed(Closed::Lost(error.kind()))),
                Poll::Ready(Ok(0)) => return Poll::Ready(Turn::Closed(Closed::Ended)),
                Poll::Ready(Ok(bytes)) => metrics::counter!("received_bytes_total").increment(bytes as u64),
            }
            self.heard_at = Instant::now();
            let decoded = decoder.decode(unfinished);
            if unfinished.is_empty() {
                *unfinished = BytesMut::new();
            }
            if std::mem::take(&mut self.pinged) {
                // The timer waits for the end of a silence that is over.
                self.arm_timer();
            }
            match decoded {
                Ok(Some(batch)) => return Poll::Ready(Turn::Received(batch)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Turn::Closed(Closed::Lost(error.kind()))),
            }
        }
    }

    /// Minds the deadlines and sends pings. The timer is not moved at every sign of life; when it rings too early
    /// it is set anew.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.establish_by.is_some_and(|deadline| deadline <= now) {
                self.last_words(
                    codes::HANDSHAKE_TIMEOUT,
                    "the connection did not join or log in in time",
                );
                return Poll::Ready(Closed::HandshakeTimedOut);
            }
            if let (Some(bound), Some(stalled)) = (self.settings.write_stall, self.outbox.stalled_for())
                && stalled >= bound
            {
                return Poll::Ready(Closed::Slow);
            }
            let silence = now - self.heard_at;
            if self.settings.idle.is_some_and(|bound| silence >= bound) {
                self.last_words(codes::IDLE_TIMEOUT, "the connection was silent for too long");
                return Poll::Ready(Closed::TimedOut);
            }
            if self
                .settings
                .ping_interval
                .is_some_and(|interval| silence >= interval)
                && !self.pinged
            {
                self.pinged = true;
                self.queue(Bytes::from_static(b"{\"event\":\"ping\"}\n"));
                if let Poll::Ready(Err(closed)) = self.poll_write(cx) {
                    return Poll::Ready(closed);
                }
            }
            self.arm_timer();
        }
        Poll::Pending
    }

    /// Sets the timer to the earliest deadline.
    fn arm_timer(&mut self) {
        let now = Instant::now();
        let stall = self
            .settings
            .write_stall
            .zip(self.outbox.stalled_for())
            .map(|(bound, stalled)| now + (bound - stalled.min(bound)));
        let ping = self
            .settings
            .ping_interval
            .filter(|_| !self.pinged)
            .map(|interval| self.heard_at + interval);
        let idle = self.settings.idle.map(|bound| self.heard_at + bound);
        let next = [self.establish_by, stall, ping, idle].into_iter().flatten().min();
        // Without any deadline a look now and then does no harm.
        self.timer
            .as_mut()
            .reset(next.unwrap_or(now + Duration::from_secs(3600)));
    }

    /// The peer takes nothing for now: makes sure the timer rings when that has lasted too long.
    fn mind_stall(&mut self) {
        self.outbox.refused();
        if let Some(bound) = self.settings.write_stall {
            let deadline = Instant::now() + bound;
            if self.timer.deadline() > deadline {
                self.timer.as_mut().reset(deadline);
            }
        }
    }

    /// Tells the peer why the connection ends, if that can be done at once and without cutting a line in two.
    pub(super) fn last_words(&mut self, code: Code, message: &'static str) {
        if self.outbox.queued_bytes() > 0 {
            return;
        }
        let mut line = Vec::new();
        LineWriter::upkeep(&mut line)
            .text("event", "error")
            .text("code", code.as_str())
            .text("message", message)
            .end();
        let mut nobody = Context::from_waker(Waker::noop());
        let _ = self.stream.poll_write(&mut nobody, &[IoSlice::new(&line)]);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outbox.close();
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
