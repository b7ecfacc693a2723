//! The rows of the measurement: what is opened, what load runs, what is read off. Each run has a fresh server.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use measure::machine::{self, Cores};

use crate::checker::Depth;
use crate::load::{self, Outcome, Pace, Role};
use crate::members::{self, Newcomer};
use crate::server::{Kind, Server};

/// Receivers whose every line is checked, beside the count and the sampled check of all.
const FULLY_CHECKED: usize = 2;
/// Receivers of the latency and stalled rows.
const LISTENERS: usize = 100;
/// Texts a second of the latency row.
const LATENCY_RATE: u32 = 200;
/// Texts a second while one reader is stalled: enough to fill every kernel buffer on the way to it in about a second.
const STALLED_RATE: u32 = 20_000;
/// What the stalled reader's socket may hold.
const STALLED_RECEIVE_BYTES: usize = 4096;
/// Rooms that the idle connections are spread over, so that coming in is not a measurement of its own.
const IDLE_ROOMS: usize = 100;
/// Loopback addresses that the idle connections come from: each has about 28,000 ports, and servers count per address.
const IDLE_ADDRESSES: usize = 100;
/// How long resident memory must stand still to be read.
const SETTLED: Duration = Duration::from_millis(500);

/// One run under load.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    /// CPU seconds from the first byte of the load to the server's clean end.
    pub(crate) cpu_seconds: Option<f64>,
    /// Resident memory before the load, and its peak.
    pub(crate) memory_before: u64,
    pub(crate) memory_peak: u64,
    /// Cores that computed for neither the server nor the load program meanwhile, on average.
    pub(crate) foreign_cores: f64,
    pub(crate) complaint: Option<String>,
}

impl Run {
    /// Deliveries a second.
    pub(crate) fn rate(&self) -> f64 {
        self.outcome.deliveries as f64 / self.outcome.seconds
    }

    /// Server CPU seconds for a million deliveries.
    pub(crate) fn cpu_per_million(&self) -> Option<f64> {
        Some(self.cpu_seconds? / (self.outcome.deliveries as f64 / 1e6))
    }

    /// Why this run proves nothing, if so.
    pub(crate) fn defect(&self) -> Option<String> {
        let outcome = &self.outcome;
        if outcome.lost + outcome.missed + outcome.surplus + outcome.unacknowledged + outcome.faults == 0 {
            return self.complaint.clone();
        }
        let first = outcome
            .first_fault
            .as_deref()
            .map_or(String::new(), |fault| format!("; first: {fault}"));
        Some(format!(
            "{} lost, {} missed and told so, {} too many, {} unacknowledged, {} faults{first}",
            outcome.lost, outcome.missed, outcome.surplus, outcome.unacknowledged, outcome.faults
        ))
    }
}

/// Flat out from so many senders to so many receivers.
pub(crate) fn fanout(
    kind: &Kind,
    cores: &Cores,
    receivers: usize,
    senders: usize,
    pace: Pace,
    load_for: Duration,
) -> anyhow::Result<Run> {
    let roles = receivers_then_senders(receivers, senders, |index| {
        match index < FULLY_CHECKED.min(receivers / 10) {
            true => Depth::Full,
            false => Depth::Count,
        }
    });
    under_load(kind, cores, roles, pace, load_for)
}

/// A steady 200 texts a second to 100 receivers.
pub(crate) fn latency(kind: &Kind, cores: &Cores, load_for: Duration) -> anyhow::Result<Run> {
    let roles = receivers_then_senders(LISTENERS, 1, |_| Depth::Full);
    under_load(kind, cores, roles, Pace::Steady(LATENCY_RATE), load_for)
}

/// 100 receivers of whom one reads nothing until then (`None`: all read).
pub(crate) fn stalled(
    kind: &Kind,
    cores: &Cores,
    asleep_for: Option<Duration>,
    load_for: Duration,
) -> anyhow::Result<Run> {
    let mut roles = receivers_then_senders(LISTENERS, 1, |_| Depth::Full);
    if let Some(asleep_for) = asleep_for {
        roles[0] = Role::Sleeper(asleep_for);
    }
    under_load(kind, cores, roles, Pace::Steady(STALLED_RATE), load_for)
}

fn receivers_then_senders(receivers: usize, senders: usize, depth: impl Fn(usize) -> Depth) -> Vec<Role> {
    let receivers = (0..receivers).map(|index| Role::Receiver(depth(index)));
    receivers.chain((0..senders).map(Role::Sender)).collect()
}

fn under_load(
    kind: &Kind,
    cores: &Cores,
    roles: Vec<Role>,
    pace: Pace,
    load_for: Duration,
) -> anyhow::Result<Run> {
    let mut server = Server::start(kind, cores)?;
    let run = load_server(&server, kind, cores, roles, pace, load_for);
    let (mut run, cpu_before) =
        run.with_context(|| format!("{}'s log ends:\n{}", kind.name(), server.process.log_tail()))?;
    let stopped = server.stop(kind)?;
    run.cpu_seconds = stopped
        .cpu_seconds
        .zip(cpu_before)
        .map(|(all, before)| all - before);
    run.complaint = stopped.complaint;
    Ok(run)
}

fn load_server(
    server: &Server,
    kind: &Kind,
    cores: &Cores,
    roles: Vec<Role>,
    pace: Pace,
    load_for: Duration,
) -> anyhow::Result<(Run, Option<f64>)> {
    let newcomers: Vec<Newcomer> = roles
        .iter()
        .enumerate()
        .map(|(index, role)| Newcomer {
            name: format!("r{index}"),
            sends: matches!(role, Role::Sender(_)),
            receive_bytes: matches!(role, Role::Sleeper(_)).then_some(STALLED_RECEIVE_BYTES),
        })
        .collect();
    let members = members::gather(server.process.address, kind.dialect(), &newcomers)?;
    let members = members
        .into_iter()
        .zip(roles)
        .map(|((stream, checker), role)| (stream, checker, role))
        .collect();
    let cpu_before = server.process.cpu();
    let memory_before = server.process.memory().unwrap_or_default().resident;
    let foreign_before = foreign_cpu(server);
    let began = Instant::now();
    let outcome = load::run(members, pace, load_for, cores)?;
    let foreign = foreign_before
        .zip(foreign_cpu(server))
        .map_or(0.0, |(before, after)| after - before);
    let memory_peak = server.process.memory().unwrap_or_default().peak;
    Ok((
        Run {
            outcome,
            cpu_seconds: None,
            memory_before,
            memory_peak,
            foreign_cores: (foreign / began.elapsed().as_secs_f64()).max(0.0),
            complaint: None,
        },
        cpu_before,
    ))
}

/// CPU seconds that others than the two of us have used.
fn foreign_cpu(server: &Server) -> Option<f64> {
    Some(machine::whole_cpu()? - machine::own_cpu()? - server.process.cpu()?)
}

/// Opens that many connections, lets them idle, and gives the server's resident bytes for each.
pub(crate) fn idle(kind: &Kind, cores: &Cores, connections: usize) -> anyhow::Result<f64> {
    let mut server = Server::start(kind, cores)?;
    let result = idle_bytes(&server, kind, connections);
    let bytes =
        result.with_context(|| format!("{}'s log ends:\n{}", kind.name(), server.process.log_tail()))?;
    server.stop(kind)?;
    Ok(bytes)
}

fn idle_bytes(server: &Server, kind: &Kind, connections: usize) -> anyhow::Result<f64> {
    let one = |index: usize| -> anyhow::Result<TcpStream> {
        let from = Ipv4Addr::new(127, 0, 0, 2 + (index % IDLE_ADDRESSES) as u8);
        let stream = members::open(server.process.address, from, None)?;
        let room = format!("idle{}", index % IDLE_ROOMS);
        let who = Newcomer {
            name: format!("r{index}"),
            sends: false,
            receive_bytes: None,
        };
        Ok(members::join(stream, kind.dialect(), &who, &room)?.stream)
    };
    // The first one pays for what the server sets up once.
    let mut open = vec![one(connections)?];
    let before = settled_memory(server)?;
    for index in 0..connections {
        open.push(one(index).with_context(|| format!("connection {index} of {connections}"))?);
    }
    let after = settled_memory(server)?;
    Ok(after.saturating_sub(before) as f64 / connections as f64)
}

/// Waits until the resident memory stands still, ten seconds at most.
fn settled_memory(server: &Server) -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut last = (
        server
            .process
            .memory()
            .context("no memory figures on this system")?
            .resident,
        Instant::now(),
    );
    while last.1.elapsed() < SETTLED && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
        let now = server.process.memory().context("the server has gone")?.resident;
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    ensure!(last.0 > 0, "the server has no memory");
    Ok(last.0)
}
