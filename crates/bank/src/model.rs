//! An independent model of the bank, for the audit: it believes nothing but who moved how much to whom.
//!
//! The ledger checks each entry against itself; this model shares no code with it. It adds and subtracts in 128 bits,
//! per account, from the amounts alone, and compares the balances that the entries state and those that the ledger
//! ends with to its own.

use std::collections::{BTreeMap, BTreeSet};

use std::path::Path;

use crate::account::AccountId;
use crate::entry::{Entry, EntryKind};
use crate::ledger::Ledger;
use crate::store::{StoreError, examine};

/// The model.
#[derive(Debug, Default)]
pub struct Model {
    held: BTreeMap<String, i128>,
    closed: BTreeSet<String>,
    keys: BTreeSet<[u8; 16]>,
    entries: u64,
    moved: i128,
}

/// What an audit found in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Audited {
    /// Entries read, from the first one on.
    pub entries: u64,
    /// Accounts, the closed ones included.
    pub accounts: u64,
    /// Idempotency keys.
    pub keys: u64,
    /// The sum over all accounts, cash included, in minor units: zero.
    pub sum: i128,
    /// All amounts that ever moved, added up, in minor units.
    pub moved: i128,
}

/// What an audit found wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct AuditError {
    /// Where: an entry or an account.
    pub place: String,
    /// What.
    pub what: String,
}

/// Why an audit did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AuditFailure {
    /// The journal could not be read, or an entry in it contradicts the model.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger is not what the journal gives.
    #[error(
        "{0}; hint: serve no more from this directory, copy it away, and remove the snapshot: the journal is right"
    )]
    Ledger(#[from] AuditError),
}

/// Audits the bank in `directory`, which no server may be serving: reads the journal from the first entry on into a
/// [`Model`], and compares the ledger that a start would find. Changes nothing.
///
/// # Errors
///
/// [`AuditFailure`] names the first thing that is wrong and its place.
pub fn audit(directory: &Path) -> Result<Audited, AuditFailure> {
    let mut model = Model::default();
    let ledger = examine(directory, &mut |entry| {
        model.take(&entry).map_err(|error| error.to_string())
    })?;
    Ok(model.compare(&ledger)?)
}

impl Model {
    /// Takes the next entry.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the entry states what the model does not find.
    pub fn take(&mut self, entry: &Entry) -> Result<(), AuditError> {
        let wrong = |what: String| AuditError {
            place: format!("entry {}", entry.number),
            what,
        };
        self.entries += 1;
        if entry.number != self.entries {
            return Err(wrong(format!("it stands at place {}", self.entries)));
        }
        let amount = entry.amount.map_or(0, |amount| i128::from(amount.minor()));
        if let EntryKind::Refused { .. } = entry.kind {
            self.take_refused(entry, amount)?;
            return self.take_key(entry);
        }
        for (account, change, stated) in [
            (entry.debit, -amount, entry.debit_after),
            (entry.credit, amount, entry.credit_after),
        ] {
            let name = account.to_string();
            if self.closed.contains(&name) {
                return Err(wrong(format!("account {name} is closed")));
            }
            let opens = matches!(entry.kind, EntryKind::Opened { .. }) && account == entry.credit;
            if opens == self.held.contains_key(&name) && !account.is_cash() {
                return Err(wrong(format!(
                    "account {name} is opened twice, or was never opened"
                )));
            }
            let held = self.held.entry(name).or_default();
            *held += change;
            if *held != i128::from(stated.minor()) {
                return Err(wrong(format!(
                    "account {account} holds {held}, the entry states {stated}"
                )));
            }
            if *held < 0 && !account.is_cash() {
                return Err(wrong(format!("account {account} is below zero")));
            }
        }
        if entry.kind == EntryKind::Closed {
            self.closed.insert(entry.credit.to_string());
        }
        self.moved += amount;
        self.take_key(entry)
    }

    /// Takes an entry that only remembers a refusal: what it states to be held is held, and it was right to refuse.
    fn take_refused(&self, entry: &Entry, amount: i128) -> Result<(), AuditError> {
        let wrong = |what: String| AuditError {
            place: format!("entry {}", entry.number),
            what,
        };
        let held = |account: AccountId| {
            let name = account.to_string();
            let there = account.is_cash() || self.held.contains_key(&name) && !self.closed.contains(&name);
            (there, self.held.get(&name).copied().unwrap_or_default())
        };
        let (debit, credit) = (held(entry.debit), held(entry.credit));
        for (account, (_, held), stated) in [
            (entry.debit, debit, entry.debit_after),
            (entry.credit, credit, entry.credit_after),
        ] {
            if held != i128::from(stated.minor()) {
                return Err(wrong(format!(
                    "account {account} holds {held}, the entry states {stated}"
                )));
            }
        }
        let possible = debit.0
            && credit.0
            && (entry.debit.is_cash() || debit.1 >= amount)
            && [debit.1 - amount, credit.1 + amount]
                .iter()
                .all(|&after| i64::try_from(after).is_ok());
        if possible || entry.key.is_none() {
            return Err(wrong(
                "it refuses what could have been done, or without a key".to_owned(),
            ));
        }
        Ok(())
    }

    fn take_key(&mut self, entry: &Entry) -> Result<(), AuditError> {
        match entry.key {
            Some(key) if !self.keys.insert(key.0) => Err(AuditError {
                place: format!("entry {}", entry.number),
                what: "its idempotency key was used before".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Compares what the ledger holds.
    ///
    /// # Errors
    ///
    /// [`AuditError`] names the first difference.
    pub fn compare(&self, ledger: &Ledger) -> Result<Audited, AuditError> {
        let wrong = |place: &str, what: String| AuditError {
            place: place.to_owned(),
            what,
        };
        let cash = self.held.get("cash").copied().unwrap_or_default();
        if cash != i128::from(ledger.cash().minor()) {
            return Err(wrong(
                "cash",
                format!("the journal gives {cash}, the ledger has {}", ledger.cash()),
            ));
        }
        let accounts = self.held.keys().filter(|name| *name != "cash").count();
        if accounts != ledger.accounts().len() || self.entries != ledger.last_entry() {
            return Err(wrong(
                "the ledger",
                "it has other accounts or entries than the journal".to_owned(),
            ));
        }
        for account in ledger.accounts() {
            let name = account.id.to_string();
            let held = self.held.get(&name).copied();
            if held != Some(i128::from(account.balance.minor()))
                || self.closed.contains(&name) != account.closed
            {
                let what = format!(
                    "the journal gives {held:?} minor units, the ledger has {}",
                    account.balance
                );
                return Err(wrong(&format!("account {name}"), what));
            }
        }
        let sum: i128 = self.held.values().sum();
        if sum != 0 || self.keys.len() != ledger.keys().len() {
            return Err(wrong(
                "the journal",
                format!("the sum over all accounts is {sum}, or keys are missing"),
            ));
        }
        Ok(Audited {
            entries: self.entries,
            accounts: accounts as u64,
            keys: self.keys.len() as u64,
            sum,
            moved: self.moved,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::{Amount, Balance};
    use crate::ledger::{Moment, Operation, Outcome};
    use crate::pin::{PIN_HASH_BYTES, PinHash};

    /// A ledger's entries, one of each kind that moves money.
    fn entries(ledger: &mut Ledger) -> Vec<Entry> {
        let amount = |minor| Amount::from_minor(minor).unwrap();
        let (one, two) = ("1".parse().unwrap(), "2".parse().unwrap());
        let pin = PinHash::from_bytes(&[1; PIN_HASH_BYTES]);
        let open = |account, minor| {
            let balance = Amount::from_minor(minor);
            Operation::Open {
                account,
                holder: "Ana".into(),
                pin: pin.clone(),
                balance,
            }
        };
        let operations = [
            open(one, 100),
            open(two, 0),
            Operation::Deposit(one, amount(5)),
            Operation::Transfer {
                from: one,
                to: two,
                amount: amount(7),
            },
            Operation::Withdraw(two, amount(7)),
            Operation::Close(two),
        ];
        operations
            .map(
                |operation| match ledger.execute(&operation, None, Moment { at: 1, lamport: 1 }) {
                    Ok(Outcome::Done(entry)) => entry,
                    other => panic!("{other:?}"),
                },
            )
            .into()
    }

    #[test]
    fn an_audit_of_nothing_makes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("missing");
        assert!(matches!(
            audit(&missing),
            Err(AuditFailure::Store(StoreError::NoBank(_)))
        ));
        assert!(!missing.exists());
    }

    #[test]
    fn a_true_journal_passes_and_every_false_statement_is_found() {
        let mut ledger = Ledger::new();
        let entries = entries(&mut ledger);
        let take = |entries: &[Entry]| {
            let mut model = Model::default();
            entries
                .iter()
                .try_for_each(|entry| model.take(entry))
                .and_then(|()| model.compare(&ledger))
        };
        let audited = take(&entries).unwrap();
        assert_eq!(
            (audited.sum, audited.entries, audited.accounts, audited.moved),
            (0, 6, 2, 119)
        );
        assert!(
            take(&entries[..5]).is_err(),
            "the ledger knows more than the journal"
        );
        for n in 0..entries.len() {
            let changes: [fn(&mut Entry); 4] = [
                |entry| entry.number += 1,
                |entry| entry.amount = Amount::from_minor(entry.amount.map_or(0, Amount::minor) + 1),
                |entry| entry.debit_after = Balance::from_minor(entry.debit_after.minor() - 1),
                |entry| entry.credit_after = Balance::from_minor(entry.credit_after.minor() + 1),
            ];
            for change in changes {
                let mut altered = entries.clone();
                change(&mut altered[n]);
                assert!(take(&altered).is_err(), "entry {}", n + 1);
            }
            let mut missing = entries.clone();
            missing.remove(n);
            assert!(take(&missing).is_err(), "without entry {}", n + 1);
        }
    }
}
