//! The threads of the load generator: two that read and send flat out, and one that keeps a steady rate.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::connection::{Connection, Shared};
use crate::load::Role;

/// Bytes one read takes at most; it stays in the second-level cache.
const READ_BYTES: usize = 256 * 1024;
/// How long nothing may arrive, after or during the load, before what lacks is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// How long a line too many is waited for when everything has come.
const SURPLUS_WAIT: Duration = Duration::from_millis(40);
/// Texts of a steady rate are sent in ticks at least this long.
const TICK_MIN: Duration = Duration::from_millis(1);

/// What a load thread hands back.
pub(crate) struct Report {
    pub(crate) connections: Vec<Connection>,
    pub(crate) last_arrival: Duration,
    /// Share of its time that it had something to do.
    pub(crate) busy: f64,
}

/// Owns its connections until everything that was sent has come to them, or nothing comes any more.
pub(crate) fn work(mut connections: Vec<Connection>, shared: &Shared) -> std::io::Result<Report> {
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

/// Sends at a steady rate from a thread of its own, reads the replies, and waits for the last one.
pub(crate) fn send_steadily(
    mut connection: Connection,
    per_second: u32,
    shared: &Shared,
) -> std::io::Result<Report> {
    let tick = TICK_MIN.max(Duration::from_secs(1) / per_second);
    let texts_a_tick = (tick.as_secs_f64() * f64::from(per_second)).round() as u64;
    let mut buffer = vec![0; READ_BYTES];
    let mut last_arrival = Duration::ZERO;
    let mut next = tick;
    while next < shared.load_for && !connection.closed {
        std::thread::sleep(next.saturating_sub(shared.begin.elapsed()));
        let now = shared.begin.elapsed().as_nanos() as u64;
        connection.append(texts_a_tick, usize::MAX, now);
        connection.writable = true;
        connection.flush();
        connection.read(&mut buffer, shared);
        next += tick;
    }
    let give_up = shared.begin.elapsed() + SILENCE_MAX;
    while !connection.closed && shared.begin.elapsed() < give_up {
        connection.writable = true;
        connection.flush();
        if connection.read(&mut buffer, shared) {
            last_arrival = shared.begin.elapsed();
        }
        if connection.has_written() && connection.outstanding() == 0 {
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
