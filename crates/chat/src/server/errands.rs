//! What an operation has to wait for: passwords, stored history, replays.

use bytes::Bytes;
use proto::WireError;

use super::core::Progress;
use super::request::{Errand, Replay};
use super::session::{End, Session, Shared, reserve};
use crate::codes::HISTORY_UNAVAILABLE;
use crate::history::{self, Window};
use crate::hub::{Entering, Input, Registration};
use crate::limits::HISTORY_REPLY_BYTES;
use crate::names::Name;

/// Does what a batch waits for, and goes on with what it leads to.
pub(super) async fn run(session: &mut Session, shared: &Shared, errand: Errand<'_>) -> Result<(), End> {
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
            session.connection.relieve().await?;
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
        Errand::Replay(asked) => replay(session, shared, &asked).await,
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
            Progress::Waits(Errand::Replay(asked)) => return replay(session, shared, &asked).await,
            // No answer leads to another question, and none is held up.
            Progress::Waits(_) | Progress::Holds(_) => return Ok(()),
        }
    }
}

async fn store_password(shared: &Shared, password: &str, name: Name) -> Result<Registration, WireError> {
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
async fn replay(session: &mut Session, shared: &Shared, asked: &Replay) -> Result<(), End> {
    let (room, through) = (&*asked.room, asked.through);
    let mut replay = shared.core.history.replay(room, asked.after, through);
    let mut accounted = asked.after;
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

fn unavailable(error: &dyn std::fmt::Display) -> WireError {
    WireError::new(HISTORY_UNAVAILABLE, error.to_string()).with_hint("try again later")
}
