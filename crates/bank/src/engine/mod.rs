//! The bank at work: accounts locked in Lamport order, entries made durable together.
//!
//! An operation goes through three doors:
//!
//! 1. *Its accounts' locks*, in ascending order of the accounts, so that opposing transfers cannot wait for each
//!    other. Who waits at a lock is served by `(Lamport time, client)`.
//! 2. *The book*: the ledger and the entries not yet handed to the store, under one short mutex. Here the operation is
//!    decided and gets its number, and with it its place in the journal. The locks are released now.
//! 3. *Durability*: one thread takes everything that has gathered, has the store make it durable, and then wakes who
//!    waits for it. While it does, the next batch gathers; with nothing to do it waits for the first entry and takes
//!    it at once. So an idle bank answers after one sync, and a busy one makes its batches as large as its load.
//!
//! A server with a million accounts, their locks and their index takes some 200 MB of memory, 200 bytes an account; each
//! idempotency key, remembered for good, takes 28 to 57 bytes more. Statements are read from the journal.
//!
//! Nobody hears of an entry before it is durable, not even by reading a balance that includes it. When the store
//! fails, nothing is acknowledged any more.

mod book;
mod committer;
mod promise;
mod stamps;
mod statement;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use lamport::OrderedLock;
use tokio::sync::{Notify, watch};

pub use promise::{ExecuteError, Promise, Unavailable};
pub use statement::{StatementError, StatementLine};

use crate::account::AccountId;
use crate::amount::Balance;
use crate::entry::{Entry, KeyPrint};
use crate::ledger::{Account, Index, Ledger, Moment, Operation, Outcome, Refusal, Slot};
use crate::store::{ReadEntries, Store, StoreError};
use book::Book;
use stamps::Stamps;

/// In which order requests are served that wait for one account: by Lamport time, then by client.
pub type Turn = (u64, u64);

type AccountLock = OrderedLock<(), Turn>;

/// A bank that serves. Cheap to clone; [`close`](Bank::close) ends it.
#[derive(Clone)]
pub struct Bank {
    shared: Arc<Shared>,
}

struct Shared {
    book: Mutex<Book>,
    /// The committer waits here for something to do.
    work: Condvar,
    /// Operations wait here when too much is gathered.
    room: Notify,
    locks: Vec<AccountLock>,
    index: Arc<Index>,
    entries: Arc<dyn ReadEntries>,
    committer: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    failed: watch::Sender<bool>,
    stamps: Stamps,
    first_time: u64,
}

/// What an account holds, and the latest entry in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// What it holds.
    pub balance: Balance,
    /// The number of the latest entry that touched it.
    pub entry: u64,
}

impl Bank {
    /// A bank with the ledger that `store` holds. Starts the thread that makes entries durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when the system has no thread for it.
    pub fn start(store: impl Store + 'static, ledger: Ledger) -> Result<Self, StoreError> {
        let ledger_time = ledger.lamport();
        let shared = Arc::new(Shared {
            locks: ledger.accounts().iter().map(|_| OrderedLock::new(())).collect(),
            index: ledger.index(),
            entries: store.entries(),
            book: Mutex::new(Book::open(ledger, store.entry_chain())),
            work: Condvar::new(),
            room: Notify::new(),
            committer: Mutex::new(None),
            failed: watch::Sender::new(false),
            first_time: ledger_time.max(store.stamps()),
            stamps: Stamps::reserved_through(store.stamps()),
        });
        let committer = committer::spawn(Arc::clone(&shared), Box::new(store))?;
        *shared.committer.lock().unwrap_or_else(PoisonError::into_inner) = Some(committer);
        Ok(Self { shared })
    }

    /// The place of an account, closed ones included. Accounts are opened and closed while no bank serves them.
    #[must_use]
    pub fn slot(&self, account: AccountId) -> Option<Slot> {
        self.shared.index.get(&account).copied()
    }

    /// The account at `slot`, as it is now, durable or not.
    #[must_use]
    pub fn account(&self, slot: Slot) -> Account {
        self.shared.book().ledger.account(slot).clone()
    }

    /// The number of the latest entry, durable or not.
    #[must_use]
    pub fn last_entry(&self) -> u64 {
        self.shared.book().ledger.last_entry()
    }

    /// How many accounts there are, closed ones included.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.shared.locks.len()
    }

    /// Decides `operation` in its turn. With a `key` a refusal is an outcome like another, and remembered. The answer must not be told before it is [durable](Promise::durable).
    ///
    /// # Errors
    ///
    /// [`ExecuteError`]. A refusal rests on balances that may not be durable: tell it as [`refused`](Self::refused)
    /// promises.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, the operation is not done.
    pub async fn execute(
        &self,
        turn: Turn,
        operation: &Operation,
        key: Option<KeyPrint>,
        moment: Moment,
    ) -> Result<Promise<Outcome>, ExecuteError> {
        let (promise, ()) = self.execute_and(turn, operation, key, moment, |_| ()).await?;
        Ok(promise)
    }

    /// [`execute`](Self::execute) that calls `decided` with what was done, while the accounts are still locked: what
    /// it records stands in the order of the ledger.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn execute_and<S>(
        &self,
        turn: Turn,
        operation: &Operation,
        key: Option<KeyPrint>,
        moment: Moment,
        decided: impl FnOnce(&Outcome) -> S,
    ) -> Result<(Promise<Outcome>, S), ExecuteError> {
        let slots = self.slots_of(operation)?;
        let _guards = (self.lock(slots[0], turn).await, self.lock(slots[1], turn).await);
        loop {
            let room = self.shared.room.notified();
            let attempt = self.shared.book().try_execute(operation, key, moment);
            match attempt {
                Some(Ok((promise, was_idle))) => {
                    if was_idle {
                        self.shared.work.notify_one();
                    }
                    let told = decided(&promise.value);
                    return Ok((promise, told));
                }
                Some(Err(error)) => return Err(error),
                None => room.await,
            }
        }
    }

    /// A refusal that was just returned, to be told once what it rests on is durable: otherwise somebody could be refused
    /// because of a withdrawal that a crash then undoes.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn refused(&self, refusal: Refusal) -> Result<Promise<Refusal>, Unavailable> {
        let book = self.shared.book();
        book.must_serve()?;
        let commit = match refusal {
            Refusal::InsufficientFunds { .. }
            | Refusal::Overflow
            | Refusal::PinChanged
            | Refusal::NotEmpty { .. } => book.commit_of(book.ledger.last_entry()),
            Refusal::UnknownAccount(_) | Refusal::AccountExists(_) | Refusal::SameAccount(_) => None,
        };
        Ok(Promise {
            value: refusal,
            commit,
        })
    }

    /// What an account holds, in its turn. `seen` is called with it while the account is still locked.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn balance_and<S>(
        &self,
        turn: Turn,
        slot: Slot,
        seen: impl FnOnce(&Holding) -> S,
    ) -> Result<(Promise<Holding>, S), Unavailable> {
        let _guard = self.lock(Some(slot), turn).await;
        let (value, commit) = {
            let book = self.shared.book();
            book.must_serve()?;
            let account = book.ledger.account(slot);
            let value = Holding {
                balance: account.balance,
                entry: account.last_entry,
            };
            (value, book.commit_of(account.last_entry))
        };
        let told = seen(&value);
        Ok((Promise { value, commit }, told))
    }

    /// [`balance_and`](Self::balance_and) without anything to call.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn balance(&self, turn: Turn, slot: Slot) -> Result<Promise<Holding>, Unavailable> {
        Ok(self.balance_and(turn, slot, |_| ()).await?.0)
    }

    /// What several accounts hold at one moment.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn balances(&self, slots: &[Slot]) -> Result<Promise<Vec<Balance>>, Unavailable> {
        let book = self.shared.book();
        book.must_serve()?;
        let value = slots
            .iter()
            .map(|&slot| book.ledger.account(slot).balance)
            .collect();
        Ok(Promise {
            value,
            commit: book.commit_of(book.ledger.last_entry()),
        })
    }

    /// Waits until the entry with this number is durable and reads it. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn entry(&self, number: u64) -> Result<Entry, Unavailable> {
        let commit = self.shared.book().commit_of(number);
        if let Some(commit) = commit {
            commit.wait().await?;
        }
        self.shared.entries.read(number).map_err(|error| {
            tracing::error!(number, %error, "failed to read an entry that is durable");
            Unavailable
        })
    }

    /// Whether the store has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        *self.shared.failed.borrow()
    }

    /// Resolves when the store has failed. The process should end then, with an error.
    pub async fn failed(&self) {
        // The sender lives as long as this bank.
        let _ = self.shared.failed.subscribe().wait_for(|failed| *failed).await;
    }

    /// Takes nothing more, makes durable what is gathered, and keeps a snapshot if that saves the next start time. The
    /// data directory is free once every clone of this bank is gone, too. Blocks.
    ///
    /// # Errors
    ///
    /// The [`StoreError`] that made the store fail, now or earlier.
    ///
    /// # Panics
    ///
    /// If the committer panicked.
    pub fn close(&self) -> Result<(), StoreError> {
        self.shared.book().close();
        self.shared.work.notify_one();
        let committer = self
            .shared
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        committer.map_or(Ok(()), |committer| {
            committer.join().expect("the committer does not panic")
        })
    }

    /// The places of the accounts that `operation` must hold, in ascending order of the accounts.
    fn slots_of(&self, operation: &Operation) -> Result<[Option<Slot>; 2], Refusal> {
        let slot = |account| {
            self.slot(account)
                .ok_or(Refusal::UnknownAccount(account))
                .map(Some)
        };
        match *operation {
            Operation::Open { account, .. } => Err(Refusal::UnknownAccount(account)),
            Operation::Close(account)
            | Operation::ChangePin { account, .. }
            | Operation::Deposit(account, _)
            | Operation::Withdraw(account, _) => Ok([slot(account)?, None]),
            Operation::Transfer { from, to, .. } if from == to => Err(Refusal::SameAccount(from)),
            // An account that is not there needs no lock.
            Operation::Transfer { from, to, .. } => {
                slot(from)?;
                Ok([self.slot(from.min(to)), self.slot(from.max(to))])
            }
        }
    }

    async fn lock(&self, slot: Option<Slot>, turn: Turn) -> Option<lamport::OrderedGuard<'_, (), Turn>> {
        let lock = &self.shared.locks[slot?.0 as usize];
        match lock.try_lock() {
            Some(guard) => Some(guard),
            None => Some(lock.lock(turn).await),
        }
    }
}

impl fmt::Debug for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bank")
            .field("accounts", &self.shared.locks.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // A panic while the book is open would leave a ledger that nobody may serve from.
        self.book.lock().expect("nobody panics with the book open")
    }
}

#[cfg(test)]
mod tests;
