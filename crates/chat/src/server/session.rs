//! One connection's task: reads, decides with the core, and waits for what has to be waited for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use proto::net::{Closed, Connection, Outbox, Turn};
use proto::{Batch, WireError, codes};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::core::{Core, Needed, Progress};
use super::errands;
use super::fanout::{Deliveries, Receiver};
use super::passwords::Passwords;
use super::request;
use crate::codes::TAKEN_OVER;
use crate::hub::{ConnectionId, Reason};
use crate::limits::{RECEIVER_PATIENCE, SENDER_PAUSE_MAX};

/// One connection as its task sees it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: ConnectionId,
    pub(super) connection: Connection,
    /// Stamped requests received so far; names them in traces.
    pub(super) requests: u64,
    /// It has broken the framing too often.
    pub(super) broken: bool,
    /// What it has caused and its thread still has to write.
    pub(super) deliveries: Deliveries,
    /// Whom its last batch told something privately.
    pub(super) told: Vec<ConnectionId>,
}

/// What a session needs of its server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Core,
    pub(super) passwords: Passwords,
}

impl Session {
    /// Queues lines for this connection itself.
    pub(super) fn reply(&mut self, lines: Vec<u8>) {
        if !lines.is_empty() {
            self.connection.queue(lines.into());
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(connection: Connection, shared: Arc<Shared>) {
    let ousted = Arc::new(Notify::new());
    let receiver = Receiver::new(connection.outbox().clone(), Arc::clone(&ousted));
    let id = shared.core.open(receiver);
    let mut session = Session {
        id,
        connection,
        requests: 0,
        broken: false,
        deliveries: Deliveries::default(),
        told: Vec::new(),
    };
    // Whatever happens, the others learn of the end and the name is free again.
    let ran = AssertUnwindSafe(run(&mut session, &shared, &ousted))
        .catch_unwind()
        .await;
    let end = ran.unwrap_or(End::Failed);
    match end {
        End::Closed(closed) => tracing::debug!(%closed, "connection over"),
        End::ShuttingDown => {
            while let Progress::Needs(needed) = shared.core.shut_down(&mut session) {
                reserve(&shared, needed).await;
            }
        }
        End::Ousted => shared.core.tell_end(&mut session, &taken_over()),
        End::Failed => {
            tracing::error!(
                "a connection's task failed; it is closed; hint: please report what was printed before this"
            );
            shared.core.tell_end(&mut session, &failed());
        }
        End::Finished => {}
    }
    // Before anything is awaited that the peer could hold up: the others learn of the end at once.
    while let Progress::Needs(needed) = shared.core.end(&mut session, end.reason()) {
        reserve(&shared, needed).await;
    }
    if !matches!(end, End::Closed(_)) {
        session.connection.finish().await;
    }
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The stream is over.
    Closed(Closed),
    /// It has left, or may not go on; what is queued is still written.
    Finished,
    /// Its name was taken over.
    Ousted,
    /// The server goes down.
    ShuttingDown,
    /// A mistake of ours: its task panicked.
    Failed,
}

impl End {
    /// What the others are told if it has not left by itself.
    fn reason(self) -> Reason {
        match self {
            Self::Closed(Closed::TimedOut) => Reason::Timeout,
            Self::Closed(Closed::Slow) => Reason::Slow,
            Self::Closed(_) | Self::Finished | Self::Ousted | Self::ShuttingDown | Self::Failed => {
                Reason::Lost
            }
        }
    }
}

impl From<Closed> for End {
    fn from(closed: Closed) -> Self {
        Self::Closed(closed)
    }
}

async fn run(session: &mut Session, shared: &Shared, ousted: &Notify) -> End {
    loop {
        let turn = tokio::select! {
            turn = session.connection.turn() => turn,
            () = ousted.notified() => return End::Ousted,
        };
        match turn {
            Turn::Received(batch) => {
                if let Err(end) = Box::pin(receive(session, shared, &batch)).await {
                    return end;
                }
            }
            Turn::Drained => shared.core.drained(session),
            Turn::ShuttingDown => return End::ShuttingDown,
            Turn::Closed(closed) => return End::Closed(closed),
        }
    }
}

/// Handles a batch to its end, errands and pauses included. Boxed by its caller: an idle connection must not carry
/// the room for it.
async fn receive(session: &mut Session, shared: &Shared, batch: &Batch) -> Result<(), End> {
    let mut lines = request::read(batch).into_iter();
    let mut patient_until = None;
    loop {
        let patient = patient_until.is_none_or(|until| Instant::now() < until);
        match shared.core.receive(session, &mut lines, patient) {
            Progress::Done => break,
            Progress::Over => return Err(End::Finished),
            Progress::Needs(needed) => session.connection.write_while(reserve(shared, needed)).await?,
            Progress::Waits(errand) => errands::run(session, shared, errand).await?,
            Progress::Holds(outboxes) => {
                let until = *patient_until.get_or_insert_with(|| Instant::now() + SENDER_PAUSE_MAX);
                let relieved = timeout_at(until, relieved(outboxes));
                let _ = session.connection.write_while(relieved).await?;
            }
        }
    }
    if shared.core.history.is_behind() {
        session
            .connection
            .write_while(shared.core.history.ready())
            .await?;
    }
    Ok(())
}

/// Waits for receivers that are behind but follow. The sender is not read meanwhile: that is all the flow control there
/// is. Many that wait for one receiver go on one by one, because each looks again under the lock.
async fn relieved(outboxes: Vec<Outbox>) {
    for outbox in outboxes {
        outbox.relieved_within(RECEIVER_PATIENCE).await;
    }
}

/// Reserves numbers; returns when they may be used.
pub(super) async fn reserve(shared: &Shared, needed: Needed) {
    for (room, through) in needed.rooms {
        shared.core.history.reserve_seqs(&room, through).await;
    }
    if let Some((now, through)) = needed.clock {
        shared.core.history.reserve_clock(now, through).await;
    }
}

fn taken_over() -> WireError {
    WireError::new(
        TAKEN_OVER,
        "your name was taken over by another connection of yours",
    )
    .with_hint("do not come back by yourself: that would take it back")
}

fn failed() -> WireError {
    WireError::new(
        codes::INTERNAL,
        "the server made a mistake and closes this connection",
    )
    .with_hint("come back; the log of the server says more")
}

#[cfg(test)]
mod tests {
    use proto::net::{MemoryConnector, Shutdown, Stream};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    use crate::server::desk::PLANTED_PANIC;
    use crate::{Server, Settings};

    async fn join(connector: &MemoryConnector, name: &str) -> BufReader<Stream> {
        let mut stream = BufReader::new(connector.connect().await.unwrap());
        send(
            &mut stream,
            &format!("{{\"id\":1,\"op\":\"join\",\"name\":\"{name}\"}}"),
        )
        .await;
        expect(&mut stream, "\"service\":\"chat\"").await;
        expect(&mut stream, "\"ok\"").await;
        stream
    }

    async fn send(stream: &mut BufReader<Stream>, line: &str) {
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn expect(stream: &mut BufReader<Stream>, part: &str) {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.contains(part), "{line:?} instead of {part}");
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_connection_and_frees_the_name() {
        let (server, connector) = Server::in_memory(Settings::default()).unwrap();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(server.run(shutdown.clone()));
        let mut ana = join(&connector, "Ana").await;
        let mut bia = join(&connector, "Bia").await;
        expect(&mut ana, "\"entered\"").await;

        send(
            &mut ana,
            &format!("{{\"id\":2,\"op\":\"say\",\"text\":\"{PLANTED_PANIC}\"}}"),
        )
        .await;
        expect(&mut ana, "\"code\":\"internal\"").await;
        let mut rest = String::new();
        assert_eq!(ana.read_line(&mut rest).await.unwrap(), 0, "closed: {rest}");
        expect(
            &mut bia,
            "\"event\":\"left\",\"room\":\"lobby\",\"seq\":3,\"name\":\"Ana\",\"reason\":\"lost\"",
        )
        .await;

        let mut ana = join(&connector, "Ana").await;
        expect(&mut bia, "\"entered\"").await;
        send(&mut bia, "{\"id\":2,\"op\":\"say\",\"text\":\"welcome back\"}").await;
        expect(&mut ana, "welcome back").await;
        shutdown.begin();
        running.await.unwrap().unwrap();
    }
}
