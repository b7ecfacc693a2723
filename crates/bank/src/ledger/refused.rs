//! Refusals that are remembered: a key stands for its operation's outcome, be it done or refused.
//!
//! Otherwise a copy of a request that was delayed on its way could be carried out after its sender was told that it was
//! refused. Only what depends on the accounts is remembered. What a request says wrongly in itself is refused alike each
//! time.

use super::{Ledger, Moment, Operation, Outcome, Refusal, ReplayError};
use crate::account::AccountId;
use crate::amount::{Amount, Balance};
use crate::entry::{Asked, Entry, EntryKind, KeyPrint, Why};

impl Ledger {
    /// Remembers that `operation` with this key has just been refused, if that is a refusal to remember.
    pub fn remember(
        &mut self,
        operation: &Operation,
        key: KeyPrint,
        moment: Moment,
        refusal: Refusal,
    ) -> Option<Outcome> {
        let (asked, debit, credit, amount) = asked_for(operation)?;
        let why = match refusal {
            Refusal::InsufficientFunds { .. } => Why::InsufficientFunds,
            Refusal::Overflow => Why::Overflow,
            Refusal::UnknownAccount(unknown) if asked == Asked::Transfer && unknown == credit => {
                Why::UnknownAccount
            }
            Refusal::UnknownAccount(_)
            | Refusal::AccountExists(_)
            | Refusal::SameAccount(_)
            | Refusal::PinChanged
            | Refusal::NotEmpty { .. } => return None,
        };
        let entry = Entry {
            number: self.last_entry + 1,
            at: moment.at,
            lamport: moment.lamport,
            kind: EntryKind::Refused { asked, why },
            debit,
            credit,
            amount: Some(amount),
            debit_after: self.held(debit),
            credit_after: self.held(credit),
            debit_previous: 0,
            credit_previous: 0,
            key: Some(key),
        };
        self.apply(&entry)
            .expect("what was refused on this ledger is refused again");
        Some(Outcome::Refused(entry))
    }

    /// Checks that what `entry` refuses would be refused now, for the same reason and with the same balances.
    pub(super) fn check_refused(&self, entry: &Entry, asked: Asked) -> Result<(), ReplayError> {
        let fails = |what| ReplayError {
            number: entry.number,
            what,
        };
        let Some(key) = entry.key else {
            return Err(fails("it remembers a refusal without a key"));
        };
        let operation = entry
            .amount
            .and_then(|amount| operation_of(asked, entry.debit, entry.credit, amount))
            .ok_or(fails("it refuses what nobody can ask for"))?;
        let moment = Moment {
            at: entry.at,
            lamport: entry.lamport,
        };
        let again = self.decide(&operation, Some(key), moment).err();
        let held = (self.held(entry.debit), self.held(entry.credit));
        if again != refusal_of(entry)
            || held != (entry.debit_after, entry.credit_after)
            || (entry.debit_previous, entry.credit_previous) != (0, 0)
        {
            return Err(fails(
                "it refuses what would have been done, or for another reason",
            ));
        }
        Ok(())
    }

    /// What an account holds, nothing where there is none.
    fn held(&self, id: AccountId) -> Balance {
        if id.is_cash() {
            return self.cash;
        }
        self.slot(id)
            .map_or(Balance::ZERO, |slot| self.account(slot).balance)
    }
}

/// What `entry` was refused for, if it was.
#[must_use]
pub fn refusal_of(entry: &Entry) -> Option<Refusal> {
    let EntryKind::Refused { why, .. } = entry.kind else {
        return None;
    };
    Some(match why {
        Why::InsufficientFunds => Refusal::InsufficientFunds {
            holds: entry.debit_after,
        },
        Why::Overflow => Refusal::Overflow,
        Why::UnknownAccount => Refusal::UnknownAccount(entry.credit),
    })
}

/// Whether `entry` is what became of `operation`: then a repeated key asks for the same thing.
#[must_use]
pub fn same_operation(entry: &Entry, operation: &Operation) -> bool {
    let asked = match entry.kind {
        EntryKind::Deposit => Asked::Deposit,
        EntryKind::Withdrawal => Asked::Withdrawal,
        EntryKind::Transfer => Asked::Transfer,
        EntryKind::Refused { asked, .. } => asked,
        EntryKind::Opened { .. } | EntryKind::Closed | EntryKind::PinChanged { .. } => return false,
    };
    entry
        .amount
        .is_some_and(|amount| asked_for(operation) == Some((asked, entry.debit, entry.credit, amount)))
}

/// The movement that `operation` asks for: which, from where, to where, how much.
fn asked_for(operation: &Operation) -> Option<(Asked, AccountId, AccountId, Amount)> {
    match *operation {
        Operation::Deposit(account, amount) => Some((Asked::Deposit, AccountId::CASH, account, amount)),
        Operation::Withdraw(account, amount) => Some((Asked::Withdrawal, account, AccountId::CASH, amount)),
        Operation::Transfer { from, to, amount } => Some((Asked::Transfer, from, to, amount)),
        Operation::Open { .. } | Operation::Close(_) | Operation::ChangePin { .. } => None,
    }
}

/// The operation that asks for this movement.
fn operation_of(asked: Asked, from: AccountId, to: AccountId, amount: Amount) -> Option<Operation> {
    match asked {
        Asked::Deposit => from.is_cash().then_some(Operation::Deposit(to, amount)),
        Asked::Withdrawal => to.is_cash().then_some(Operation::Withdraw(from, amount)),
        Asked::Transfer => Some(Operation::Transfer { from, to, amount }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{NOW, amount, id, ledger};
    use crate::model::Model;

    fn withdrawal(minor: i64) -> Operation {
        Operation::Withdraw(id("1"), amount(minor))
    }

    /// The ledger, the entries of its opening, and what became of an operation that it refuses under the key `k`.
    fn refuse(operation: &Operation) -> (Ledger, Option<Entry>) {
        let mut ledger = ledger(&[("1", 1000), ("2", i64::MAX - 1000)]);
        let key = KeyPrint::new(id("1"), "k");
        let refusal = ledger.execute(operation, Some(key), NOW).unwrap_err();
        match ledger.remember(operation, key, NOW, refusal) {
            Some(Outcome::Refused(entry)) => {
                assert_eq!(refusal_of(&entry), Some(refusal));
                assert!(same_operation(&entry, operation));
                (ledger, Some(entry))
            }
            None => (ledger, None),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_depends_on_the_accounts_is_remembered_and_moves_nothing() {
        let transfer = |to, minor| Operation::Transfer {
            from: id("1"),
            to: id(to),
            amount: amount(minor),
        };
        for operation in [
            withdrawal(1001),
            transfer("2", 1001),
            transfer("3", 1),
            Operation::Deposit(id("2"), amount(1001)),
        ] {
            let (mut ledger, entry) = refuse(&operation);
            let entry = entry.unwrap();
            assert_eq!((ledger.sum(), ledger.last_entry()), (0, 3));
            // Whatever changes meanwhile, the key stands for the refusal.
            for enables in [
                Operation::Withdraw(id("2"), amount(5000)),
                Operation::Deposit(id("1"), amount(5000)),
            ] {
                ledger.execute(&enables, None, NOW).unwrap();
            }
            let key = Some(KeyPrint::new(id("1"), "k"));
            assert_eq!(
                ledger.execute(&operation, key, NOW),
                Ok(Outcome::Seen(entry.number))
            );
            assert!(!same_operation(&entry, &withdrawal(999)));
        }
        // What can never be otherwise needs no memory.
        assert!(refuse(&transfer("1", 1)).1.is_none());
    }

    #[test]
    fn a_refusal_that_does_not_follow_is_found_by_replay_and_by_audit() {
        let entry = refuse(&withdrawal(1001)).1.unwrap();
        let changes: [fn(&mut Entry); 7] = [
            |entry| entry.amount = Some(amount(1000)),
            |entry| entry.amount = None,
            |entry| entry.debit_after = Balance::from_minor(999),
            |entry| entry.credit_after = Balance::ZERO,
            |entry| entry.debit = id("2"),
            |entry| entry.key = None,
            |entry| entry.number += 1,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut altered = entry.clone();
            change(&mut altered);
            let mut ledger = ledger(&[("1", 1000), ("2", i64::MAX - 1000)]);
            assert!(ledger.apply(&altered).is_err(), "change {n}");
        }
        let mut ledger = ledger(&[("1", 1000), ("2", i64::MAX - 1000)]);
        ledger.apply(&entry).unwrap();
        assert!(
            Model::default().take(&entry).is_err(),
            "the audit knows nothing of these accounts"
        );
    }
}
