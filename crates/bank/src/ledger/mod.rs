//! The ledger: what every account holds, and the rules by which that changes. Pure.
//!
//! Each change is decided first, as an [`Entry`] that states its whole effect, and then applied. A restart applies
//! the same entries in the same order and checks every statement in them against what it finds, so a journal that
//! was altered in a consistent-looking way is noticed at the first entry that does not follow from those before.
//!
//! Double entry: every amount leaves one account and enters another, the cash account if the money comes from or
//! goes outside. The sum over all accounts, cash included, is therefore always zero.

mod decide;
mod refused;
mod replay;

use std::collections::HashMap;
use std::sync::Arc;

pub use refused::{refusal_of, same_operation};

use crate::account::AccountId;
use crate::amount::{Amount, Balance};
use crate::entry::{Entry, KeyPrint};
use crate::pin::PinHash;

/// An account's place in the ledger, found once and then used without searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(crate) u32);

/// From an account's identity to its place.
pub type Index = HashMap<AccountId, Slot>;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its identity.
    pub id: AccountId,
    /// Who holds it.
    pub holder: Box<str>,
    /// What it holds. Never below zero.
    pub balance: Balance,
    /// The latest entry that touched it.
    pub last_entry: u64,
    /// Its PIN, hashed.
    pub pin: PinHash,
    /// Whether it was closed: its entries can be read by an audit, but nobody can log in or move money.
    pub closed: bool,
}

/// Every account, the cash account and the idempotency keys.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    accounts: Vec<Account>,
    index: Arc<Index>,
    cash: Balance,
    keys: HashMap<KeyPrint, u64>,
    last_entry: u64,
    lamport: u64,
}

/// What somebody wants changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Open an account.
    Open {
        /// Its identity.
        account: AccountId,
        /// Who holds it.
        holder: Box<str>,
        /// Its PIN, hashed.
        pin: PinHash,
        /// What it holds at first, paid in as cash.
        balance: Option<Amount>,
    },
    /// Close an account that holds nothing.
    Close(AccountId),
    /// Give an account a new PIN, if it still has the one that whoever asks has proved to know.
    ChangePin {
        /// The account.
        account: AccountId,
        /// Its PIN when that was proved, hashed.
        former: PinHash,
        /// Its new PIN, hashed.
        pin: PinHash,
    },
    /// Pay cash into an account.
    Deposit(AccountId, Amount),
    /// Take cash out of an account.
    Withdraw(AccountId, Amount),
    /// Move money between two accounts.
    Transfer {
        /// The account that pays.
        from: AccountId,
        /// The account that is paid.
        to: AccountId,
        /// How much.
        amount: Amount,
    },
}

impl Operation {
    /// The account of whoever asks for a movement of money.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match *self {
            Self::Deposit(account, _) | Self::Withdraw(account, _) => Some(account),
            Self::Transfer { from, .. } => Some(from),
            Self::Open { .. } | Self::Close(_) | Self::ChangePin { .. } => None,
        }
    }
}

/// When an operation is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    /// The Lamport time of the request's receive.
    pub lamport: u64,
}

/// What became of an operation that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; this entry must become durable before anybody hears of it.
    Done(Entry),
    /// It was refused, and its key stands for that from now on; this entry must become durable before anybody hears
    /// of it.
    Refused(Entry),
    /// Its key was used before, by the entry with this number: whether for the same operation, the entry tells.
    Seen(u64),
}

/// Why an operation changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such account, or it is closed.
    #[error("there is no account {0}")]
    UnknownAccount(AccountId),
    /// There is such an account already.
    #[error("there is an account {0} already")]
    AccountExists(AccountId),
    /// Money cannot be moved from an account to itself.
    #[error("both accounts are {0}")]
    SameAccount(AccountId),
    /// The account holds less than that.
    #[error("the account holds {holds}")]
    InsufficientFunds {
        /// What it does hold.
        holds: Balance,
    },
    /// A balance would be larger than can be held.
    #[error("a balance would pass what an account can hold")]
    Overflow,
    /// The account has got another PIN since the one that was proved.
    #[error("the PIN was changed meanwhile")]
    PinChanged,
    /// An account that holds money cannot be closed.
    #[error("the account still holds {holds}")]
    NotEmpty {
        /// What it holds.
        holds: Balance,
    },
}

/// Why an entry cannot follow those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} does not follow from those before it: {what}")]
pub struct ReplayError {
    /// The entry's number.
    pub number: u64,
    /// What it states wrongly.
    pub what: &'static str,
}

impl Ledger {
    /// A ledger without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The ledger that a snapshot describes.
    ///
    /// # Errors
    ///
    /// A fragment naming what is impossible about it.
    pub(crate) fn restore(
        accounts: Vec<Account>,
        cash: Balance,
        keys: HashMap<KeyPrint, u64>,
        last_entry: u64,
        lamport: u64,
    ) -> Result<Self, &'static str> {
        let slots = accounts
            .iter()
            .zip(0..)
            .map(|(account, slot)| (account.id, Slot(slot)));
        let index: Index = slots.collect();
        if index.len() != accounts.len() {
            return Err("an account stands in it twice");
        }
        let ledger = Self {
            accounts,
            index: Arc::new(index),
            cash,
            keys,
            last_entry,
            lamport,
        };
        if ledger.sum() != 0 {
            return Err("its accounts do not sum up to zero");
        }
        Ok(ledger)
    }

    /// From identities to places. Accounts keep their places for good.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index)
    }

    /// The place of `id`, closed accounts included.
    #[must_use]
    pub fn slot(&self, id: AccountId) -> Option<Slot> {
        self.index.get(&id).copied()
    }

    /// The account at `slot`.
    ///
    /// # Panics
    ///
    /// If `slot` is another ledger's.
    #[must_use]
    pub fn account(&self, slot: Slot) -> &Account {
        &self.accounts[slot.0 as usize]
    }

    /// All accounts, in the order of their opening.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// What the cash account holds: minus what all others hold together.
    #[must_use]
    pub fn cash(&self) -> Balance {
        self.cash
    }

    /// The number of the latest entry, 0 if there is none.
    #[must_use]
    pub fn last_entry(&self) -> u64 {
        self.last_entry
    }

    /// The largest Lamport time in any entry.
    #[must_use]
    pub fn lamport(&self) -> u64 {
        self.lamport
    }

    /// The idempotency keys and the entries they made.
    pub(crate) fn keys(&self) -> &HashMap<KeyPrint, u64> {
        &self.keys
    }

    /// The sum over all accounts, cash included: zero, or the ledger is broken.
    #[must_use]
    pub fn sum(&self) -> i128 {
        let held: i128 = self
            .accounts
            .iter()
            .map(|account| i128::from(account.balance.minor()))
            .sum();
        held + i128::from(self.cash.minor())
    }

    /// Decides `operation` and applies it.
    ///
    /// An idempotency key stands for one operation for good, on whatever connection it comes back. A refusal leaves no
    /// trace of itself: what is to be [remembered](Self::remember), its caller has to say.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; the ledger is unchanged.
    pub fn execute(
        &mut self,
        operation: &Operation,
        key: Option<KeyPrint>,
        moment: Moment,
    ) -> Result<Outcome, Refusal> {
        if let Some(&number) = key.as_ref().and_then(|key| self.keys.get(key)) {
            return Ok(Outcome::Seen(number));
        }
        let entry = self.decide(operation, key, moment)?;
        self.apply(&entry)
            .expect("what was decided on this ledger follows from it");
        Ok(Outcome::Done(entry))
    }
}

#[cfg(test)]
mod tests;
