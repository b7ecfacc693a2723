//! A session at the cash machine, with its exact stamps: those of the client and those of the server.

use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::{PIN, Wire};
use crate::support::toy::{Plant, Toy};

/// The session, step by step: the operation; the client's stamp at the send, the server's at the reply and the client's
/// at the receive; and what the account holds then.
type Step = (&'static str, Value, [u64; 3], Option<&'static str>);

fn session() -> Vec<Step> {
    vec![
        (
            "login",
            json!({"account": "1111111111", "pin": PIN}),
            [1, 3, 4],
            None,
        ),
        ("balance", json!({}), [5, 7, 8], Some("10.00")),
        (
            "deposit",
            json!({"amount": "100.00"}),
            [9, 11, 12],
            Some("110.00"),
        ),
        ("balance", json!({}), [13, 15, 16], Some("110.00")),
        (
            "withdraw",
            json!({"amount": "15.00"}),
            [17, 19, 20],
            Some("95.00"),
        ),
        (
            "transfer",
            json!({"to": "0000000000", "amount": "20.00"}),
            [21, 23, 24],
            Some("75.00"),
        ),
        ("balance", json!({}), [25, 27, 28], Some("75.00")),
    ]
}

/// Plays the session; where it goes otherwise.
fn differences(wire: &mut Wire) -> Vec<String> {
    let mut differences = Vec::new();
    for (op, fields, stamps, balance) in session() {
        wire.send(op, &fields).unwrap();
        let sent = wire.time;
        let reply = wire.read().unwrap();
        let seen = [sent, reply["lamport"].as_u64().unwrap(), wire.time];
        if seen != stamps {
            differences.push(format!("{op} has the stamps {seen:?} instead of {stamps:?}"));
        }
        if balance.is_some_and(|balance| reply["ok"]["balance"] != balance) || reply["ok"].is_null() {
            differences.push(format!("{op}: {reply} instead of {balance:?}"));
        }
    }
    differences
}

#[test]
fn the_sample_session_has_the_seed_s_stamps() {
    let bank = RealBank::with_flags(None, &[]);
    let mut wire = Wire::open(bank.address().get()).unwrap();
    assert_eq!(differences(&mut wire), Vec::<String>::new());
    // The server's times of the receives stand in the statement: 22, 18, 10.
    let statement = wire.ask("statement", &json!({})).unwrap().unwrap();
    let lines = statement["entries"].as_array().unwrap();
    let stamps: Vec<&Value> = lines.iter().take(3).map(|line| &line["stamp"]).collect();
    assert_eq!(stamps, [22, 18, 10], "{statement}");
    let kinds: Vec<&Value> = lines.iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["sent", "withdrawal", "deposit", "opened"], "{statement}");
    assert_eq!(lines[0]["counterparty"], "0000000000");

    let mut marcos = Wire::login(bank.address().get(), "0000000000").unwrap();
    assert_eq!(
        marcos.ask("balance", &json!({})).unwrap().unwrap()["balance"],
        "30.00"
    );
}

#[test]
fn control_of_the_sample_session() {
    let opening = Opening {
        accounts: vec!["0000000000".to_owned(), "1111111111".to_owned()],
        cents: 1_000,
    };
    let found = |plant| {
        let toy = Toy::start(&opening, plant);
        differences(&mut Wire::open(toy.address().get()).unwrap())
    };
    assert_eq!(found(Plant::Nothing), Vec::<String>::new());
    let skipped = found(Plant::SkipsReceives);
    assert!(
        skipped.iter().all(|found| found.contains("stamps")) && skipped.len() == 7,
        "{skipped:?}"
    );
}

#[test]
fn the_example_accounts_come_with_a_warning_and_only_for_this_machine() {
    let bank = RealBank::with_flags(None, &[]);
    assert!(bank.log().contains("1234"), "{}", bank.log());
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_bank"))
        .args(["--listen", "0.0.0.0:0", "--data"])
        .arg(bank.data().join("elsewhere"))
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("hint:"), "{told}");
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_bank"))
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(bank.data())
        .output()
        .unwrap();
    assert!(!second.status.success(), "two banks on one data directory");
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(told.contains("in use") && told.contains("hint:"), "{told}");
}
