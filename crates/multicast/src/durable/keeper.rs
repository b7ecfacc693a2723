//! The thread that writes the journal: everything that waits goes into one write and one sync (group commit: D. DeWitt et al.,
//! *Implementation Techniques for Main Memory Database Systems*, SIGMOD 1984).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::journal::{Journal, JournalError};
use super::record::Record;

/// What is told once something is stored: everything up to this ticket is, or nothing will be any more.
pub(crate) type OnStored = Box<dyn Fn(Result<u64, JournalError>) + Send>;

/// The engine's end. Dropping it stores what waits, and ends the thread.
#[derive(Debug)]
pub(crate) struct Keeper {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    records: Vec<Record>,
    ticket: u64,
    closed: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// Starts the thread.
    pub(crate) fn start(mut journal: Journal, on_stored: OnStored) -> Self {
        let desk = Arc::new(Desk::default());
        let thread = std::thread::spawn({
            let desk = Arc::clone(&desk);
            move || {
                while let Some((records, ticket)) = desk.next() {
                    match journal.append(records) {
                        Ok(()) => on_stored(Ok(ticket)),
                        Err(error) => return on_stored(Err(error)),
                    }
                }
            }
        });
        Self {
            desk,
            thread: Some(thread),
        }
    }

    /// Has the records stored; the ticket under which that is told. How much waits is bounded by who calls.
    pub(crate) fn store(&self, records: impl IntoIterator<Item = Record>) -> u64 {
        let mut waiting = self.desk.lock();
        waiting.records.extend(records);
        waiting.ticket += 1;
        self.desk.bell.notify_one();
        waiting.ticket
    }
}

impl Desk {
    /// Everything that waits, once something does; nothing at the end.
    fn next(&self) -> Option<(Vec<Record>, u64)> {
        let mut waiting = self.lock();
        while waiting.records.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        Some((std::mem::take(&mut waiting.records), waiting.ticket))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.desk.lock().closed = true;
        self.desk.bell.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of it has been printed.
            let _ = thread.join();
        }
    }
}
