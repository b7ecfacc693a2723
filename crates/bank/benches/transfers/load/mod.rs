//! The load: connections with a bounded number of requests on their way, driven in one of three ways ([`Clients`]).
//!
//! Sweeping threads cost the machine least: a thread looks at its connections in turn without blocking, answers all
//! that has a reply, and sleeps when there is nothing to do. What a server that does nothing can reach with them
//! no program with a task for each connection will ever ask for: that is [`tasks`]. Spinning threads never sleep: waking a
//! sleeping core of a virtual machine costs the server that writes to it more than the reply does, so that the
//! servers get further, those with little to do most of all.

mod requests;
mod sweep;
mod tasks;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use measure::Histogram;
use measure::machine::Cores;

use self::requests::Requests;

/// Accounts that the transfers go to.
pub(crate) const ACCOUNTS: u32 = 10_000;
/// What every paying account is given first.
const FUNDS: &str = "10000000.00";
/// Part of a run that is not measured: connections fill, files are there, caches are warm.
const WARM_UP: Duration = Duration::from_millis(200);
/// How long nothing may be answered before a run counts as failed.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How the connections are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clients {
    /// Two threads that sweep over their connections, and sleep when there is nothing to do
    Sweep,
    /// The same, without ever sleeping
    Spin,
    /// A Tokio task for each connection, as programs have
    Tasks,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Requests on their way on each connection.
    pub(crate) window: usize,
    /// Nine of ten connections move money between two accounts.
    pub(crate) hot: bool,
    pub(crate) keys: bool,
    /// Log in and pay in first: the limits know no accounts.
    pub(crate) is_bank: bool,
    pub(crate) clients: Clients,
}

/// What a run brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) replies: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Histogram,
    /// Replies that are no success.
    pub(crate) refused: u64,
}

impl Outcome {
    /// Takes replies off `waiting`, and counts those that came while it is measured.
    fn count(
        &mut self,
        bytes: &[u8],
        waiting: &mut VecDeque<Instant>,
        measured: Range<Instant>,
    ) -> anyhow::Result<usize> {
        let now = Instant::now();
        let replies = memchr::memchr_iter(b'\n', bytes).count();
        self.refused += memchr::memmem::find_iter(bytes, b"\"error\"").count() as u64;
        for _ in 0..replies {
            let sent = waiting.pop_front().context("a reply to nothing")?;
            if measured.contains(&now) {
                self.latency.record((now - sent).as_nanos() as u64);
                self.replies += 1;
            }
        }
        Ok(replies)
    }

    pub(crate) fn rate(&self) -> f64 {
        self.replies as f64 / self.seconds
    }
}

/// A connection whose server has greeted it and, at a bank, logged it in.
struct Opened {
    stream: std::net::TcpStream,
    requests: Requests,
}

/// Loads the server through these connections for so long.
pub(crate) fn run(
    to: SocketAddr,
    shape: Shape,
    load_for: Duration,
    cores: &Cores,
) -> anyhow::Result<Outcome> {
    let open =
        |number| open(to, number, shape).with_context(|| format!("failed to open connection {number}"));
    let opened = (0..shape.connections)
        .map(open)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let outcomes = if shape.clients == Clients::Tasks {
        tasks::run(opened, shape, load_for, cores)?
    } else {
        sweep::run(opened, shape, load_for, cores)
    };
    let mut sum = Outcome::default();
    for outcome in outcomes {
        let outcome = outcome?;
        sum.replies += outcome.replies;
        sum.refused += outcome.refused;
        sum.latency.merge(&outcome.latency);
        sum.seconds = sum.seconds.max(outcome.seconds);
    }
    ensure!(
        sum.refused == 0,
        "{} of {} transfers were refused",
        sum.refused,
        sum.replies
    );
    ensure!(sum.replies > 0, "nothing was answered");
    Ok(sum)
}

/// Connects and, at a bank, logs in and pays in.
fn open(to: SocketAddr, number: usize, shape: Shape) -> anyhow::Result<Opened> {
    let mut stream = std::net::TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut reader = BufReader::with_capacity(1024, stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    // Nine of ten connections pay from one of two accounts to the other.
    let hot = shape.hot && number % 10 != 9;
    let (account, fixed_to) = if hot {
        (number % 2, Some(1 - number as u32 % 2))
    } else {
        (number + 2, None)
    };
    if shape.is_bank {
        for request in [
            format!(r#"{{"id":1,"op":"login","account":"{account:010}","pin":"1234"}}"#),
            format!(r#"{{"id":2,"op":"deposit","amount":"{FUNDS}"}}"#),
        ] {
            stream.write_all(format!("{request}\n").as_bytes())?;
            line.clear();
            reader.read_line(&mut line)?;
            ensure!(line.contains("\"ok\""), "{request} was answered {line}");
        }
    }
    stream.set_nonblocking(true)?;
    let requests = Requests::new(number, shape, fixed_to);
    Ok(Opened { stream, requests })
}
