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

use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use measure::Histogram;
use measure::machine::{self, Cores};

use crate::checker::{Checker, Depth};
use crate::connection::{Connection, Shared};
use crate::worker::{Report, send_steadily, work};

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
    /// Deliveries that were not made, as their receivers were told; those who sleep apart.
    pub(crate) missed: u64,
    pub(crate) sleeper_missed: u64,
    /// When the others saw a connection put out as slow, seconds into the run.
    pub(crate) slow_left_s: Option<f64>,
}

/// Loads the server through these connections for so long, waits for everything to arrive, and counts.
pub(crate) fn run(
    members: Vec<(TcpStream, Checker, Role)>,
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
    for (index, (stream, checker, role)) in members.into_iter().enumerate() {
        let connection = Connection::new(stream, checker, role);
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
        let work = |share| work(share, shared);
        let readers = machine::spawn_pinned(scope, &cores.generator, shares, work);
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
    let mut reports = reports.into_iter().collect::<std::io::Result<Vec<_>>>()?;
    Ok(sum_up(&mut reports, &shared))
}

fn sum_up(reports: &mut [Report], shared: &Shared) -> Outcome {
    reports
        .iter_mut()
        .flat_map(|report| &mut report.connections)
        .for_each(|connection| connection.checker.end());
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
        let due = connection.due(outcome.messages);
        match connection.role {
            Role::Sleeper(Duration::MAX) => continue,
            Role::Sleeper(_) => outcome.sleeper_missed += checker.missed,
            Role::Receiver(_) => outcome.latency.merge(&checker.latency),
            Role::Sender(_) if checker.dialect().acknowledges() => {
                outcome.unacknowledged += connection.appended() - checker.acknowledged;
            }
            Role::Sender(_) => {}
        }
        if !matches!(connection.role, Role::Sleeper(_)) {
            outcome.missed += checker.missed;
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
