//! The load: connections with a bounded number of requests on their way, driven in one of three ways ([`Clients`]).
//!
//! Sweeping threads cost the machine least: a thread looks at its connections in turn without blocking, answers all
//! that has a reply, and sleeps when there is nothing to do. What a server that does nothing can reach with them
//! no program with a task for each connection will ever ask for: that is [`tasks`]. Spinning threads never sleep: waking a
//! sleeping core of a virtual machine costs the server that writes to it more than the reply does, so that the
//! servers get further, those with little to do most of all.

mod tasks;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::histogram::Histogram;
use crate::machine::{self, Cores};

/// Accounts that the transfers go to.
pub(crate) const ACCOUNTS: u32 = 10_000;
/// What every paying account is given first.
const FUNDS: &str = "10000000.00";
const READ_BYTES: usize = 256 * 1024;
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

/// Requests of fixed width, so that the next one is the last one with other digits.
struct Requests {
    line: Vec<u8>,
    id_at: [usize; 2],
    to_at: usize,
    key_at: Option<usize>,
    count: u64,
    random: u64,
    /// Whom this connection pays, if always the same.
    fixed_to: bool,
}

/// A connection whose server has greeted it and, at a bank, logged it in.
struct Opened {
    stream: std::net::TcpStream,
    requests: Requests,
}

/// A connection that a thread sweeps over.
struct Connection {
    stream: TcpStream,
    requests: Requests,
    /// When the requests on their way were sent.
    waiting: VecDeque<Instant>,
    unsent: Vec<u8>,
}

impl Requests {
    fn new(number: usize, shape: Shape, to: Option<u32>) -> Self {
        let mut line =
            br#"{"lamport":1000000000,"id":1000000000,"op":"transfer","to":"0000000000","amount":"0.01""#
                .to_vec();
        let find = |line: &[u8], what: &[u8]| {
            memchr::memmem::find(line, what).expect("it was just written") + what.len()
        };
        let key_at = shape.keys.then(|| {
            line.extend_from_slice(br#","key":"00000000000000000000000000000000""#);
            line.len() - 33
        });
        line.extend_from_slice(b"}\n");
        let (id_at, to_at) = (
            [find(&line, b"\"lamport\":"), find(&line, b"\"id\":")],
            find(&line, b"\"to\":\""),
        );
        if let Some(at) = key_at {
            // Keys of other runs and connections begin otherwise.
            let run = Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
            let start = format!("{:016x}", mix(run ^ (number as u64) << 32 ^ started()));
            line[at..at + 16].copy_from_slice(start.as_bytes());
        }
        let mut requests = Self {
            line,
            id_at,
            to_at,
            key_at,
            count: 0,
            random: number as u64 + 1,
            fixed_to: false,
        };
        if let Some(to) = to {
            requests.digits(to_at, u64::from(to));
            requests.fixed_to = true;
        }
        requests
    }

    fn digits(&mut self, at: usize, mut value: u64) {
        for place in (at..at + 10).rev() {
            self.line[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }

    /// Appends the next request.
    fn next(&mut self, bytes: &mut Vec<u8>) {
        self.count += 1;
        for at in self.id_at {
            self.digits(at, 1_000_000_000 + self.count);
        }
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let random = mix(self.random);
        if !self.fixed_to {
            // The accounts that pay come first and are not paid: so nobody pays itself.
            self.digits(self.to_at, 100 + random % u64::from(ACCOUNTS - 100));
        }
        if let Some(at) = self.key_at {
            for (place, nibble) in (at + 16..at + 32).zip(0..) {
                let digit = (random >> (4 * nibble) & 15) as usize;
                self.line[place] = b"0123456789abcdef"[digit];
            }
        }
        bytes.extend_from_slice(&self.line);
    }
}

/// SplitMix64's mixing step.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The time, so that a second run on the same data uses other keys.
fn started() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |age| age.as_nanos() as u64)
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
        sweep(opened, shape, load_for, cores)
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

/// Two threads, each with half of the connections.
fn sweep(
    opened: Vec<Opened>,
    shape: Shape,
    load_for: Duration,
    cores: &Cores,
) -> Vec<anyhow::Result<Outcome>> {
    let threads = if shape.connections > 1 {
        cores.generator.len().clamp(1, 2)
    } else {
        1
    };
    let mut shares: Vec<Vec<Connection>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, opened) in opened.into_iter().enumerate() {
        shares[number % threads].push(Connection {
            stream: TcpStream::from_std(opened.stream),
            requests: opened.requests,
            waiting: VecDeque::with_capacity(shape.window),
            unsent: Vec::new(),
        });
    }
    let begin = Instant::now() + Duration::from_millis(20);
    std::thread::scope(|scope| {
        let running: Vec<_> = shares
            .into_iter()
            .enumerate()
            .map(|(index, share)| {
                let core = cores.generator.get(index).copied();
                scope.spawn(move || {
                    machine::pin(core.as_slice());
                    work(share, shape, begin, load_for)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("a load thread does not panic"))
            .collect()
    })
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

fn work(
    mut connections: Vec<Connection>,
    shape: Shape,
    begin: Instant,
    load_for: Duration,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut buffer = vec![0; READ_BYTES];
    let (measure_from, end) = (begin + WARM_UP, begin + WARM_UP + load_for);
    let window = shape.window;
    let mut last_reply = Instant::now();
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(64));
    for (number, connection) in connections.iter_mut().enumerate() {
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut connection.stream, Token(number), both)?;
    }
    loop {
        let (mut waiting, mut moved) = (0, false);
        for connection in &mut connections {
            let now = Instant::now();
            if now < end && connection.waiting.len() <= window / 2 {
                while connection.waiting.len() < window {
                    connection.requests.next(&mut connection.unsent);
                    connection.waiting.push_back(now);
                    moved = true;
                }
            }
            connection.write()?;
            let replies = connection.read(&mut buffer, &mut outcome, measure_from, end)?;
            if replies > 0 {
                last_reply = now;
                moved = true;
            }
            waiting += connection.waiting.len();
        }
        if waiting == 0 && Instant::now() >= end {
            outcome.seconds = load_for.as_secs_f64();
            return Ok(outcome);
        }
        ensure!(
            last_reply.elapsed() < SILENCE_MAX,
            "{waiting} requests have no reply"
        );
        // Every socket was found empty: the next byte is an event. The bound is for the end of the measurement.
        if !moved && shape.clients == Clients::Sweep {
            match poll.poll(&mut events, Some(Duration::from_millis(10))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
        }
    }
}

impl Connection {
    fn write(&mut self) -> anyhow::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("failed to send"),
            }
        }
        Ok(())
    }

    /// Reads what is there; replies are counted that come while it is measured.
    fn read(
        &mut self,
        buffer: &mut [u8],
        outcome: &mut Outcome,
        measure_from: Instant,
        end: Instant,
    ) -> anyhow::Result<usize> {
        let count = match self.stream.read(buffer) {
            Ok(0) => anyhow::bail!("the server closed a connection"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error).context("failed to receive"),
        };
        outcome.count(&buffer[..count], &mut self.waiting, measure_from..end)
    }
}
