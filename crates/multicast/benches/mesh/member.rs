//! A member: a process that the fleet commands by lines on its standard input and that answers by lines on its output.

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use measure::machine;
use multicast::core::Order;
use serde::{Deserialize, Serialize};

use crate::Mesh;
use crate::generator::{Broadcaster, Generator};
use crate::group::Joined;
use crate::minimal::{Minimal, Plant};
use crate::tally::{MEMBERS, Tally};

/// What the fleet asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Connect with the members, which listen there.
    Join(Vec<SocketAddr>),
    /// Send for so many seconds or messages, whichever comes first: flat out, or in bursts at a pace of so many a second.
    Flat {
        seconds: f64,
        messages: u64,
        pace: Option<u32>,
    },
    /// From now on note when everything is delivered.
    Timing,
    /// Send at a steady rate for so long; rate 0 only listens.
    Steady {
        per_second: u32,
        seconds: f64,
    },
    /// Wait until so much of each sender is delivered.
    Settle {
        expected: [u64; MEMBERS],
        patience_seconds: f64,
    },
    /// Give the times noted.
    Times,
    Quit,
}

/// What a member answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It listens there, before anything else.
    Listening(SocketAddr),
    /// It is connected with all others, or notes times.
    Ready,
    /// Everything is sent: how much altogether since the start, and when the first and the last left.
    Sent {
        total: u64,
        began_ns: u64,
        /// When each message of a steady run was sent.
        sent_ns: Vec<(u64, u64)>,
    },
    /// Everything is delivered, or not.
    Settled {
        delivered: [u64; MEMBERS],
        /// When the last was.
        at_ns: u64,
        faults: u64,
        order: u64,
        cpu_seconds: f64,
        frames: Option<Frames>,
    },
    /// When each message of each sender was delivered.
    Times([Vec<(u64, u64)>; MEMBERS]),
}

/// What went over the links of a member since its start.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Frames {
    pub(crate) payload_sent: u64,
    pub(crate) control_sent: u64,
}

/// Joins the mesh and obeys until told to quit.
pub(crate) fn run(mesh: Mesh, index: usize, plant: Option<Plant>) -> anyhow::Result<()> {
    let tally = Arc::new(Tally::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    answer(&Answer::Listening(listener.local_addr()?))?;
    let mut commands = io::stdin().lock().lines().map(command);
    let Some(Command::Join(addresses)) = commands.next().transpose()? else {
        bail!("a member is first told whom to join");
    };
    let order = match mesh {
        Mesh::Minimal => None,
        Mesh::None => Some(Order::None),
        Mesh::Fifo => Some(Order::Fifo),
        Mesh::Causal => Some(Order::Causal),
        Mesh::Total => Some(Order::Total),
    };
    let broadcaster: Box<dyn Broadcaster> = match order {
        None => Box::new(Minimal::join(
            listener,
            index,
            &addresses,
            plant,
            Arc::clone(&tally),
        )?),
        Some(order) => Box::new(Joined::join(
            order,
            listener,
            index,
            &addresses,
            Arc::clone(&tally),
        )?),
    };
    answer(&Answer::Ready)?;
    let mut generator = Generator::new(index, broadcaster, Arc::clone(&tally));
    for command in commands {
        let said;
        (generator, said) = match command? {
            Command::Join(_) => bail!("a member joins once"),
            Command::Flat {
                seconds,
                messages,
                pace,
            } => generator.flat(Duration::from_secs_f64(seconds), messages, pace)?,
            Command::Steady { per_second, seconds } => {
                generator.steady(per_second, Duration::from_secs_f64(seconds))?
            }
            Command::Settle {
                expected,
                patience_seconds,
            } => {
                tally.wait_for(expected, Duration::from_secs_f64(patience_seconds));
                let frames = generator.broadcaster.frames();
                (generator, settled(mesh, &tally, expected, frames))
            }
            Command::Timing => {
                tally.set_timing(true);
                (generator, Answer::Ready)
            }
            Command::Times => {
                tally.set_timing(false);
                (generator, Answer::Times(tally.take_times()))
            }
            Command::Quit => break,
        };
        answer(&said)?;
    }
    generator.broadcaster.close()
}

fn command(line: io::Result<String>) -> anyhow::Result<Command> {
    serde_json::from_str(&line?).context("the fleet's command is not understood")
}

fn answer(answer: &Answer) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

fn settled(mesh: Mesh, tally: &Tally, expected: [u64; MEMBERS], frames: Option<Frames>) -> Answer {
    Answer::Settled {
        delivered: tally.delivered(),
        at_ns: tally.last_ns(),
        faults: tally.faults(expected, mesh != Mesh::None),
        order: if mesh == Mesh::Total { tally.order() } else { 0 },
        cpu_seconds: machine::process_cpu(std::process::id()).unwrap_or_default(),
        frames,
    }
}
