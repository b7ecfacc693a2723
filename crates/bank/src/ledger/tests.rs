//! The rules of the ledger, by example and over random operations against a model that only adds and subtracts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::entry::EntryKind;
use crate::model::Model;
use crate::pin::PIN_HASH_BYTES;

pub(super) const NOW: Moment = Moment { at: 1, lamport: 2 };

pub(super) fn id(text: &str) -> AccountId {
    text.parse().unwrap()
}

pub(super) fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn open(account: AccountId, minor: i64) -> Operation {
    let pin = PinHash::from_bytes(&[1; PIN_HASH_BYTES]);
    Operation::Open {
        account,
        holder: "Ana".into(),
        pin,
        balance: Amount::from_minor(minor),
    }
}

pub(super) fn ledger(accounts: &[(&str, i64)]) -> Ledger {
    let mut ledger = Ledger::new();
    for &(account, minor) in accounts {
        ledger.execute(&open(id(account), minor), None, NOW).unwrap();
    }
    ledger
}

fn balance(ledger: &Ledger, account: &str) -> i64 {
    ledger.account(ledger.slot(id(account)).unwrap()).balance.minor()
}

#[test]
fn the_session_of_the_seed() {
    let (antonio, marcos) = (id("1111111111"), id("0000000000"));
    let mut ledger = ledger(&[("0000000000", 1000), ("1111111111", 1000)]);
    ledger
        .execute(&Operation::Deposit(antonio, amount(10_000)), None, NOW)
        .unwrap();
    assert_eq!(balance(&ledger, "1111111111"), 11_000);
    ledger
        .execute(&Operation::Withdraw(antonio, amount(1_500)), None, NOW)
        .unwrap();
    ledger
        .execute(
            &Operation::Transfer {
                from: antonio,
                to: marcos,
                amount: amount(2_000),
            },
            None,
            NOW,
        )
        .unwrap();
    assert_eq!(
        (balance(&ledger, "1111111111"), balance(&ledger, "0000000000")),
        (7_500, 3_000)
    );
    assert_eq!(
        (ledger.sum(), ledger.cash().minor(), ledger.last_entry()),
        (0, -10_500, 5)
    );
}

#[test]
fn refusals_change_nothing() {
    let (a, b, stranger) = (id("1"), id("01"), id("2"));
    let mut ledger = ledger(&[("1", 1000), ("01", i64::MAX - 1000)]);
    let mut check = |operation: Operation, expected| {
        let before = (ledger.accounts().to_vec(), ledger.cash(), ledger.last_entry());
        assert_eq!(
            ledger.execute(&operation, Some(KeyPrint::new(a, "k")), NOW),
            Err(expected),
            "{operation:?}"
        );
        assert_eq!(
            (ledger.accounts().to_vec(), ledger.cash(), ledger.last_entry()),
            before
        );
    };
    let holds = Balance::from_minor(1000);
    check(
        Operation::Withdraw(a, amount(1001)),
        Refusal::InsufficientFunds { holds },
    );
    check(
        Operation::Transfer {
            from: a,
            to: b,
            amount: amount(1001),
        },
        Refusal::InsufficientFunds { holds },
    );
    check(
        Operation::Transfer {
            from: a,
            to: a,
            amount: amount(1),
        },
        Refusal::SameAccount(a),
    );
    check(
        Operation::Transfer {
            from: a,
            to: stranger,
            amount: amount(1),
        },
        Refusal::UnknownAccount(stranger),
    );
    check(
        Operation::Transfer {
            from: a,
            to: AccountId::CASH,
            amount: amount(1),
        },
        Refusal::UnknownAccount(AccountId::CASH),
    );
    check(
        Operation::Deposit(stranger, amount(1)),
        Refusal::UnknownAccount(stranger),
    );
    check(Operation::Deposit(b, amount(1001)), Refusal::Overflow);
    check(Operation::Deposit(a, amount(i64::MAX)), Refusal::Overflow);
    check(Operation::Close(a), Refusal::NotEmpty { holds });
    check(open(a, 0), Refusal::AccountExists(a));
}

#[test]
fn a_key_stands_for_one_operation() {
    let (a, key) = (id("1"), Some(KeyPrint::new(id("1"), "k")));
    let mut ledger = ledger(&[("1", 1000)]);
    let withdraw = Operation::Withdraw(a, amount(600));
    let Ok(Outcome::Done(entry)) = ledger.execute(&withdraw, key, NOW) else {
        panic!("not done")
    };
    assert_eq!(
        ledger.execute(&withdraw, key, NOW),
        Ok(Outcome::Seen(entry.number))
    );
    assert!(same_operation(&entry, &withdraw));
    assert!(!same_operation(&entry, &Operation::Withdraw(a, amount(601))));
    assert!(!same_operation(&entry, &Operation::Deposit(a, amount(600))));
    assert_eq!(balance(&ledger, "1"), 400);
    assert_ne!(
        KeyPrint::new(id("1"), "k"),
        KeyPrint::new(id("01"), "k"),
        "keys belong to accounts"
    );
}

#[test]
fn a_closed_account_moves_no_money_and_stays_closed() {
    let mut ledger = ledger(&[("1", 0), ("2", 100)]);
    ledger.execute(&Operation::Close(id("1")), None, NOW).unwrap();
    let gone = Err(Refusal::UnknownAccount(id("1")));
    assert_eq!(
        ledger.execute(&Operation::Deposit(id("1"), amount(1)), None, NOW),
        gone
    );
    let to_it = Operation::Transfer {
        from: id("2"),
        to: id("1"),
        amount: amount(1),
    };
    assert_eq!(ledger.execute(&to_it, None, NOW), gone);
    assert_eq!(
        ledger.execute(&open(id("1"), 0), None, NOW),
        Err(Refusal::AccountExists(id("1")))
    );
}

#[test]
fn an_entry_that_states_anything_wrong_is_not_applied() {
    let transfer = Operation::Transfer {
        from: id("1"),
        to: id("2"),
        amount: amount(10),
    };
    let entry = |change: fn(&mut Entry)| {
        let mut ledger = ledger(&[("1", 100), ("2", 100)]);
        let mut entry = ledger
            .decide(&transfer, Some(KeyPrint::new(id("1"), "k")), NOW)
            .unwrap();
        change(&mut entry);
        ledger.apply(&entry)
    };
    assert_eq!(entry(|_| ()), Ok(()));
    let changes: [fn(&mut Entry); 9] = [
        |entry| entry.number += 1,
        |entry| entry.amount = Amount::from_minor(11),
        |entry| entry.debit_after = Balance::from_minor(91),
        |entry| entry.credit_after = Balance::from_minor(111),
        |entry| entry.debit_previous = 2,
        |entry| entry.credit_previous = 1,
        |entry| entry.credit = AccountId::CASH,
        |entry| entry.debit = "3".parse().unwrap(),
        |entry| entry.kind = EntryKind::Closed,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        assert!(entry(change).is_err(), "change {n}");
    }
}

fn operations() -> impl Strategy<Value = Vec<(Operation, Option<u8>)>> {
    let account = || (0..4u8).prop_map(|n| id(&n.to_string()));
    let minor = || prop_oneof![1..500i64, Just(i64::MAX)].prop_map(amount);
    let operation = prop_oneof![
        (account(), 0..300i64).prop_map(|(account, minor)| open(account, minor)),
        account().prop_map(Operation::Close),
        (account(), minor()).prop_map(|(account, minor)| Operation::Deposit(account, minor)),
        (account(), minor()).prop_map(|(account, minor)| Operation::Withdraw(account, minor)),
        (account(), account(), minor()).prop_map(|(from, to, amount)| Operation::Transfer {
            from,
            to,
            amount
        }),
    ];
    prop::collection::vec((operation, prop::option::of(0..20u8)), 0..80)
}

proptest! {
    /// Whatever is asked for: the sum stays zero, nobody is below zero, a model that only adds and subtracts agrees,
    /// and replaying the entries gives the same ledger.
    #[test]
    fn money_is_conserved(operations in operations()) {
        let (mut ledger, mut replayed) = (Ledger::new(), Ledger::new());
        let mut model: BTreeMap<AccountId, i128> = BTreeMap::new();
        let mut audited = Model::default();
        for (operation, key) in operations {
            let key = key.map(|key| KeyPrint::new(AccountId::CASH, &key.to_string()));
            let outcome = match (ledger.execute(&operation, key, NOW), key) {
                (Err(refusal), Some(key)) => ledger.remember(&operation, key, NOW, refusal),
                (outcome, _) => outcome.ok(),
            };
            match outcome {
                Some(Outcome::Done(entry)) => {
                    let moved = i128::from(entry.amount.map_or(0, Amount::minor));
                    *model.entry(entry.debit).or_default() -= moved;
                    *model.entry(entry.credit).or_default() += moved;
                    audited.take(&entry).unwrap();
                    replayed.apply(&entry).unwrap();
                }
                Some(Outcome::Refused(entry)) => {
                    prop_assert!(ledger.execute(&operation, key, NOW) == Ok(Outcome::Seen(entry.number)));
                    audited.take(&entry).unwrap();
                    replayed.apply(&entry).unwrap();
                }
                Some(Outcome::Seen(_)) | None => {}
            }
            prop_assert_eq!(ledger.sum(), 0);
        }
        for account in ledger.accounts() {
            prop_assert!(account.balance >= Balance::ZERO);
            prop_assert_eq!(i128::from(account.balance.minor()), model[&account.id]);
        }
        prop_assert_eq!(replayed.accounts(), ledger.accounts());
        prop_assert_eq!(replayed.keys(), ledger.keys());
        prop_assert!(audited.compare(&ledger).is_ok());
    }
}
