//! One connection's task: reads, decides with the core, and waits for what has to be waited for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proto::net::{Closed, Connection, Turn};
use proto::{Batch, WireError};
use tokio::sync::Notify;

use super::core::{Core, Needed, Pressing, Progress};
use super::fanout::Receiver;
use super::passwords::Passwords;
use super::request::{self, Errand};
use crate::codes::HISTORY_UNAVAILABLE;
use crate::history::{self, Window};
use crate::hub::{ConnectionId, Entering, Input, Reason, Registration};
use crate::limits::{HISTORY_REPLY_BYTES, RECEIVER_BEHIND_MAX, SENDER_PAUSE_MAX};

/// One connection as its task sees it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: ConnectionId,
    pub(super) connection: Connection,
    /// Stamped requests received so far; names them in traces.
    pub(super) requests: u64,
    /// It has broken the framing too often.
    pub(super) broken: bool,
    /// Outboxes above their soft mark that this connection has just written to.
    pub(super) pressing: Pressing,
}

/// What a session needs of its server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Core,
    pub(super) passwords: Passwords,
}

impl Session {
    /// Queues lines for this connection itself.
    pub(super) fn push_reply(&self, lines: Vec<u8>) {
        if !lines.is_empty() {
            // A connection that is over misses its replies; its task is about to notice.
            let _ = self.connection.outbox().push_reply(lines.into());
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(connection: Connection, shared: Arc<Shared>) {
    let ousted = Arc::new(Notify::new());
    let receiver = Receiver {
        outbox: connection.outbox().clone(),
        ousted: Arc::clone(&ousted),
        missed: BTreeMap::new(),
    };
    let id = shared.core.open(receiver);
    let mut session = Session {
        id,
        connection,
        requests: 0,
        broken: false,
        pressing: Vec::new(),
    };
    let end = run(&mut session, &shared, &ousted).await;
    match end {
        End::Closed(closed) => tracing::debug!(%closed, "connection over"),
        End::ShuttingDown => {
            while let Progress::Needs(needed) = shared.core.shut_down(&mut session) {
                reserve(&shared, needed).await;
            }
        }
        End::Ousted => shared.core.ousted(&mut session),
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
enum End {
    /// The stream is over.
    Closed(Closed),
    /// It has left, or may not go on; what is queued is still written.
    Finished,
    /// Its name was taken over.
    Ousted,
    /// The server goes down.
    ShuttingDown,
}

impl End {
    /// What the others are told if it has not left by itself.
    fn reason(self) -> Reason {
        match self {
            Self::Closed(Closed::TimedOut) => Reason::Timeout,
            Self::Closed(Closed::Slow) => Reason::Slow,
            Self::Closed(_) | Self::Finished | Self::Ousted | Self::ShuttingDown => Reason::Lost,
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
    loop {
        match shared.core.receive(session, &mut lines) {
            Progress::Done => break,
            Progress::Over => return Err(End::Finished),
            Progress::Needs(needed) => session.connection.write_while(reserve(shared, needed)).await?,
            Progress::Waits(errand) => run_errand(session, shared, errand).await?,
        }
    }
    pause(session, shared).await
}

/// Waits a little for those receivers that are behind but follow, and for a disk that does. Reading stops meanwhile,
/// and so the sender does: that is all the flow control there is.
async fn pause(session: &mut Session, shared: &Shared) -> Result<(), End> {
    let pressing = std::mem::take(&mut session.pressing);
    if !pressing.is_empty() {
        let relieved = async {
            for outbox in pressing {
                if outbox.is_pressing(SENDER_PAUSE_MAX, RECEIVER_BEHIND_MAX) {
                    outbox.relieved().await;
                }
            }
        };
        // Those that are not relieved in time lag.
        let _ = session
            .connection
            .write_while(tokio::time::timeout(SENDER_PAUSE_MAX, relieved))
            .await?;
    }
    if shared.core.history.is_behind() {
        session
            .connection
            .write_while(shared.core.history.ready())
            .await?;
    }
    Ok(())
}

async fn run_errand(session: &mut Session, shared: &Shared, errand: Errand<'_>) -> Result<(), End> {
    let connection = session.id;
    match errand {
        Errand::CheckPassword {
            id,
            password,
            hash,
            wanted,
        } => {
            let outcome = session
                .connection
                .write_while(shared.passwords.verify(&password, hash))
                .await?;
            let entering = Entering::once(&wanted);
            let input = Input::PasswordChecked {
                connection,
                id,
                wanted,
                outcome,
            };
            answer(session, shared, entering, input).await
        }
        Errand::StorePassword { id, password, name } => {
            let stored = store_password(shared, &password, name);
            let outcome = session.connection.write_while(stored).await?;
            answer(
                session,
                shared,
                None,
                Input::PasswordStored {
                    connection,
                    id,
                    outcome,
                },
            )
            .await
        }
        Errand::ReadHistory {
            id,
            room,
            after,
            before,
            limit,
        } => {
            let window = match (after, before) {
                (Some(after), _) => Window::After(after),
                (None, Some(before)) => Window::Before(before),
                (None, None) => Window::Newest,
            };
            let page = shared
                .core
                .history
                .page(&room, window, limit, HISTORY_REPLY_BYTES);
            let page = session.connection.write_while(page).await?;
            shared
                .core
                .reply_history(session, id, &room, page.map_err(|error| unavailable(&error)));
            Ok(())
        }
        Errand::Replay { room, after, through } => replay(session, shared, &room, after, through).await,
    }
}

/// Gives the hub the answer to an errand.
async fn answer(
    session: &mut Session,
    shared: &Shared,
    entering: Option<Entering>,
    input: Input<'_>,
) -> Result<(), End> {
    let mut input = Some(input);
    loop {
        match shared.core.resume(session, entering.as_slice(), &mut input) {
            Progress::Done => return Ok(()),
            Progress::Over => return Err(End::Finished),
            Progress::Needs(needed) => session.connection.write_while(reserve(shared, needed)).await?,
            Progress::Waits(Errand::Replay { room, after, through }) => {
                return replay(session, shared, &room, after, through).await;
            }
            // No answer leads to another question.
            Progress::Waits(_) => return Ok(()),
        }
    }
}

async fn store_password(
    shared: &Shared,
    password: &str,
    name: crate::names::Name,
) -> Result<Registration, WireError> {
    let hash = shared.passwords.hash(password).await?;
    let registration = history::Registration {
        key: name.filed().into(),
        shown: name.as_str().into(),
        password: (*hash).into(),
    };
    shared
        .core
        .history
        .register(registration)
        .await
        .map_err(|error| unavailable(&error))?;
    Ok(Registration { name, hash })
}

/// Sends what is stored of a room, before anything that was broadcast since.
async fn replay(
    session: &mut Session,
    shared: &Shared,
    room: &str,
    after: u64,
    through: u64,
) -> Result<(), End> {
    let mut replay = shared.core.history.replay(room, after, through);
    let mut accounted = after;
    loop {
        let (missed, lines) = match replay.next().await {
            Ok(None) => return Ok(()),
            Ok(Some(piece)) => {
                accounted = piece.through;
                (piece.missed, piece.lines)
            }
            Err(error) => {
                tracing::warn!(%error, "a replay failed");
                let rest = through - accounted;
                accounted = through;
                (rest, Bytes::new())
            }
        };
        if missed > 0 {
            session
                .connection
                .write_next(shared.core.lagged_line(room, missed).into());
        }
        if !lines.is_empty() {
            session.connection.write_next(lines);
        }
        session.connection.flush_claimed().await?;
        if accounted >= through {
            return Ok(());
        }
    }
}

async fn reserve(shared: &Shared, needed: Needed) {
    for (room, through) in needed.rooms {
        shared.core.history.reserve_seqs(&room, through).await;
    }
    if let Some((now, through)) = needed.clock {
        shared.core.history.reserve_clock(now, through).await;
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> WireError {
    WireError::new(HISTORY_UNAVAILABLE, error.to_string()).with_hint("try again later")
}
