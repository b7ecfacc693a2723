//! A session at the cash machine, with its exact stamps: those of the client and those of the server.

use serde_json::{Value, json};

use crate::support::bank::{RealBank, Subject};
use crate::support::line::Wire;

#[test]
fn the_sample_session_has_the_seed_s_stamps() {
    let bank = RealBank::with_flags(None, &[]);
    let mut wire = Wire::open(bank.address().get()).unwrap();
    // The operation, the client's stamps at send and receive, the server's at its reply, and what is replied.
    let session = [
        (
            "login",
            json!({"account": "1111111111", "pin": "1234"}),
            1,
            3,
            4,
            None,
        ),
        ("balance", json!({}), 5, 7, 8, Some("10.00")),
        ("deposit", json!({"amount": "100.00"}), 9, 11, 12, Some("110.00")),
        ("balance", json!({}), 13, 15, 16, Some("110.00")),
        ("withdraw", json!({"amount": "15.00"}), 17, 19, 20, Some("95.00")),
        (
            "transfer",
            json!({"to": "0000000000", "amount": "20.00"}),
            21,
            23,
            24,
            Some("75.00"),
        ),
        ("balance", json!({}), 25, 27, 28, Some("75.00")),
    ];
    for (op, fields, sent, replied, received, balance) in session {
        wire.send(op, &fields).unwrap();
        assert_eq!(wire.time, sent, "{op} sent");
        let reply = wire.read().unwrap();
        assert_eq!(reply["lamport"], replied, "{op}: {reply}");
        assert_eq!(wire.time, received, "{op} received");
        if let Some(balance) = balance {
            assert_eq!(reply["ok"]["balance"], balance, "{op}: {reply}");
        } else {
            assert_eq!(reply["ok"]["holder"], "Antonio", "{reply}");
        }
    }
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
