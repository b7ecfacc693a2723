//! The ledger: what every account holds, and the rules by which that changes. Pure.
//!
//! Each change is decided first, as an [`Entry`] that states its whole effect, and then applied. A restart applies
//! the same entries in the same order and checks every statement in them against what it finds, so a journal that
//! was altered in a consistent-looking way is noticed at the first entry that does not follow from those before.
//!
//! Double entry: every amount leaves one account and enters another, the cash account if the money comes from or
//! goes outside. The sum over all accounts, cash included, is therefore always zero.

use std::collections::HashMap;
use std::sync::Arc;

use crate::account::AccountId;
use crate::amount::{Amount, Balance};
use crate::entry::{Entry, EntryKind, KeyPrint};
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
    /// Give an account a new PIN.
    ChangePin(AccountId, PinHash),
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
    /// An idempotency key stands for one operation for good, on whatever connection it comes back. Operations that
    /// are refused leave no trace, so their key may be used again.
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

    /// The entry that `operation` makes, not yet applied.
    fn decide(&self, operation: &Operation, key: Option<KeyPrint>, moment: Moment) -> Result<Entry, Refusal> {
        let cash = (AccountId::CASH, self.cash, 0);
        let open = |id| {
            self.open_account(id)
                .map(|account| (id, account.balance, account.last_entry))
        };
        let (kind, debit, credit, amount) = match *operation {
            Operation::Open {
                account,
                ref holder,
                ref pin,
                balance,
            } => {
                if self.index.contains_key(&account) || account.is_cash() {
                    return Err(Refusal::AccountExists(account));
                }
                let kind = EntryKind::Opened {
                    holder: holder.clone(),
                    pin: pin.clone(),
                };
                (kind, cash, (account, Balance::ZERO, 0), balance)
            }
            Operation::Close(account) => {
                let credit = open(account)?;
                if credit.1 != Balance::ZERO {
                    return Err(Refusal::NotEmpty { holds: credit.1 });
                }
                (EntryKind::Closed, cash, credit, None)
            }
            Operation::ChangePin(account, ref pin) => (
                EntryKind::PinChanged { pin: pin.clone() },
                cash,
                open(account)?,
                None,
            ),
            Operation::Deposit(account, amount) => (EntryKind::Deposit, cash, open(account)?, Some(amount)),
            Operation::Withdraw(account, amount) => {
                (EntryKind::Withdrawal, open(account)?, cash, Some(amount))
            }
            Operation::Transfer { from, to, amount } => {
                if from == to {
                    return Err(Refusal::SameAccount(from));
                }
                (EntryKind::Transfer, open(from)?, open(to)?, Some(amount))
            }
        };
        let (debit_after, credit_after) = match amount {
            None => (debit.1, credit.1),
            Some(amount) => {
                let debit_after = debit.1.minus(amount).ok_or(Refusal::Overflow)?;
                if debit_after < Balance::ZERO && !debit.0.is_cash() {
                    return Err(Refusal::InsufficientFunds { holds: debit.1 });
                }
                (debit_after, credit.1.plus(amount).ok_or(Refusal::Overflow)?)
            }
        };
        Ok(Entry {
            number: self.last_entry + 1,
            at: moment.at,
            lamport: moment.lamport,
            kind,
            debit: debit.0,
            credit: credit.0,
            amount,
            debit_after,
            credit_after,
            debit_previous: debit.2,
            credit_previous: credit.2,
            key,
        })
    }

    fn open_account(&self, id: AccountId) -> Result<&Account, Refusal> {
        let account = self.slot(id).map(|slot| self.account(slot));
        account
            .filter(|account| !account.closed)
            .ok_or(Refusal::UnknownAccount(id))
    }

    /// Applies an entry that was decided on a ledger like this one, checking all it states.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] names what does not follow; the ledger may then be half changed and must be dropped.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        let fail = |what| {
            Err(ReplayError {
                number: entry.number,
                what,
            })
        };
        if entry.number != self.last_entry + 1 {
            return fail("its number is not the next");
        }
        if let EntryKind::Opened { holder, pin } = &entry.kind {
            let slot = Slot(u32::try_from(self.accounts.len()).expect("memory ends before slots do"));
            if entry.credit.is_cash()
                || Arc::make_mut(&mut self.index)
                    .insert(entry.credit, slot)
                    .is_some()
            {
                return fail("it opens an account that is there");
            }
            self.accounts.push(Account {
                id: entry.credit,
                holder: holder.clone(),
                balance: Balance::ZERO,
                last_entry: 0,
                pin: pin.clone(),
                closed: false,
            });
        }
        let debit_ok = self.post(
            entry.debit,
            entry,
            entry.debit_previous,
            entry.debit_after,
            Balance::minus,
        );
        let credit_ok = self.post(
            entry.credit,
            entry,
            entry.credit_previous,
            entry.credit_after,
            Balance::plus,
        );
        if entry.debit == entry.credit || !debit_ok || !credit_ok {
            return fail("a balance, an account or a link to an earlier entry is wrong");
        }
        match &entry.kind {
            EntryKind::Closed if entry.credit_after != Balance::ZERO => {
                return fail("it closes an account with money");
            }
            EntryKind::Closed => self.account_mut(entry.credit).closed = true,
            EntryKind::PinChanged { pin } => self.account_mut(entry.credit).pin = pin.clone(),
            EntryKind::Opened { .. } | EntryKind::Deposit | EntryKind::Withdrawal | EntryKind::Transfer => {}
        }
        if let Some(key) = entry.key
            && self.keys.insert(key, entry.number).is_some()
        {
            return fail("its idempotency key was used before");
        }
        self.last_entry = entry.number;
        self.lamport = self.lamport.max(entry.lamport);
        Ok(())
    }

    /// Posts one side of `entry`. False if what it states is not so.
    fn post(
        &mut self,
        id: AccountId,
        entry: &Entry,
        previous: u64,
        after: Balance,
        change: impl Fn(Balance, Amount) -> Option<Balance>,
    ) -> bool {
        let changed =
            |before| entry.amount.map_or(Some(before), |amount| change(before, amount)) == Some(after);
        if id.is_cash() {
            let ok = previous == 0 && changed(self.cash);
            self.cash = after;
            return ok;
        }
        let Some(slot) = self.slot(id) else { return false };
        let account = &mut self.accounts[slot.0 as usize];
        let ok = !account.closed
            && account.last_entry == previous
            && changed(account.balance)
            && after >= Balance::ZERO;
        account.balance = after;
        account.last_entry = entry.number;
        ok
    }

    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        let slot = self.slot(id).expect("posting found the account");
        &mut self.accounts[slot.0 as usize]
    }
}

/// Whether `entry` is what `operation` makes: then a repeated key asks for the same thing.
#[must_use]
pub fn same_operation(entry: &Entry, operation: &Operation) -> bool {
    let (kind, debit, credit, amount) = match *operation {
        Operation::Deposit(account, amount) => (EntryKind::Deposit, AccountId::CASH, account, amount),
        Operation::Withdraw(account, amount) => (EntryKind::Withdrawal, account, AccountId::CASH, amount),
        Operation::Transfer { from, to, amount } => (EntryKind::Transfer, from, to, amount),
        Operation::Open { .. } | Operation::Close(_) | Operation::ChangePin(..) => return false,
    };
    (&entry.kind, entry.debit, entry.credit, entry.amount) == (&kind, debit, credit, Some(amount))
}

#[cfg(test)]
mod tests;
