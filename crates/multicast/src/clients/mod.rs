//! The client port: what a peer answers to connections that are no members' links.
//!
//! `multicast {data}`, `watch {since?}`, `status`, `members`; event `delivered {message, from, data, stamp, received, at}`. A delivery is
//! encoded once and kept for a while, and every watcher is a cursor into what is kept: nobody's slowness costs another
//! anything, and a watcher that comes back goes on after the last message it had. `trace {member?, since?}` tells what happens,
//! here or at another member, event by event; it is for looking on and may leave out what comes too fast, saying so.
//!
//! Clients have a clock of their own here: looking at a peer does not move the group's clocks.

mod follow;
mod kept;
mod operations;
mod traced;
mod traces;

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use proto::net::{Connection, ServerClock, Turn};
use proto::{Code, FrameError, LineWriter, Refusal, WireError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::driver::link::ClientPort;
use crate::group::{Event, Group, Handle};
use crate::group_file::Members;
use crate::limits::WATCH_CHUNK_BYTES;
use crate::members::MemberSet;
use kept::Kept;
use operations::Request;
use traces::Traces;

/// The message to go on after is not kept, or never was.
pub const SINCE_UNKNOWN: Code = Code::new("since_unknown");
/// The group takes no message of this peer any more.
pub const NOT_SENT: Code = Code::new("not_sent");

/// Serves the clients of one peer.
pub struct Clients {
    handle: Handle,
    incarnation: u64,
    order: &'static str,
    clock: ServerClock,
    kept: Mutex<Kept>,
    /// How many events were told so far.
    told: watch::Sender<u64>,
    members: Members,
    traces: Mutex<Traces>,
    /// Fires when something was traced.
    traced: watch::Sender<()>,
}

/// What one connection asked for.
#[derive(Default)]
struct Attached {
    /// Where it is in what is kept, once it watches.
    cursor: Option<u64>,
    /// The members whose events it follows, and the tasks that tell them; they end with the connection.
    follows: MemberSet,
    tasks: JoinSet<()>,
}

impl Clients {
    /// Serves the clients of `group` from now on. Those of a durable member can go on from what its former lives told.
    #[must_use]
    pub fn install(group: &Group) -> Arc<Self> {
        let clients = Arc::new(Self {
            handle: group.handle(),
            incarnation: group.incarnation(),
            order: group.order_word(),
            clock: ServerClock::starting_at(0),
            kept: Mutex::default(),
            told: watch::Sender::new(0),
            members: group.members().clone(),
            traces: Mutex::new(Traces::new(
                group.handle().id().clone(),
                group.incarnation(),
                group.order_word(),
                group.began(),
                wall_us(),
            )),
            traced: watch::Sender::new(()),
        });
        clients.keep(&group.told_before());
        group.serve_clients(Arc::new(Port(Arc::clone(&clients))));
        clients
    }

    /// Tells the watchers what the group told this peer; call it with everything [`Group::next`] returns.
    pub fn tell(&self, events: &[Event]) {
        self.traces().take(events, wall_us());
        self.traced.send_replace(());
        self.keep(events);
    }

    /// Keeps deliveries for those who watch.
    fn keep(&self, events: &[Event]) {
        let mut kept = self.kept();
        for event in events {
            let mut line = Vec::new();
            let name = match event {
                Event::Delivered(delivery) => {
                    let name = delivery.name();
                    LineWriter::event(&mut line, self.tick(), "delivered")
                        .text("message", &name.to_string())
                        .text("from", delivery.from.as_str())
                        .text("data", delivery.text())
                        .number("stamp", delivery.stamp)
                        .number("received", delivery.received)
                        .number("at", delivery.at)
                        .number("number", delivery.number)
                        .end();
                    Some(name)
                }
                Event::Missed {
                    number,
                    from,
                    incarnation,
                    first,
                    last,
                    ..
                } => {
                    LineWriter::event(&mut line, self.tick(), "missed")
                        .text("from", from.as_str())
                        .number("incarnation", *incarnation)
                        .number("first", *first)
                        .number("last", *last)
                        .number("number", *number)
                        .end();
                    None
                }
                _ => continue,
            };
            kept.push(name, line.into());
        }
        let told = kept.end();
        drop(kept);
        self.told.send_replace(told);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stamp of a send; at the end of time it stands still.
    fn tick(&self) -> u64 {
        self.clock.tick().unwrap_or(lamport::TIME_MAX)
    }

    async fn serve(self: Arc<Self>, mut connection: Connection, lines: VecDeque<Result<Bytes, FrameError>>) {
        connection.establish();
        let mut told = self.told.subscribe();
        let mut attached = Attached::default();
        for line in lines {
            let line = line.as_deref().map_err(|error| *error);
            if !self.answer(&mut connection, line, &mut attached).await {
                return connection.finish().await;
            }
        }
        loop {
            if !self.feed(&connection, &mut attached.cursor) {
                return connection.finish().await;
            }
            let outbox = connection.outbox().clone();
            let behind = attached.cursor.is_some_and(|cursor| cursor < self.kept().end());
            let turn = tokio::select! {
                turn = connection.turn() => turn,
                Ok(()) = told.changed(), if attached.cursor.is_some() && !behind => continue,
                () = outbox.relieved(), if behind => continue,
            };
            match turn {
                Turn::Received(batch) => {
                    for line in batch.lines() {
                        if !self.answer(&mut connection, line, &mut attached).await {
                            return connection.finish().await;
                        }
                    }
                }
                Turn::Drained => {}
                Turn::ShuttingDown => return connection.finish().await,
                Turn::Closed(_) => return,
            }
        }
    }

    /// Queues what the watcher has not been told yet, as far as it keeps up. False when it fell out of what is kept.
    fn feed(&self, connection: &Connection, cursor: &mut Option<u64>) -> bool {
        let Some(at) = cursor else { return true };
        let outbox = connection.outbox();
        while outbox.queued_bytes() < WATCH_CHUNK_BYTES {
            let Some(chunk) = self.kept().chunk(at) else {
                let error = WireError::new(SINCE_UNKNOWN, "this watcher fell behind what the peer keeps");
                let mut line = Vec::new();
                LineWriter::error_event(&mut line, self.tick(), &error);
                let _ = outbox.push_reply(line.into());
                return false;
            };
            if chunk.is_empty() {
                break;
            }
            let _ = outbox.push_reply(chunk.into());
        }
        true
    }

    /// Answers one line. False when the connection should end.
    async fn answer(
        self: &Arc<Self>,
        connection: &mut Connection,
        line: Result<&[u8], FrameError>,
        attached: &mut Attached,
    ) -> bool {
        let parsed = match line {
            Ok(line) => proto::parse::<Request<'_>>(line),
            Err(error) => Err(Refusal::from(error)),
        };
        let request = match parsed {
            Ok(Some(request)) => request,
            Ok(None) => return true,
            Err(refusal) => {
                if let Some(stamp) = refusal.lamport {
                    let _ = self.clock.receive(stamp);
                }
                return connection.refuse(self.tick(), &refusal);
            }
        };
        if let Err(error) = self.clock.receive(request.lamport.get().unwrap_or(0)) {
            return connection.refuse(self.tick(), &Refusal::of(&request, error.into()));
        }
        let id = request.id.get().unwrap_or(0);
        let mut reply = Vec::new();
        match self.perform(connection, &request, id, attached, &mut reply).await {
            Ok(()) => {
                let _ = connection.outbox().push_reply(reply.into());
                true
            }
            Err(error) => connection.refuse(self.tick(), &Refusal::of(&request, error)),
        }
    }
}

/// The wall clock, in microseconds since the Unix epoch.
impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("handle", &self.handle)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

/// What the links see of [`Clients`].
struct Port(Arc<Clients>);

impl ClientPort for Port {
    fn serve(
        &self,
        connection: Connection,
        lines: VecDeque<Result<Bytes, FrameError>>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(Arc::clone(&self.0).serve(connection, lines))
    }
}
