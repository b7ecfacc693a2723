//! What `bank-client` says of a change that was done, or may have been, when its answer or its output is lost: never that
//! it was not done.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bank::client::{Key, OperationError, Session, TypedPin};
use proto::net::{ClientSettings, Dialer};

use crate::support::bank::{Opening, RealBank, Subject as _};
use crate::support::program::{Then, client, client_at, err, mute_bank, out};

const LOGIN: [&str; 2] = ["--account", "0000000001"];

/// Runs the program with an output that takes nothing.
fn onto_a_full_disk(bank: &RealBank, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bank-client"))
        .args(["--server", &bank.address().get().to_string()])
        .args(LOGIN)
        .args(words)
        .env("BANK_PIN", "1234")
        .env("BANK_NEW_PIN", "4711")
        .stdout(OpenOptions::new().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

#[test]
fn a_deposit_whose_result_cannot_be_written_is_not_called_refused() {
    let bank = RealBank::start(&Opening::new(1, 10_000));
    for words in [&["deposit", "1"][..], &["deposit", "1", "--json"]] {
        let untold = onto_a_full_disk(&bank, words);
        let said = err(&untold);
        assert_eq!(untold.status.code(), Some(6), "{said}");
        assert!(
            said.contains("failed to write to stdout: No space left"),
            "{said}"
        );
        let key = said
            .split_once("--key ")
            .expect(&said)
            .1
            .split(' ')
            .next()
            .unwrap();
        let again = [&LOGIN[..], &["deposit", "1", "--key", key]].concat();
        let shown = out(&client(&bank, &again, "1234\n"));
        assert!(shown.starts_with("Deposited."), "{shown}");
    }
    let holds = client(&bank, &[&LOGIN[..], &["balance"]].concat(), "1234\n");
    assert_eq!(out(&holds), "102.00\n", "each of two deposits is done once");
}

#[test]
fn what_changes_nothing_fails_and_a_changed_pin_is_told() {
    let bank = RealBank::start(&Opening::new(1, 10_000));
    let balance = onto_a_full_disk(&bank, &["balance"]);
    assert_eq!(balance.status.code(), Some(1), "{}", err(&balance));
    let changed = onto_a_full_disk(&bank, &["change-pin"]);
    assert_eq!(changed.status.code(), Some(6), "{}", err(&changed));
    assert!(
        err(&changed).contains("the new PIN opens the account"),
        "{}",
        err(&changed)
    );
}

#[test]
fn a_trace_that_cannot_be_written_changes_no_outcome() {
    let bank = RealBank::start(&Opening::new(1, 10_000));
    let traced = |words: &[&str]| {
        client(
            &bank,
            &[&LOGIN[..], &["--trace", "/dev/full"], words].concat(),
            "1234\n",
        )
    };
    let done = traced(&["deposit", "1"]);
    assert_eq!(out(&done), "Deposited. Balance: 101.00 (entry 2)\n");
    assert_eq!(done.status.code(), Some(6), "{}", err(&done));
    assert!(
        err(&done).contains("the trace could not be written"),
        "{}",
        err(&done)
    );
    let refused = traced(&["withdraw", "1000"]);
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    assert!(
        err(&refused).contains("the trace could not be written") && err(&refused).contains("holds 101.00"),
        "{}",
        err(&refused)
    );
}

/// What is piped into the menu was written by somebody who took each line for done.
#[test]
fn a_menu_that_is_piped_ends_where_an_outcome_is_unknown() {
    let words = ["--give-up-after", "300ms"];
    let lost = client_at(&mute_bank(Then::HangsUp), &words, "1\n1234\n3\n1\n3\n1\n0\n");
    let said = err(&lost);
    assert_eq!(lost.status.code(), Some(5), "{said}");
    assert!(said.contains("nobody knows whether it was done"), "{said}");
    assert!(
        !said.contains("Not done") && !out(&lost).contains("Goodbye"),
        "{said}"
    );
}

/// Takes one connection, logs it in, and is gone when it is asked for more.
fn bank_that_goes() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for said in [
            "{\"service\":\"bank\",\"protocol\":1,\"connection\":\"c\"}\n",
            "{\"lamport\":3,\"id\":1,\"ok\":{\"account\":\"1\"}}\n",
        ] {
            stream.write_all(said.as_bytes()).unwrap();
            lines.next();
        }
    });
    address
}

#[tokio::test]
async fn a_change_that_was_sent_once_is_not_called_undone_when_it_cannot_be_sent_again() {
    let mut session = Session::new(Dialer::Tcp(bank_that_goes()), ClientSettings::new("bank"));
    session.set_patience(Some(Duration::from_millis(300)));
    session.login("1", TypedPin::new("1234")).await.unwrap();
    let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
    for _ in 0..3 {
        let asked = session.deposit("1.00".parse().unwrap(), &key).await;
        assert!(
            matches!(asked, Err(OperationError::OutcomeUnknown { .. })),
            "{asked:?}"
        );
    }
    let never_sent = session.deposit("1.00".parse().unwrap(), &other).await;
    assert!(
        matches!(never_sent, Err(OperationError::NothingDone { .. })),
        "{never_sent:?}"
    );
}
