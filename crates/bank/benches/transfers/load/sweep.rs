//! Threads that sweep over their connections without blocking, answer all that has a reply, and sleep or spin when there
//! is nothing to do.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use measure::machine::{self, Cores};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::requests::Requests;
use super::{Clients, Opened, Outcome, SILENCE_MAX, Shape, WARM_UP};

const READ_BYTES: usize = 256 * 1024;

/// A connection that a thread sweeps over.
struct Connection {
    stream: TcpStream,
    requests: Requests,
    /// When the requests on their way were sent.
    waiting: VecDeque<Instant>,
    unsent: Vec<u8>,
}

/// Two threads, each with half of the connections.
pub(super) fn run(
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
        let work = |share| work(share, shape, begin, load_for);
        let running = machine::spawn_pinned(scope, &cores.generator, shares, work);
        running
            .into_iter()
            .map(|thread| thread.join().expect("a load thread does not panic"))
            .collect()
    })
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
