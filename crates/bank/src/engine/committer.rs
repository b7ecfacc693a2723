//! The thread that makes entries durable, a batch at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};

use tokio::sync::Notify;

use super::book::State;
use super::{Shared, Unavailable};
use crate::entry::Entry;
use crate::limits::{PENDING_BYTES_MAX, SNAPSHOT_AT_CLOSE_ENTRIES};
use crate::store::{Batch, Store, StoreError};

/// Entries that wait for the store, encoded.
pub(super) struct Gathered {
    pub(super) bytes: Vec<u8>,
    pub(super) count: u32,
    pub(super) commit: Arc<Commit>,
    first_number: u64,
    entry_chain: u32,
}

/// What is being made durable.
pub(super) struct Flying {
    pub(super) last_entry: u64,
    pub(super) commit: Arc<Commit>,
}

/// Whether a batch is durable, and who waits to know.
#[derive(Debug, Default)]
pub(super) struct Commit {
    outcome: AtomicU8,
    waiting: Notify,
}

const UNKNOWN: u8 = 0;
const DURABLE: u8 = 1;
const FAILED: u8 = 2;

impl Commit {
    pub(super) async fn wait(&self) -> Result<(), Unavailable> {
        if self.outcome.load(Ordering::Acquire) == DURABLE {
            return Ok(());
        }
        loop {
            // Made before looking: a notification in between is not missed.
            let notified = self.waiting.notified();
            match self.outcome.load(Ordering::Acquire) {
                DURABLE => return Ok(()),
                FAILED => return Err(Unavailable),
                _ => notified.await,
            }
        }
    }

    fn settle(&self, outcome: u8) {
        debug_assert_eq!(self.outcome.load(Ordering::Acquire), UNKNOWN);
        self.outcome.store(outcome, Ordering::Release);
        self.waiting.notify_waiters();
    }
}

impl Gathered {
    pub(super) fn after(entry_chain: u32) -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
            commit: Arc::default(),
            first_number: 0,
            entry_chain,
        }
    }

    pub(super) fn add(&mut self, entry: &Entry) -> Arc<Commit> {
        if self.count == 0 {
            self.first_number = entry.number;
        }
        self.count += 1;
        self.entry_chain = entry.encode(self.entry_chain, &mut self.bytes);
        Arc::clone(&self.commit)
    }
}

/// Starts the thread. It ends when the bank closes or the store fails.
pub(super) fn spawn(
    shared: Arc<Shared>,
    mut store: Box<dyn Store>,
) -> Result<JoinHandle<Result<(), StoreError>>, StoreError> {
    let run = move || {
        let result = run(&shared, &mut *store);
        if let Err(error) = &result {
            tracing::error!(%error, "the store failed; nothing is acknowledged any more");
            fail(&shared);
        }
        result
    };
    thread::Builder::new()
        .name("committer".to_owned())
        .spawn(run)
        .map_err(|reason| StoreError::Io {
            what: "start the thread for",
            file: "the journal".to_owned(),
            reason,
        })
}

fn run(shared: &Shared, store: &mut dyn Store) -> Result<(), StoreError> {
    let mut spare = Vec::new();
    loop {
        let mut book = shared.book();
        while book.gathered.count == 0 && shared.stamps.wanted().is_none() {
            if book.state != State::Serving {
                drop(book);
                return save(shared, store);
            }
            book = shared.work.wait(book).expect("nobody panics with the book open");
        }
        if let Some(through) = shared.stamps.wanted() {
            drop(book);
            store.reserve_stamps(through)?;
            shared.stamps.grant(through);
            continue;
        }
        let next = Gathered {
            bytes: spare,
            ..Gathered::after(book.gathered.entry_chain)
        };
        let taken = std::mem::replace(&mut book.gathered, next);
        let last_entry = book.ledger.last_entry();
        book.flying = Some(Flying {
            last_entry,
            commit: Arc::clone(&taken.commit),
        });
        drop(book);
        if taken.bytes.len() > PENDING_BYTES_MAX {
            shared.room.notify_waiters();
        }

        let durable = store.append(&Batch {
            first_number: taken.first_number,
            count: taken.count,
            bytes: &taken.bytes,
            entry_chain: taken.entry_chain,
        });

        // Only now, and only if it went well, does anybody hear of these entries.
        if durable.is_ok() {
            let mut book = shared.book();
            book.durable_entry = last_entry;
            book.flying = None;
            drop(book);
            taken.commit.settle(DURABLE);
            metrics::counter!("bank_commits_total").increment(1);
            metrics::counter!("bank_journal_bytes_total").increment(taken.bytes.len() as u64);
        }
        durable?;
        spare = taken.bytes;
        spare.clear();
    }
}

/// Keeps the ledger for the next start, where that saves time. Nothing is gathered and nothing comes any more.
fn save(shared: &Shared, store: &mut dyn Store) -> Result<(), StoreError> {
    if let Some(last) = shared.stamps.given_back() {
        store.reserve_stamps(last)?;
    }
    if store.unsaved() >= SNAPSHOT_AT_CLOSE_ENTRIES {
        let book = shared.book();
        if let Err(error) = store.save(&book.ledger) {
            tracing::warn!(%error, "no snapshot could be made; the next start takes longer");
        }
    }
    Ok(())
}

fn fail(shared: &Shared) {
    let mut book = shared.book();
    book.state = State::Failed;
    if let Some(flying) = book.flying.take() {
        flying.commit.settle(FAILED);
    }
    book.gathered.commit.settle(FAILED);
    drop(book);
    shared.room.notify_waiters();
    shared.stamps.fail();
    shared.failed.send_replace(true);
}
