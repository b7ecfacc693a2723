//! One connection under load: what it writes, what it reads, and when it has everything.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::checker::{Checker, Depth};
use crate::line::Template;
use crate::load::Role;

/// Bytes a flat-out sender writes at a time.
const WRITE_BYTES: usize = 64 * 1024;
/// Requests that may be unacknowledged on one connection.
const OUTSTANDING_MAX: u64 = 20_000;

/// What the load threads share.
pub(crate) struct Shared {
    pub(crate) begin: Instant,
    pub(crate) load_for: Duration,
    /// Whether a thread without work looks again at once instead of sleeping.
    pub(crate) spin: bool,
    /// Senders that have not finished, whatever finishing takes.
    pub(crate) senders_left: AtomicUsize,
    /// Texts of the senders that are done.
    pub(crate) sent: AtomicU64,
}

/// A connection and what is checked on it.
pub(crate) struct Connection {
    pub(crate) stream: mio::net::TcpStream,
    pub(crate) checker: Checker,
    pub(crate) role: Role,
    pub(crate) template: Option<Template>,
    pending: Vec<u8>,
    pending_from: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) closed: bool,
    pub(crate) sender_done: bool,
}

impl Connection {
    /// A connection that is in, from now on under load.
    pub(crate) fn new(stream: TcpStream, mut checker: Checker, role: Role) -> Self {
        let dialect = checker.dialect();
        let template = match role {
            Role::Sender(number) => Some(Template::new(dialect, number)),
            Role::Receiver(_) | Role::Sleeper(_) => None,
        };
        checker.begin(match role {
            _ if !dialect.is_counted_by_lines() => Depth::Full,
            Role::Receiver(depth) => depth,
            Role::Sleeper(_) => Depth::Full,
            // Replies have to be told from texts.
            Role::Sender(_) if dialect.acknowledges() => Depth::Full,
            Role::Sender(_) => Depth::Count,
        });
        Self {
            stream: mio::net::TcpStream::from_std(stream),
            checker,
            role,
            template,
            pending: Vec::new(),
            pending_from: 0,
            readable: false,
            writable: true,
            closed: false,
            sender_done: false,
        }
    }

    /// Whether it does not read yet.
    pub(crate) fn asleep(&self, now: Duration) -> bool {
        matches!(self.role, Role::Sleeper(until) if now < until)
    }

    /// Reads once. True when something came.
    pub(crate) fn read(&mut self, buffer: &mut [u8], shared: &Shared) -> bool {
        match self.stream.read(buffer) {
            Ok(0) => {
                self.readable = false;
                self.closed = true;
                false
            }
            Ok(count) => {
                // A short read emptied the socket: the next bytes raise a new edge.
                self.readable = count == buffer.len();
                self.checker
                    .receive(&buffer[..count], shared.begin.elapsed().as_nanos() as u64);
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                false
            }
            Err(error) => {
                self.readable = false;
                self.closed = true;
                self.checker.fault(|| format!("a connection failed: {error}"));
                false
            }
        }
    }

    /// Writes what may be written now. True when there is more to write at once.
    pub(crate) fn pump(&mut self, shared: &Shared) -> bool {
        if self.closed {
            return false;
        }
        let loading = shared.begin.elapsed() < shared.load_for;
        if self.pending.is_empty() && loading {
            let allowed = OUTSTANDING_MAX - self.outstanding();
            let now = shared.begin.elapsed().as_nanos() as u64;
            self.append(allowed, WRITE_BYTES, now);
        }
        self.flush();
        if self.pending.is_empty() && !loading {
            if self.outstanding() == 0 {
                self.finish_sending(shared);
            }
            return false;
        }
        self.writable && self.outstanding() < OUTSTANDING_MAX && !self.closed
    }

    /// Appends texts to what is to be written, so many at most.
    pub(crate) fn append(&mut self, texts_max: u64, bytes_max: usize, now_ns: u64) {
        let Some(template) = &mut self.template else {
            return;
        };
        let texts = texts_max.min((bytes_max / template.line_bytes()) as u64);
        (0..texts).for_each(|_| template.append(now_ns, &mut self.pending));
    }

    /// Requests whose reply has not come; none where nothing is replied to.
    pub(crate) fn outstanding(&self) -> u64 {
        match self.checker.dialect().acknowledges() {
            true => self.appended() - self.checker.acknowledged,
            false => 0,
        }
    }

    /// Whether everything that was to be written has been, as far as the socket goes.
    pub(crate) fn has_written(&self) -> bool {
        self.pending.is_empty()
    }

    /// Writes what was appended, as far as the socket takes it.
    pub(crate) fn flush(&mut self) {
        while self.writable && self.pending_from < self.pending.len() {
            match self.stream.write(&self.pending[self.pending_from..]) {
                Ok(count) => self.pending_from += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => {
                    self.closed = true;
                    return self
                        .checker
                        .fault(|| format!("a sender's connection failed: {error}"));
                }
            }
        }
        if self.pending_from == self.pending.len() {
            self.pending.clear();
            self.pending_from = 0;
        }
    }

    /// This sender has sent everything, and been answered.
    pub(crate) fn finish_sending(&mut self, shared: &Shared) {
        self.sender_done = true;
        shared.sent.fetch_add(self.appended(), Ordering::AcqRel);
        shared.senders_left.fetch_sub(1, Ordering::AcqRel);
    }

    /// Texts it has sent, or is about to.
    pub(crate) fn appended(&self) -> u64 {
        self.template.as_ref().map_or(0, Template::appended)
    }

    /// True when everything that was sent has come.
    pub(crate) fn done(&self, shared: &Shared) -> bool {
        if shared.senders_left.load(Ordering::Acquire) > 0 {
            return false;
        }
        if matches!(self.role, Role::Sleeper(Duration::MAX)) || self.closed {
            return true;
        }
        self.checker.said + self.checker.missed >= self.due(shared.sent.load(Ordering::Acquire))
    }

    /// How many of all texts come to this connection: all but its own.
    pub(crate) fn due(&self, sent: u64) -> u64 {
        match self.role {
            Role::Sender(_) if !self.checker.dialect().senders_receive() => 0,
            _ => sent - self.appended(),
        }
    }
}
