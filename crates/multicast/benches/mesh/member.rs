//! A member: a process that the fleet commands by lines on its standard input and that answers by lines on its output.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use measure::machine;
use multicast::core::Order;
use serde::{Deserialize, Serialize};

use crate::Mesh;
use crate::group::Joined;
use crate::minimal::{Minimal, Plant};
use crate::payload::{self, PAYLOAD_BYTES, now_ns};
use crate::tally::{MEMBERS, Tally};

/// Messages encoded between two flushes when sending flat out; about 40 KiB of lines.
const BURST: usize = 256;

/// What the fleet asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
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

/// What a member can do with its mesh.
trait Broadcaster {
    fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]) -> anyhow::Result<()>;
    fn flush(&mut self) -> anyhow::Result<()>;
    fn frames(&mut self) -> Option<Frames>;
    /// All is done.
    fn close(&mut self) -> anyhow::Result<()>;
}

impl Broadcaster for Minimal {
    fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]) -> anyhow::Result<()> {
        Self::broadcast(self, payload);
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(Self::flush(self)?)
    }

    fn frames(&mut self) -> Option<Frames> {
        None
    }

    fn close(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Broadcaster for Joined {
    fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]) -> anyhow::Result<()> {
        Self::broadcast(self, payload);
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Self::flush(self)
    }

    fn frames(&mut self) -> Option<Frames> {
        Self::frames(self)
    }

    fn close(&mut self) -> anyhow::Result<()> {
        Self::close(self)
    }
}

/// Joins the mesh and obeys until told to quit.
pub(crate) fn run(
    mesh: Mesh,
    index: usize,
    addresses: &[SocketAddr],
    plant: Option<Plant>,
) -> anyhow::Result<()> {
    let tally = Arc::new(Tally::default());
    let joined = |order| -> anyhow::Result<Box<dyn Broadcaster>> {
        Ok(Box::new(Joined::join(
            order,
            index,
            addresses,
            Arc::clone(&tally),
        )?))
    };
    let mut broadcaster: Box<dyn Broadcaster> = match mesh {
        Mesh::Minimal => Box::new(Minimal::join(index, addresses, plant, Arc::clone(&tally))?),
        Mesh::None => joined(Order::None)?,
        Mesh::Fifo => joined(Order::Fifo)?,
        Mesh::Causal => joined(Order::Causal)?,
        Mesh::Total => joined(Order::Total)?,
    };
    answer(&Answer::Ready)?;
    let mut member = Member {
        mesh,
        number: 0,
        tally: &tally,
        broadcaster: &mut *broadcaster,
    };
    for line in io::stdin().lock().lines() {
        let command: Command =
            serde_json::from_str(&line?).context("the fleet's command is not understood")?;
        let said = match command {
            Command::Flat {
                seconds,
                messages,
                pace,
            } => member.flat(Duration::from_secs_f64(seconds), messages, pace)?,
            Command::Steady { per_second, seconds } => {
                member.steady(per_second, Duration::from_secs_f64(seconds))?
            }
            Command::Settle {
                expected,
                patience_seconds,
            } => member.settle(expected, Duration::from_secs_f64(patience_seconds)),
            Command::Timing => {
                tally.set_timing(true);
                Answer::Ready
            }
            Command::Times => {
                tally.set_timing(false);
                Answer::Times(tally.take_times())
            }
            Command::Quit => break,
        };
        answer(&said)?;
    }
    broadcaster.close()
}

fn answer(answer: &Answer) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

struct Member<'a> {
    mesh: Mesh,
    /// The number of the last message sent.
    number: u64,
    tally: &'a Tally,
    broadcaster: &'a mut dyn Broadcaster,
}

impl Member<'_> {
    fn flat(&mut self, duration: Duration, messages: u64, pace: Option<u32>) -> anyhow::Result<Answer> {
        let mut payload = payload::blank();
        let began_ns = now_ns();
        let (began, before) = (Instant::now(), self.number);
        let end = began + duration;
        let last = self.number.saturating_add(messages);
        while self.number < last && Instant::now() < end {
            for _ in 0..BURST.min((last - self.number) as usize) {
                self.number += 1;
                payload::fill(&mut payload, self.number, 0);
                self.broadcaster.broadcast(&payload)?;
            }
            self.broadcaster.flush()?;
            if let Some(pace) = pace {
                let due = (self.number - before) as f64 / f64::from(pace.max(1));
                let due = began + Duration::from_secs_f64(due);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
        self.tally.look();
        Ok(Answer::Sent {
            total: self.number,
            began_ns,
            sent_ns: Vec::new(),
        })
    }

    fn steady(&mut self, per_second: u32, duration: Duration) -> anyhow::Result<Answer> {
        let mut payload = payload::blank();
        let mut sent_ns = Vec::new();
        let began_ns = now_ns();
        let began = Instant::now();
        let interval = Duration::from_secs(1) / per_second.max(1);
        let count = if per_second == 0 {
            0
        } else {
            (duration.as_secs_f64() * f64::from(per_second)) as u32
        };
        for n in 0..count {
            let due = began + interval * n;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.number += 1;
            let now = now_ns();
            payload::fill(&mut payload, self.number, now);
            sent_ns.push((self.number, now));
            self.broadcaster.broadcast(&payload)?;
            self.broadcaster.flush()?;
        }
        Ok(Answer::Sent {
            total: self.number,
            began_ns,
            sent_ns,
        })
    }

    fn settle(&mut self, expected: [u64; MEMBERS], patience: Duration) -> Answer {
        self.tally.wait_for(expected, patience);
        Answer::Settled {
            delivered: self.tally.delivered(),
            at_ns: self.tally.last_ns(),
            faults: self.tally.faults(expected, self.mesh != Mesh::None),
            order: if self.mesh == Mesh::Total {
                self.tally.order()
            } else {
                0
            },
            cpu_seconds: machine::process_cpu(std::process::id()).unwrap_or_default(),
            frames: self.broadcaster.frames(),
        }
    }
}
