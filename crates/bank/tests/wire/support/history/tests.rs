//! The checker finds what is planted.

use super::books::{Books, Statements};
use super::{Attempt, Change, Fate, Line};
use crate::support::bank::Opening;

fn opening() -> Opening {
    Opening::new(2, 10_000)
}

fn rg(number: usize) -> String {
    opening().accounts[number - 1].clone()
}

fn attempt(serial: i64, change: Change, fate: Fate) -> Attempt {
    Attempt {
        key: format!("k{serial}"),
        account: rg(1),
        change,
        cents: serial,
        fate,
    }
}

fn line(entry: u64, kind: &str, cents: i64, balance: i64, counterparty: Option<usize>) -> Line {
    Line {
        entry,
        kind: kind.to_owned(),
        cents,
        balance,
        counterparty: counterparty.map(rg),
    }
}

/// One of each: an acknowledged transfer and deposit, a refused one, a lost one that was done and one that was not.
fn sound() -> (Vec<Attempt>, Statements) {
    let attempts = vec![
        attempt(
            7,
            Change::TransferTo(rg(2)),
            Fate::Done {
                balance: 9_993,
                entry: 3,
            },
        ),
        attempt(
            8,
            Change::Deposit,
            Fate::Done {
                balance: 10_001,
                entry: 4,
            },
        ),
        attempt(
            9,
            Change::Withdrawal,
            Fate::Refused("insufficient_funds".to_owned()),
        ),
        attempt(10, Change::TransferTo(rg(2)), Fate::Unknown),
        attempt(11, Change::TransferTo(rg(2)), Fate::Unknown),
    ];
    let statements = [
        (
            rg(1),
            vec![
                line(3, "sent", 7, 9_993, Some(2)),
                line(4, "deposit", 8, 10_001, None),
                line(5, "sent", 10, 9_991, Some(2)),
            ],
        ),
        (
            rg(2),
            vec![
                line(3, "received", 7, 10_007, Some(1)),
                line(5, "received", 10, 10_017, Some(1)),
            ],
        ),
    ];
    (attempts, statements.into())
}

/// Plants something and tells what the checker says of it.
#[track_caller]
fn check(plant: impl FnOnce(&mut Vec<Attempt>, &mut Statements), expected: &str) {
    let (mut attempts, mut statements) = sound();
    plant(&mut attempts, &mut statements);
    let found = Books::opened(&opening(), 2).check(&attempts, &statements);
    let violations = found.expect_err("the violation was not found");
    assert!(
        violations.iter().any(|violation| violation.contains(expected)),
        "{violations:?}"
    );
}

#[test]
fn sound_books_pass() {
    let (attempts, statements) = sound();
    let mut books = Books::opened(&opening(), 2);
    let places = books.check(&attempts, &statements).unwrap();
    assert_eq!(places.keys().collect::<Vec<_>>(), ["k10", "k7", "k8"]);
    assert_eq!(books.last_entry(), 5);
}

#[test]
fn what_is_lost_is_found() {
    // The last entry, so that neither the chain nor a gap tells of it.
    check(
        |attempts, statements| {
            attempts[3].fate = Fate::Done {
                balance: 9_991,
                entry: 5,
            };
            statements.values_mut().for_each(|lines| drop(lines.pop()));
        },
        "acknowledged and lost",
    );
    check(
        |_, statements| drop(statements.get_mut(&rg(1)).unwrap().remove(1)),
        "entry 4 is missing",
    );
}

#[test]
fn what_is_half_there_is_found() {
    check(
        |_, statements| drop(statements.get_mut(&rg(2)).unwrap().pop()),
        "half there",
    );
    check(
        |_, statements| drop(statements.get_mut(&rg(2)).unwrap().pop()),
        "does not balance",
    );
}

#[test]
fn what_is_done_twice_is_found() {
    let twice = |_: &mut Vec<Attempt>, statements: &mut Statements| {
        statements
            .get_mut(&rg(1))
            .unwrap()
            .push(line(6, "sent", 10, 9_981, Some(2)));
        statements
            .get_mut(&rg(2))
            .unwrap()
            .push(line(6, "received", 10, 10_027, Some(1)));
    };
    check(twice, "applied 2 times");
}

#[test]
fn what_nobody_asked_for_is_found() {
    check(
        |_, statements| {
            statements
                .get_mut(&rg(1))
                .unwrap()
                .push(line(6, "deposit", 99, 10_090, None))
        },
        "nobody asked",
    );
    check(
        |attempts, _| attempts[1].fate = Fate::Refused("busy".to_owned()),
        "refused and applied",
    );
}

#[test]
fn wrong_balances_and_answers_are_found() {
    check(
        |_, statements| statements.get_mut(&rg(1)).unwrap()[1].balance += 1,
        "held 9993, then",
    );
    check(
        |attempts, _| {
            attempts[1].fate = Fate::Done {
                balance: 10_001,
                entry: 3,
            }
        },
        "told otherwise than written",
    );
}
