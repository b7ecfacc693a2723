//! The load generator: two threads that own the connections, send, read, count and check.
//!
//! Readiness-driven like the limit, with reads of up to 256 KiB. A sender that goes flat out keeps a bounded number of
//! requests unacknowledged; where the server acknowledges nothing (the limit) TCP's back-pressure bounds it. A sender
//! at a steady rate has a thread of its own that mostly sleeps, so that reading never delays it: the rate does not
//! give way when the server is slow.
//!
//! Flat out, the reading threads never sleep: to wake a sleeping core of a virtual machine costs the server that
//! writes to it more than the copying (40 % of the limit's time where we measured), and it is the server that we
//! want to know about. At a steady rate they sleep like any client. Each thread measures the time it had nothing to
//! do: a generator without any would be the thing measured, and the result says so.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::checker::{Checker, Depth};
use crate::histogram::Histogram;
use crate::line::{Dialect, Template};
use crate::machine::{self, Cores};

/// Bytes one read takes at most; it stays in the second-level cache.
const READ_BYTES: usize = 256 * 1024;
/// Bytes a flat-out sender writes at a time.
const WRITE_BYTES: usize = 64 * 1024;
/// Requests that may be unacknowledged on one connection.
const OUTSTANDING_MAX: u64 = 20_000;
/// How long nothing may arrive, after or during the load, before what lacks is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// How long a line too many is waited for when everything has come.
const SURPLUS_WAIT: Duration = Duration::from_millis(40);
/// Texts of a steady rate are sent in ticks at least this long.
const TICK_MIN: Duration = Duration::from_millis(1);

/// How the senders send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as the server takes it.
    FlatOut,
    /// So many texts a second in all, whatever the server does.
    Steady(u32),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Receiver(Depth),
    /// Reads nothing before that long into the run; `Duration::MAX`: never.
    Sleeper(Duration),
    /// With its number among the senders.
    Sender(usize),
}

/// What one run brought.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Texts sent, and texts received by all together.
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// Bytes received by all together.
    pub(crate) bytes: u64,
    /// From the first byte sent to the last one received.
    pub(crate) seconds: f64,
    /// Deliveries that did not come, and more than should have.
    pub(crate) lost: u64,
    pub(crate) surplus: u64,
    /// Requests without their reply.
    pub(crate) unacknowledged: u64,
    /// Lines that were not what was due, and one of them.
    pub(crate) faults: u64,
    pub(crate) first_fault: Option<String>,
    /// Share of its time that the busier reading thread computed.
    pub(crate) busiest_thread: f64,
    pub(crate) latency: Histogram,
    /// What sleepers were told they missed; what they got and were told must be everything.
    pub(crate) told_missed: u64,
    /// When the others saw a connection put out as slow, seconds into the run.
    pub(crate) slow_left_s: Option<f64>,
}

struct Connection {
    stream: mio::net::TcpStream,
    checker: Checker,
    role: Role,
    template: Option<Template>,
    pending: Vec<u8>,
    pending_from: usize,
    readable: bool,
    writable: bool,
    closed: bool,
    sender_done: bool,
}

struct Shared {
    begin: Instant,
    load_for: Duration,
    /// Whether a thread without work looks again at once instead of sleeping.
    spin: bool,
    senders_left: AtomicUsize,
    /// Texts of the senders that are done.
    sent: AtomicU64,
}

/// Loads the server through these connections for so long, waits for everything to arrive, and counts.
pub(crate) fn run(
    members: Vec<(TcpStream, Checker, Role)>,
    dialect: Dialect,
    pace: Pace,
    load_for: Duration,
    cores: &Cores,
) -> anyhow::Result<Outcome> {
    let senders = members
        .iter()
        .filter(|(_, _, role)| matches!(role, Role::Sender(_)))
        .count();
    let mut shares: [Vec<Connection>; 2] = [Vec::new(), Vec::new()];
    let mut paced = None;
    for (index, (stream, mut checker, role)) in members.into_iter().enumerate() {
        let template = if let Role::Sender(number) = role {
            Some(Template::new(dialect, number))
        } else {
            None
        };
        checker.begin(match role {
            Role::Receiver(depth) => depth,
            Role::Sleeper(_) => Depth::Full,
            // Replies have to be told from texts.
            Role::Sender(_) if dialect == Dialect::Say => Depth::Full,
            Role::Sender(_) => Depth::Count,
        });
        let connection = Connection {
            stream: mio::net::TcpStream::from_std(stream),
            checker,
            role,
            template,
            pending: Vec::with_capacity(WRITE_BYTES + 1024),
            pending_from: 0,
            readable: false,
            writable: true,
            closed: false,
            sender_done: false,
        };
        match (pace, role) {
            (Pace::Steady(_), Role::Sender(_)) => paced = Some(connection),
            _ => shares[index % 2].push(connection),
        }
    }

    let shared = Shared {
        begin: Instant::now(),
        load_for,
        spin: matches!(pace, Pace::FlatOut),
        senders_left: AtomicUsize::new(senders),
        sent: AtomicU64::new(0),
    };
    let reports: Vec<std::io::Result<Report>> = std::thread::scope(|scope| {
        let shared = &shared;
        let readers: Vec<_> = shares
            .into_iter()
            .enumerate()
            .map(|(index, share)| {
                let core = cores.generator.get(index).copied();
                scope.spawn(move || {
                    machine::pin(core.as_slice());
                    work(share, shared)
                })
            })
            .collect();
        let pacer = paced.map(|connection| {
            let Pace::Steady(per_second) = pace else {
                unreachable!("only steady senders are paced")
            };
            scope.spawn(move || send_steadily(connection, per_second, shared))
        });
        readers
            .into_iter()
            .chain(pacer)
            .map(|thread| thread.join().expect("a load thread does not panic"))
            .collect()
    });
    let reports = reports.into_iter().collect::<std::io::Result<Vec<_>>>()?;
    Ok(sum_up(&reports, &shared))
}

/// What a load thread hands back.
struct Report {
    connections: Vec<Connection>,
    last_arrival: Duration,
    busy: f64,
}

fn work(mut connections: Vec<Connection>, shared: &Shared) -> std::io::Result<Report> {
    let began = Instant::now();
    let mut idle = Duration::ZERO;
    let busy_share = |idle: Duration| (began.elapsed() - idle).as_secs_f64() / began.elapsed().as_secs_f64();
    let mut busy = None;
    let mut complete_at = Duration::MAX;
    let mut poll = Poll::new()?;
    for (index, connection) in connections.iter_mut().enumerate() {
        let interest = match connection.role {
            Role::Sender(_) => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::READABLE,
        };
        poll.registry()
            .register(&mut connection.stream, Token(index), interest)?;
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_BYTES];
    let mut more = true;
    let mut last_arrival = shared.begin.elapsed();
    let mut ready: Vec<usize> = Vec::new();
    loop {
        let waited_from = shared.begin.elapsed();
        let patience = if more || shared.spin {
            Duration::ZERO
        } else {
            Duration::from_millis(20)
        };
        match poll.poll(&mut events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        if !more && (events.is_empty() || !shared.spin) {
            idle += shared.begin.elapsed() - waited_from;
        }
        for event in &events {
            let index = event.token().0;
            let connection = &mut connections[index];
            connection.writable |= event.is_writable();
            if event.is_readable() && !std::mem::replace(&mut connection.readable, true) {
                ready.push(index);
            }
        }
        more = false;
        ready.retain(|&index| {
            let connection = &mut connections[index];
            let now = shared.begin.elapsed();
            if !connection.asleep(now) && connection.read(&mut buffer, shared) {
                last_arrival = now;
            }
            more |= connection.readable && !connection.asleep(now);
            connection.readable
        });
        for connection in &mut connections {
            if connection.template.is_some() && !connection.sender_done {
                more |= connection.pump(shared);
            }
        }
        if busy.is_none() && connections.iter().all(|connection| connection.done(shared)) {
            busy = Some(busy_share(idle));
            complete_at = last_arrival;
        }
        // Stays a little after everything has come: a line too many would come now.
        if busy.is_some() && shared.begin.elapsed() > complete_at + SURPLUS_WAIT {
            break;
        }
        let quiet_since = last_arrival.max(if shared.senders_left.load(Ordering::Acquire) == 0 {
            last_arrival
        } else {
            shared.load_for
        });
        if shared.begin.elapsed() > quiet_since + SILENCE_MAX {
            break;
        }
    }
    let busy = busy.unwrap_or_else(|| busy_share(idle));
    Ok(Report {
        connections,
        last_arrival: complete_at.min(last_arrival),
        busy,
    })
}

impl Connection {
    fn asleep(&self, now: Duration) -> bool {
        matches!(self.role, Role::Sleeper(until) if now < until)
    }

    /// Reads once. True when something came.
    fn read(&mut self, buffer: &mut [u8], shared: &Shared) -> bool {
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
    fn pump(&mut self, shared: &Shared) -> bool {
        let Some(template) = &mut self.template else {
            return false;
        };
        if self.closed {
            return false;
        }
        if self.pending.is_empty() && shared.begin.elapsed() < shared.load_for {
            let acknowledged = self.checker.acknowledged;
            let allowed = match self.checker.dialect() {
                Dialect::Say => OUTSTANDING_MAX - (template.appended() - acknowledged),
                Dialect::Said | Dialect::Bare => u64::MAX,
            };
            let lines = allowed.min((WRITE_BYTES / template.line_bytes()) as u64);
            let now = shared.begin.elapsed().as_nanos() as u64;
            (0..lines).for_each(|_| template.append(now, &mut self.pending));
        }
        let appended = template.appended();
        self.flush();
        if self.pending.is_empty() && shared.begin.elapsed() >= shared.load_for {
            let acknowledges = self.checker.dialect() == Dialect::Say;
            if !acknowledges || self.checker.acknowledged == appended {
                self.finish_sending(shared);
            }
            return false;
        }
        let may_go_on = match self.checker.dialect() {
            Dialect::Say => appended - self.checker.acknowledged < OUTSTANDING_MAX,
            Dialect::Said | Dialect::Bare => true,
        };
        self.writable && may_go_on && !self.closed
    }

    fn flush(&mut self) {
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

    fn finish_sending(&mut self, shared: &Shared) {
        self.sender_done = true;
        shared.sent.fetch_add(self.appended(), Ordering::AcqRel);
        shared.senders_left.fetch_sub(1, Ordering::AcqRel);
    }

    fn appended(&self) -> u64 {
        self.template.as_ref().map_or(0, Template::appended)
    }

    /// True when everything that was sent has come.
    fn done(&self, shared: &Shared) -> bool {
        if shared.senders_left.load(Ordering::Acquire) > 0 {
            return false;
        }
        if matches!(self.role, Role::Sleeper(Duration::MAX)) || self.closed {
            return true;
        }
        let due = shared.sent.load(Ordering::Acquire) - self.appended();
        self.checker.said + self.checker.missed >= due
    }
}

/// Sends at a steady rate from a thread of its own, reads the replies, and waits for the last one.
fn send_steadily(mut connection: Connection, per_second: u32, shared: &Shared) -> std::io::Result<Report> {
    let tick = TICK_MIN.max(Duration::from_secs(1) / per_second);
    let texts_a_tick = (tick.as_secs_f64() * f64::from(per_second)).round() as u64;
    let mut buffer = vec![0; READ_BYTES];
    let mut last_arrival = Duration::ZERO;
    let mut next = tick;
    while next < shared.load_for && !connection.closed {
        std::thread::sleep(next.saturating_sub(shared.begin.elapsed()));
        let now = shared.begin.elapsed().as_nanos() as u64;
        if let Some(template) = &mut connection.template {
            (0..texts_a_tick).for_each(|_| template.append(now, &mut connection.pending));
        }
        connection.writable = true;
        connection.flush();
        connection.read(&mut buffer, shared);
        next += tick;
    }
    let give_up = shared.begin.elapsed() + SILENCE_MAX;
    let acknowledges = connection.checker.dialect() == Dialect::Say;
    while !connection.closed && shared.begin.elapsed() < give_up {
        connection.writable = true;
        connection.flush();
        if connection.read(&mut buffer, shared) {
            last_arrival = shared.begin.elapsed();
        }
        let answered = !acknowledges || connection.checker.acknowledged == connection.appended();
        if connection.pending.is_empty() && answered {
            break;
        }
        std::thread::sleep(TICK_MIN);
    }
    connection.finish_sending(shared);
    Ok(Report {
        connections: vec![connection],
        last_arrival,
        busy: 0.0,
    })
}

fn sum_up(reports: &[Report], shared: &Shared) -> Outcome {
    let connections = || reports.iter().flat_map(|report| &report.connections);
    let mut outcome = Outcome {
        messages: connections().map(Connection::appended).sum(),
        ..Outcome::default()
    };
    for connection in connections() {
        let checker = &connection.checker;
        outcome.deliveries += checker.said;
        outcome.bytes += checker.bytes;
        outcome.faults += checker.faults;
        outcome.first_fault = outcome.first_fault.take().or_else(|| checker.first_fault.clone());
        let slow_left = checker.slow_left_ns.map(|at| at as f64 / 1e9);
        outcome.slow_left_s = outcome.slow_left_s.or(slow_left);
        let due = outcome.messages - connection.appended();
        match connection.role {
            Role::Sleeper(Duration::MAX) => continue,
            Role::Sleeper(_) => outcome.told_missed += checker.missed,
            Role::Receiver(_) => outcome.latency.merge(&checker.latency),
            Role::Sender(_) if checker.dialect() == Dialect::Say => {
                outcome.unacknowledged += connection.appended() - checker.acknowledged;
            }
            Role::Sender(_) => {}
        }
        outcome.lost += due.saturating_sub(checker.said + checker.missed);
        outcome.surplus += (checker.said + checker.missed).saturating_sub(due);
    }
    outcome.busiest_thread = reports.iter().map(|report| report.busy).fold(0.0, f64::max);
    let last = reports
        .iter()
        .map(|report| report.last_arrival)
        .max()
        .unwrap_or_default();
    outcome.seconds = last
        .max(shared.load_for.min(Duration::from_millis(1)))
        .as_secs_f64();
    outcome
}
