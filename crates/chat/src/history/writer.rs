//! The thread that writes behind the hub.
//!
//! What wakes it: numbers that run short and names to register (at once, somebody may be waiting), events that have
//! waited half the flush interval (the other half is for the disk), a lot of bytes, the end. What it writes goes
//! through [`Database`]; what it says goes through [`Shared`].
//!
//! When the disk fails, the hub goes on: numbers are granted on credit, events wait in memory and the oldest are given
//! up at the bound. The failure is logged once. If it can pass by itself the thread tries again every second and
//! first of all writes down the credit; after a failed sync it stays away until a restart.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use proto::net::Claim;
use rusqlite::ErrorCode;
use tokio::sync::{Notify, oneshot};

use super::{
    CloseError, RegisterError, Registration,
    database::{self, Database},
    limits::{PENDING_HARD_BYTES, PENDING_SOFT_BYTES, RETRY_INTERVAL, TRANSACTION_BYTES},
    queue::{Batch, Queue},
    reservations::Reservations,
};

/// What the hub's side and the writer share. The lock is held for map operations and copies of at most one block,
/// never across a system call.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Rings whenever somebody who waits should look again.
    pub(super) progress: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) failure: Option<Failure>,
    /// No disk stands behind the numbers: `--memory`, or after the end.
    pub(super) on_credit: bool,
    registrations: Vec<(Registration, oneshot::Sender<Result<(), RegisterError>>)>,
    stop: Option<Stop>,
}

/// Why nothing can be stored at the moment.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) message: String,
    curable: bool,
    since: Instant,
    retry_at: Instant,
    given_up: u64,
}

#[derive(Debug)]
struct Stop {
    clock: Option<u64>,
    done: Option<oneshot::Sender<Result<(), CloseError>>>,
}

enum Work {
    Promise(
        Reservations,
        Vec<(Registration, oneshot::Sender<Result<(), RegisterError>>)>,
    ),
    Store(Batch),
    Stop(Stop),
}

impl Shared {
    pub(super) fn new(queue: Queue, on_credit: bool) -> Self {
        let state = State {
            queue,
            failure: None,
            on_credit,
            registrations: Vec::new(),
            stop: None,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            progress: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole blocks behind: every change here is complete or not begun.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue and wakes the writer if there is something to do at once or a new deadline.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Queue) -> R) -> R {
        let mut state = self.lock();
        let before = (
            state.queue.oldest().is_some(),
            state.queue.has_asked(),
            state.queue.bytes(),
        );
        let result = change(&mut state.queue);
        if state.on_credit {
            let asked = state.queue.take_asked();
            state.queue.grant(&asked);
            return result;
        }
        let is_due = (!before.0 && state.queue.oldest().is_some())
            || (!before.1 && state.queue.has_asked())
            || (before.2 < TRANSACTION_BYTES && state.queue.bytes() >= TRANSACTION_BYTES);
        if state.queue.bytes() > PENDING_HARD_BYTES {
            state.give_up_oldest();
        }
        drop(state);
        if is_due {
            self.wake.notify_one();
        }
        result
    }

    /// Hands a registration to the writer; the answer comes when it is durable.
    pub(super) fn register(&self, name: Registration) -> oneshot::Receiver<Result<(), RegisterError>> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.lock();
        if state.on_credit {
            let _ = answer.send(Ok(()));
        } else if let Some(failure) = &state.failure {
            let _ = answer.send(Err(RegisterError::Unavailable(failure.message.clone())));
        } else {
            state.registrations.push((name, answer));
            drop(state);
            self.wake.notify_one();
        }
        receiver
    }

    /// Ends the writer after it has stored everything, and exact marks instead of reservations.
    pub(super) fn stop(&self, clock: Option<u64>, done: Option<oneshot::Sender<Result<(), CloseError>>>) {
        self.lock().stop = Some(Stop { clock, done });
        self.wake.notify_one();
    }

    fn fail(&self, error: &rusqlite::Error) {
        let mut state = self.lock();
        let now = Instant::now();
        let retry_at = now + RETRY_INTERVAL;
        if let Some(failure) = &mut state.failure {
            failure.retry_at = retry_at;
            failure.curable &= database::is_curable(error);
            return;
        }
        let curable = database::is_curable(error);
        tracing::error!(%error, "history is not being stored; the chat goes on; hint: {}", hint(error, curable));
        state.failure = Some(Failure {
            message: error.to_string(),
            curable,
            since: now,
            retry_at,
            given_up: 0,
        });
        drop(state);
        self.progress.notify_waiters();
    }

    fn recover(&self) {
        if let Some(failure) = self.lock().failure.take() {
            let after = failure.since.elapsed();
            tracing::warn!(
                ?after,
                given_up = failure.given_up,
                "history is being stored again"
            );
        }
    }
}

impl State {
    /// Whether whoever makes events should pause until the disk has caught up.
    pub(super) fn is_behind(&self) -> bool {
        self.queue.bytes() > PENDING_SOFT_BYTES && self.failure.is_none() && !self.on_credit
    }

    fn give_up_oldest(&mut self) {
        // A little more than needed, so that the next append does not have to do it again.
        let given_up = self.queue.shed(PENDING_HARD_BYTES / 8 * 7);
        match &mut self.failure {
            Some(failure) => failure.given_up += given_up,
            None => tracing::warn!(
                given_up,
                "the disk is too slow for the history; hint: keep fewer events of a room, or use a faster disk"
            ),
        }
    }

    /// What cannot be made durable now is granted on credit or refused; returns what is owed to the disk.
    fn do_without_disk(&mut self) -> Reservations {
        let asked = self.queue.take_asked();
        self.queue.grant(&asked);
        let message = self
            .failure
            .as_ref()
            .map_or_else(String::new, |failure| failure.message.clone());
        for (_, answer) in self.registrations.drain(..) {
            let _ = answer.send(Err(RegisterError::Unavailable(message.clone())));
        }
        asked
    }
}

/// Runs until [`Shared::stop`]. `claim` keeps other servers out until the file is closed.
pub(super) fn run(shared: &Arc<Shared>, mut database: Database, flush_interval: Duration, claim: Claim) {
    let end = EndOfWriter(Arc::clone(shared));
    let mut owed = Reservations::default();
    loop {
        match next(shared, &database, &mut owed, flush_interval) {
            Work::Promise(asked, registrations) => {
                owed.extend(asked);
                let marks = std::mem::take(&mut owed);
                let names: Vec<Registration> = registrations.iter().map(|(name, _)| name.clone()).collect();
                let result = database.promise(&marks, &names);
                let mut state = shared.lock();
                state.queue.grant(&marks);
                let nothing_waits = state.queue.bytes() == 0;
                drop(state);
                match &result {
                    Ok(()) if nothing_waits => shared.recover(),
                    Ok(()) => {}
                    Err(error) => {
                        owed = marks;
                        shared.fail(error);
                    }
                }
                for (_, answer) in registrations {
                    let answered = result.as_ref().copied();
                    let _ =
                        answer.send(answered.map_err(|error| RegisterError::Unavailable(error.to_string())));
                }
            }
            Work::Store(batch) => match database.store(&batch) {
                Ok(()) => {
                    shared.lock().queue.stored(&batch, Instant::now());
                    shared.recover();
                }
                Err(error) => shared.fail(&error),
            },
            Work::Stop(stop) => {
                let result = finish(shared, database, owed, stop.clock);
                drop(claim);
                drop(end);
                if let Some(done) = stop.done {
                    let _ = done.send(result);
                } else if let Err(error) = result {
                    tracing::error!(%error, "the history did not end cleanly");
                }
                return;
            }
        }
        shared.progress.notify_waiters();
    }
}

/// Waits for the next thing to do.
fn next(shared: &Shared, database: &Database, owed: &mut Reservations, flush_interval: Duration) -> Work {
    let mut state = shared.lock();
    loop {
        let now = Instant::now();
        let mut deadline = None;
        if let Some(stop) = state.stop.take() {
            return Work::Stop(stop);
        }
        let rest_until = state.failure.as_ref().and_then(|failure| match failure.curable {
            true => (now < failure.retry_at).then_some(Some(failure.retry_at)),
            false => Some(None),
        });
        if let Some(retry_at) = rest_until {
            owed.extend(state.do_without_disk());
            // Rooms opened and forgotten meanwhile left nothing there: however long it lasts, what is owed stays bounded.
            owed.forgotten.retain(|room| database.knows(room));
            shared.progress.notify_waiters();
            deadline = retry_at;
        } else {
            if state.queue.has_asked() || !state.registrations.is_empty() || !owed.is_empty() {
                return Work::Promise(state.queue.take_asked(), std::mem::take(&mut state.registrations));
            }
            if let Some(oldest) = state.queue.oldest() {
                let due = oldest + flush_interval / 2;
                if now >= due || state.queue.bytes() >= TRANSACTION_BYTES {
                    return Work::Store(state.queue.batch(TRANSACTION_BYTES));
                }
                deadline = Some(due);
            }
        }
        state = match deadline {
            Some(deadline) => {
                let timeout = deadline.saturating_duration_since(now);
                shared
                    .wake
                    .wait_timeout(state, timeout)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// Stores what waits and the exact marks, and closes the file. The first failure ends it: the reservations then stay
/// as they are, which is always safe.
fn finish(
    shared: &Shared,
    mut database: Database,
    mut owed: Reservations,
    clock: Option<u64>,
) -> Result<(), CloseError> {
    let explain = |error: rusqlite::Error| CloseError(error.to_string());
    if let Some(Failure {
        curable: false,
        message,
        ..
    }) = &shared.lock().failure
    {
        return Err(CloseError(message.clone()));
    }
    // What was forgotten goes before anything is stored of rooms that were opened again under the same names.
    owed.extend(shared.lock().queue.take_asked());
    if !owed.is_empty() {
        database.promise(&owed, &[]).map_err(explain)?;
    }
    loop {
        let mut state = shared.lock();
        let batch = state.queue.batch(TRANSACTION_BYTES);
        let mut exact = state.queue.exact(clock.unwrap_or_default());
        let registrations = std::mem::take(&mut state.registrations);
        drop(state);
        let names: Vec<Registration> = registrations.iter().map(|(name, _)| name.clone()).collect();
        database.store(&batch).map_err(explain)?;
        shared.lock().queue.stored(&batch, Instant::now());
        if clock.is_none() {
            exact.clock = None;
        }
        if shared.lock().queue.bytes() == 0 {
            database.promise(&exact, &names).map_err(explain)?;
            for (_, answer) in registrations {
                let _ = answer.send(Ok(()));
            }
            return database.close().map_err(explain);
        }
    }
}

/// However the writer ends, nobody waits for it any longer.
struct EndOfWriter(Arc<Shared>);

impl Drop for EndOfWriter {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if std::thread::panicking() {
            tracing::error!(
                "the history writer ended unexpectedly; the chat goes on; hint: restart the server"
            );
        }
        let now = Instant::now();
        let message = "the history is closed".to_owned();
        state.failure.get_or_insert(Failure {
            message,
            curable: false,
            since: now,
            retry_at: now,
            given_up: 0,
        });
        state.do_without_disk();
        state.on_credit = true;
        drop(state);
        self.0.progress.notify_waiters();
    }
}

fn hint(error: &rusqlite::Error, curable: bool) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free some space on the disk; storing then goes on by itself",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds the database locked; end its transaction"
        }
        _ if curable => "look after the disk; storing goes on by itself once it works",
        _ => "look after the disk, then restart the server",
    }
}
