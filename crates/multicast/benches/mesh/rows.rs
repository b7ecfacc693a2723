//! The rows of the measurement. Each run has fresh members.

use std::time::Duration;

use anyhow::bail;

use crate::Mesh;
use crate::fleet::Fleet;
use crate::member::{Answer, Command, Frames};
use crate::minimal::Plant;
use crate::tally::MEMBERS;

/// How long a run may take to be delivered after the last message was sent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Steady sending before times are noted: connections, caches and clocks settle.
const WARM_UP: Duration = Duration::from_millis(300);
/// Pieces of the memory row, after each of which memory is read.
const LEGS: u64 = 10;

/// One run, and whether it proves anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// Deliveries a second at each member, on average over the members.
    pub(crate) rate: f64,
    /// Messages broadcast.
    pub(crate) messages: u64,
    /// CPU seconds of all members for a million messages.
    pub(crate) cpu_per_million: f64,
    /// Send to delivered everywhere, in microseconds, ascending.
    pub(crate) latencies: Vec<f64>,
    /// Resident bytes of the largest member after each leg.
    pub(crate) memory: Vec<u64>,
    pub(crate) memory_peak: u64,
    pub(crate) frames: Option<Frames>,
    pub(crate) faults: u64,
    /// Members delivered in different orders.
    pub(crate) orders_differ: bool,
}

impl Run {
    /// Why this run proves nothing, if so.
    pub(crate) fn defect(&self) -> Option<String> {
        if self.faults > 0 {
            Some(format!(
                "{} deliveries were lost, doubled or out of order",
                self.faults
            ))
        } else if self.orders_differ {
            Some("members delivered in different orders".to_owned())
        } else {
            None
        }
    }

    /// The latency in microseconds that a share of all messages (0 to 1) does not exceed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (self.latencies.len() as f64 * share).ceil() as usize;
        self.latencies
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN)
    }
}

/// All members send flat out, or in bursts at so many messages a second each.
pub(crate) fn flat(
    mesh: Mesh,
    plant: Option<Plant>,
    pin: bool,
    duration: Duration,
    pace: Option<u32>,
    patience: Duration,
) -> anyhow::Result<Run> {
    let mut fleet = Fleet::start(mesh, plant, pin)?;
    let sent = fleet.command(|_| Command::Flat {
        seconds: duration.as_secs_f64(),
        messages: u64::MAX,
        pace,
    })?;
    settle(&mut fleet, &sent, patience)
}

/// The members send at these rates.
pub(crate) fn steady(
    mesh: Mesh,
    pin: bool,
    rates: [u32; MEMBERS],
    duration: Duration,
) -> anyhow::Result<Run> {
    let mut fleet = Fleet::start(mesh, None, pin)?;
    let steady = |duration: Duration| {
        move |index: usize| Command::Steady {
            per_second: rates[index],
            seconds: duration.as_secs_f64(),
        }
    };
    let warm = fleet.command(steady(WARM_UP))?;
    settle(&mut fleet, &warm, PATIENCE)?;
    fleet.command(|_| Command::Timing)?;
    let sent = fleet.command(steady(duration))?;
    let mut run = settle(&mut fleet, &sent, PATIENCE)?;
    let times = fleet.command(|_| Command::Times)?;
    run.latencies = latencies(&sent, &times)?;
    Ok(run)
}

/// All members send so many messages altogether, in legs.
pub(crate) fn memory(mesh: Mesh, pin: bool, messages: u64) -> anyhow::Result<Run> {
    let mut fleet = Fleet::start(mesh, None, pin)?;
    let each = (messages / MEMBERS as u64 / LEGS).max(1);
    let mut run = Run::default();
    let mut memory = Vec::new();
    for _ in 0..LEGS {
        let sent = fleet.command(|_| Command::Flat {
            seconds: 120.0,
            messages: each,
            pace: None,
        })?;
        run = settle(&mut fleet, &sent, PATIENCE)?;
        memory.push(
            fleet
                .memory()
                .iter()
                .map(|memory| memory.resident)
                .max()
                .unwrap_or(0),
        );
    }
    run.memory_peak = fleet.memory().iter().map(|memory| memory.peak).max().unwrap_or(0);
    run.memory = memory;
    Ok(run)
}

/// Waits until everybody has delivered what was sent.
fn settle(fleet: &mut Fleet, sent: &[Answer], patience: Duration) -> anyhow::Result<Run> {
    let mut expected = [0; MEMBERS];
    let mut began = u64::MAX;
    for (answer, expected) in sent.iter().zip(&mut expected) {
        let Answer::Sent { total, began_ns, .. } = answer else {
            bail!("a member should have sent")
        };
        *expected = *total;
        began = began.min(*began_ns);
    }
    let settled = fleet.command(|_| Command::Settle {
        expected,
        patience_seconds: patience.as_secs_f64(),
    })?;
    let messages: u64 = expected.iter().sum();
    let mut run = Run {
        messages,
        ..Run::default()
    };
    let mut orders = Vec::new();
    for answer in &settled {
        let Answer::Settled {
            delivered,
            at_ns,
            faults,
            order,
            cpu_seconds,
            frames,
        } = answer
        else {
            bail!("a member should have settled");
        };
        let seconds = at_ns.saturating_sub(began) as f64 / 1e9;
        run.rate += delivered.iter().sum::<u64>() as f64 / seconds / MEMBERS as f64;
        run.cpu_per_million += cpu_seconds / (messages as f64 / 1e6);
        run.faults += faults;
        orders.push(order);
        if let Some(frames) = frames {
            let sum = run.frames.get_or_insert_default();
            sum.payload_sent += frames.payload_sent;
            sum.control_sent += frames.control_sent;
        }
    }
    run.orders_differ = orders.windows(2).any(|pair| pair[0] != pair[1]);
    Ok(run)
}

/// From every message's sending to its delivery at the last of the members, the sender included.
fn latencies(sent: &[Answer], times: &[Answer]) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    for (sender, answer) in sent.iter().enumerate() {
        let Answer::Sent { sent_ns, .. } = answer else {
            bail!("a member should have sent")
        };
        for (place, &(number, at)) in sent_ns.iter().enumerate() {
            let mut last = 0;
            for answer in times {
                let Answer::Times(times) = answer else {
                    bail!("a member should have noted times")
                };
                // In FIFO order the place is the same; without order it must be looked for.
                let of = &times[sender];
                let found = of.get(place).filter(|found| found.0 == number);
                let found = found.or_else(|| of.iter().find(|found| found.0 == number));
                let Some(&(_, delivered)) = found else {
                    bail!("message {number} was not timed at a member")
                };
                last = last.max(delivered);
            }
            latencies.push(last.saturating_sub(at) as f64 / 1e3);
        }
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}
