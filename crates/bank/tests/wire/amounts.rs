//! What is an amount, and what is told about what is none: with exact codes and without effect.

use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::{Wire, cents};
use crate::support::toy::{Plant, Toy};

/// Amounts as they stand in the request, and the code each is refused with.
fn table() -> Vec<(Value, &'static str)> {
    let texts = [
        "-1",
        "-1.00",
        "0",
        "0.00",
        "0.001",
        "1e2",
        "1e2.00",
        "NaN",
        "inf",
        "1,00",
        " 1",
        " 1.00",
        "1.00 ",
        "+1",
        "+1.00",
        "1",
        "1.0",
        ".50",
        "1.",
        "01.00",
        "0x1.00",
        "",
        "1.00.00",
        "１.00",
        "1.00\n",
        "9223372036854775807.99",
        "92233720368547758.08",
        "99999999999999999999999999999999.00",
    ];
    let mut table: Vec<(Value, &str)> = texts
        .iter()
        .map(|&text| (json!(text), "invalid_amount"))
        .collect();
    table.extend([
        (json!(1), "invalid_field"),
        (json!(1.5), "invalid_field"),
        (json!(-1), "invalid_field"),
        (json!(true), "invalid_field"),
        (json!(["1.00"]), "invalid_field"),
        (json!({"amount": "1.00"}), "invalid_field"),
        (Value::Null, "missing_field"),
    ]);
    table
}

/// Every amount that was not refused with its code, or that changed something.
fn mistakes(bank: &impl Subject, opening: &Opening) -> Vec<String> {
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    let before = wire.ask("balance", &json!({})).unwrap().unwrap();
    let mut mistakes = Vec::new();
    for (amount, code) in table() {
        for op in ["deposit", "withdraw", "transfer"] {
            let mut fields = json!({"amount": amount, "key": format!("{op} {amount}").chars().take(64).collect::<String>()});
            if op == "transfer" {
                fields["to"] = json!(opening.accounts[1]);
            }
            let answer = wire.ask(op, &fields).unwrap();
            if answer != Err(code.to_owned()) {
                mistakes.push(format!("{op} {amount}: {answer:?} instead of {code}"));
            }
        }
    }
    let after = wire.ask("balance", &json!({})).unwrap().unwrap();
    if after != before {
        mistakes.push(format!("{before} became {after}"));
    }
    mistakes
}

#[test]
fn what_is_no_amount_is_refused_with_its_code_and_changes_nothing() {
    let opening = Opening::new(2, 10_000);
    let bank = RealBank::start(&opening);
    assert_eq!(mistakes(&bank, &opening), Vec::<String>::new());
}

#[test]
fn control_of_amounts() {
    let opening = Opening::new(2, 10_000);
    assert_eq!(
        mistakes(&Toy::start(&opening, Plant::Nothing), &opening),
        Vec::<String>::new()
    );
    assert!(mistakes(&Toy::start(&opening, Plant::TakesAnyAmount), &opening).len() > 3);
}

#[test]
fn the_largest_amount_fits_once() {
    let opening = Opening::new(2, 100);
    let bank = RealBank::start(&opening);
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    let largest = "92233720368547758.07";
    assert_eq!(
        wire.ask("deposit", &json!({"amount": largest})).unwrap(),
        Err("overflow".to_owned())
    );
    let poor = wire.ask("withdraw", &json!({"amount": largest})).unwrap();
    assert_eq!(poor, Err("insufficient_funds".to_owned()));
    let held = wire.ask("balance", &json!({})).unwrap().unwrap();
    assert_eq!(cents(&held["balance"]), 100);
}

#[test]
fn other_refusals_have_their_codes_in_their_order() {
    let opening = Opening::new(2, 10_000);
    let bank = RealBank::start(&opening);
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    let own = &opening.accounts[0];
    let other = &opening.accounts[1];
    let mut check = |op: &str, fields: Value, code: &str| {
        assert_eq!(
            wire.ask(op, &fields).unwrap(),
            Err(code.to_owned()),
            "{op} {fields}"
        );
    };
    check("transfer", json!({"to": own, "amount": "1.00"}), "same_account");
    check("transfer", json!({"to": own, "amount": "0"}), "invalid_amount");
    check(
        "transfer",
        json!({"to": "12345", "amount": "1.00"}),
        "unknown_account",
    );
    check(
        "transfer",
        json!({"to": "../../etc/passwd", "amount": "1.00"}),
        "unknown_account",
    );
    check(
        "transfer",
        json!({"to": "cash", "amount": "1.00"}),
        "unknown_account",
    );
    check("transfer", json!({"amount": "1.00"}), "missing_field");
    check(
        "transfer",
        json!({"to": other, "amount": "100.01"}),
        "insufficient_funds",
    );
    check("withdraw", json!({"amount": "100.01"}), "insufficient_funds");
    check("deposit", json!({"amount": "1.00", "key": ""}), "invalid_field");
    check(
        "deposit",
        json!({"amount": "1.00", "key": "k".repeat(65)}),
        "invalid_field",
    );
    check("deposit", json!({"amount": "1.00", "key": 7}), "invalid_field");
    check("statement", json!({"limit": 0}), "invalid_field");
    check("statement", json!({"limit": -1}), "invalid_field");
    check("nothing", json!({}), "unknown_operation");
    let done = wire
        .ask("deposit", &json!({"amount": "1.00", "key": "k"}))
        .unwrap()
        .unwrap();
    assert_eq!(
        wire.ask("deposit", &json!({"amount": "1.00", "key": "k"}))
            .unwrap(),
        Ok(done)
    );
    let mut check = |op: &str, fields: Value, code: &str| {
        assert_eq!(
            wire.ask(op, &fields).unwrap(),
            Err(code.to_owned()),
            "{op} {fields}"
        );
    };
    check("deposit", json!({"amount": "2.00", "key": "k"}), "key_reused");
    check("withdraw", json!({"amount": "1.00", "key": "k"}), "key_reused");
    check(
        "transfer",
        json!({"to": other, "amount": "1.00", "key": "k"}),
        "key_reused",
    );
    check("withdraw", json!({"amount": "999.00", "key": "k"}), "key_reused");
}
