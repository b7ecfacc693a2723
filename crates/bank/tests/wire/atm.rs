//! The program `bank-client` as people and scripts use it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::thread;

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::money;
use crate::support::program::{Then, client, client_at, err, mute_bank, out, spawn};

#[test]
fn the_menu_plays_the_sample_session_and_shows_the_seed_s_clock() {
    let bank = RealBank::with_flags(None, &["--log", "bank=debug"]);
    let session = "1111111111\n1234\n1\n3\n100\n1\n2\n15\n4\n0000000000\n20\n1\n0\n";
    let output = client(&bank, &["--clock"], session);
    assert_eq!(
        out(&output),
        "Welcome, Antonio.\nBalance: 10.00\nDeposited. Balance: 110.00 (entry 11)\nBalance: 110.00\n\
         Please take your money. Balance: 95.00 (entry 12)\nTransferred. Balance: 75.00 (entry 13)\n\
         Balance: 75.00\nGoodbye.\n"
    );
    let clock: Vec<u64> = err(&output)
        .lines()
        .filter_map(|line| line.strip_prefix("[Lamport=")?.split_once(']')?.0.parse().ok())
        .collect();
    assert_eq!(clock[..14], [1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28]);
    assert!(output.status.success());
    // The other half of the clock is the server's, in its log.
    let log = bank.log();
    let clock: Vec<u64> = log
        .lines()
        .filter_map(|line| line.split_once(" lamport=")?.1.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(
        clock[..14],
        [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27],
        "{log}"
    );
    assert!(log.contains("operation=\"login\""), "{log}");
}

#[test]
fn the_menu_lets_people_try_again() {
    let bank = RealBank::start(&Opening::new(2, 10_000));
    let session = "\nnobody\n0000000009\n1234\n0000000001\n9999\n0000000001\n1234\n7\n2\n-5\nten\n1000\n2\n5.5\n3\n\n4\n\
                   me\n0000000001\n1\n5\n0\n";
    let output = client(&bank, &[], session);
    let shown = out(&output);
    assert!(shown.starts_with("Welcome, Holder of 0000000001.\n"), "{shown}");
    assert!(
        shown.contains("Please take your money. Balance: 94.50"),
        "{shown}"
    );
    assert!(
        shown.contains("┆ withdrawal     ┆      ┆   -5.50 ┆   94.50 │"),
        "{shown}"
    );
    assert!(shown.ends_with("Goodbye.\n"), "{shown}");
    let talk = err(&output);
    assert_eq!(talk.matches("Try again").count(), 5, "{talk}");
    assert_eq!(talk.matches("Nothing was done.").count(), 1, "{talk}");
    assert_eq!(talk.matches("and try again").count(), 2, "{talk}");
    assert_eq!(talk.matches("Not done:").count(), 4, "{talk}");
    assert!(talk.contains("holds 100.00"), "{talk}");
    assert!(
        !shown.contains("Choose") && !talk.contains("Choose"),
        "no prompts where nobody types"
    );
    assert!(output.status.success());
}

#[test]
fn scripts_get_json_and_exit_codes() {
    let place = tempfile::tempdir().unwrap();
    let pin_file = place.path().join("pin");
    std::fs::write(&pin_file, "1234\n").unwrap();
    let pin_file = pin_file.to_str().unwrap();
    let bank = RealBank::start(&Opening::new(2, 10_000));
    let login = ["--account", "0000000001", "--pin-file", pin_file];
    let run = |words: &[&str]| client(&bank, &[&login, words].concat(), "");

    assert_eq!(out(&run(&["balance"])), "100.00\n");
    assert_eq!(
        out(&run(&["balance", "--json"])),
        "{\"account\":\"0000000001\",\"balance\":\"100.00\",\"entry\":1}\n"
    );
    let keyed = ["deposit", "1.50", "--key", "k1", "--json"];
    let deposited = out(&run(&keyed));
    assert_eq!(
        deposited,
        "{\"account\":\"0000000001\",\"balance\":\"101.50\",\"entry\":3,\"key\":\"k1\"}\n"
    );
    assert_eq!(out(&run(&keyed)), deposited, "done once");
    assert_eq!(
        out(&run(&["withdraw", "1.50"])),
        "Withdrawn. Balance: 100.00 (entry 4)\n"
    );
    assert_eq!(
        out(&run(&["transfer", "25", "--to", "0000000002"])),
        "Transferred. Balance: 75.00 (entry 5)\n"
    );
    let statement = out(&run(&["statement", "--json", "--limit", "2"]));
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(statement["entries"][0]["amount"], "25.00", "{statement}");
    assert_eq!(statement["more"], true, "{statement}");

    let poor = run(&["withdraw", "1000", "--json"]);
    assert_eq!(poor.status.code(), Some(1));
    assert!(
        out(&poor).starts_with("{\"error\":{\"code\":\"insufficient_funds\""),
        "{}",
        out(&poor)
    );
    assert!(err(&poor).contains("hint:"), "{}", err(&poor));
    let elsewhere = run(&["statement", "--before", "2"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(
        err(&elsewhere).contains("hint: name an entry that a statement"),
        "{}",
        err(&elsewhere)
    );
    assert_eq!(run(&["withdraw", "1,00"]).status.code(), Some(2), "no amount");
    assert_eq!(
        client(&bank, &["balance"], "").status.code(),
        Some(2),
        "no account"
    );
    let wrong = client(&bank, &["--account", "0000000001", "balance"], "0000\n");
    assert_eq!(wrong.status.code(), Some(3), "{}", err(&wrong));

    let changed = client(&bank, &["--account", "0000000001", "change-pin"], "1234\n56789\n");
    // The new PIN is asked for first of all that needs the bank, after the old one.
    assert_eq!(out(&changed), "PIN changed.\n", "{}", err(&changed));
    assert_eq!(run(&["balance"]).status.code(), Some(3), "the old PIN");
    assert_eq!(
        out(&client(&bank, &["--account", "0000000001", "balance"], "56789\n")),
        "75.00\n"
    );
}

#[test]
fn a_bank_that_is_not_there_is_told_from_one_that_is_lost_halfway() {
    let nobody = client_at(
        "127.0.0.1:1",
        &["--account", "1", "--give-up-after", "300ms", "balance"],
        "1234\n",
    );
    assert_eq!(nobody.status.code(), Some(4), "{}", err(&nobody));
    assert!(err(&nobody).contains("hint:"), "{}", err(&nobody));

    let address = mute_bank(Then::SaysNothing);
    let words = [
        "--account",
        "1",
        "--give-up-after",
        "500ms",
        "deposit",
        "1",
        "--key",
        "mine",
    ];
    let lost = client_at(&address, &words, "1234\n");
    assert_eq!(lost.status.code(), Some(5), "{}", err(&lost));
    assert!(err(&lost).contains("--key mine"), "{}", err(&lost));
}

#[test]
fn a_deposit_outlives_the_bank_it_was_sent_to() {
    const PORTION: usize = 50;
    const CRASHES: usize = 3;
    let opening = Opening::new(1, 10_000);
    let mut bank = RealBank::start(&opening);
    let port = bank.address().get();
    // A proxy that stays at one address while the bank behind it comes back at another.
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let through = proxy.local_addr().unwrap().to_string();
    let behind = bank.address();
    thread::spawn(move || {
        for stream in proxy.incoming().flatten() {
            let Ok(bank) = std::net::TcpStream::connect(behind.get()) else {
                continue;
            };
            for (mut from, mut to) in [
                (stream.try_clone().unwrap(), bank.try_clone().unwrap()),
                (bank, stream),
            ] {
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    let mut child = spawn(&through, &["--account", "0000000001"]);
    let mut typed = child.stdin.take().unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut deposited = 0;
    let mut last = String::new();
    let mut see = |count: usize| {
        while deposited < count {
            last = shown.next().expect("it shows more").unwrap();
            deposited += usize::from(last.starts_with("Deposited."));
        }
        last.clone()
    };
    typed.write_all(b"1234\n").unwrap();
    let portion = "3\n0.01\n".repeat(PORTION);
    for crash in 0..CRASHES {
        typed.write_all(portion.as_bytes()).unwrap();
        // It is in the middle of a portion, and the last one is not even asked for.
        see(crash * PORTION + PORTION / 2);
        bank.crash();
    }
    typed.write_all(portion.as_bytes()).unwrap();
    assert_ne!(bank.address().get(), port);
    let all = (CRASHES + 1) * PORTION;
    assert!(see(all).contains(&format!("Balance: {}", money(10_000 + all as i64))));
    typed.write_all(b"0\n").unwrap();
    drop(typed);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    let rest: Vec<String> = shown.map(Result::unwrap).collect();
    assert_eq!(rest, ["Goodbye."], "each deposit is done once: {}", err(&output));
}

#[test]
fn a_trace_of_the_client_can_be_read() {
    let place = tempfile::tempdir().unwrap();
    let trace = place.path().join("client.trace");
    let bank = RealBank::start(&Opening::new(1, 10_000));
    let words = [
        "--account",
        "0000000001",
        "--trace",
        trace.to_str().unwrap(),
        "deposit",
        "1",
    ];
    assert!(client(&bank, &words, "1234\n").status.success());
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(
        text.contains(r#""facts":[{"account":"0000000001","balance":10100,"entry":2}]"#),
        "{text}"
    );
    assert!(
        text.lines().last().unwrap().starts_with("{\"closed\":true"),
        "{text}"
    );
}
