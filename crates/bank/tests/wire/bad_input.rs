//! Nonsense over the wire, before the login and after it: each with its exact code, nothing lost, and the bank lives.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::{PIN, Wire};

/// A bank and whether the connection is logged in: most nonsense is told the same before and after.
fn both(check: impl Fn(&mut Wire, bool)) {
    let opening = Opening::new(2, 10_000);
    let bank = RealBank::start(&opening);
    check(&mut Wire::open(bank.address().get()).unwrap(), false);
    check(
        &mut Wire::login(bank.address().get(), &opening.accounts[0]).unwrap(),
        true,
    );
    // The bank lives, and nobody lost anything.
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    assert_eq!(
        wire.ask("balance", &json!({})).unwrap().unwrap()["balance"],
        "100.00"
    );
}

/// Sends bytes and demands an error event with this code, or a reply with this id and code.
#[track_caller]
fn check(wire: &mut Wire, bytes: &[u8], id: Option<u64>, code: &str) {
    wire.send_raw(bytes).unwrap();
    let said = wire.read().unwrap();
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    match id {
        Some(id) => {
            assert_eq!(said["error"]["code"], code, "{start}: {said}");
            assert_eq!(said["id"], id, "{start}: {said}");
        }
        None => {
            assert_eq!(said["event"], "error", "{start}: {said}");
            assert_eq!(said["code"], code, "{start}: {said}");
        }
    }
    assert!(said["lamport"].as_u64().is_some(), "{start}: {said}");
}

#[test]
fn broken_framing_is_told_and_the_connection_goes_on() {
    both(|wire, logged_in| {
        let line_max = if logged_in { 64 * 1024 } else { 4 * 1024 };
        check(
            wire,
            &[b"\"".as_slice(), &b"x".repeat(line_max), b"\n"].concat(),
            None,
            "line_too_long",
        );
        check(wire, b"{\"id\":1,\"op\":\"\xff\xfe\"}\n", None, "invalid_utf8");
        let deep = 1_000.min(line_max / 2 - 100);
        let nested = [
            b"{\"id\":1,\"op\":\"balance\",\"x\":".as_slice(),
            &b"[".repeat(deep),
            &b"]".repeat(deep),
            b"}\n",
        ];
        check(wire, &nested.concat(), None, "too_deep");
        check(wire, b"hello\n", None, "invalid_json");
        check(wire, b"[1,2]\n", None, "invalid_json");
        check(wire, b"{\"id\":1,\"op\":\"balance\"\n", None, "invalid_json");
        // Blank lines and carriage returns mean nothing.
        wire.send_raw(b"\n\r\n  \r\n").unwrap();
        let code = if logged_in { "ok" } else { "not_logged_in" };
        wire.send_raw(b"{\"id\":77,\"op\":\"balance\"}\r\n").unwrap();
        let said = wire.read().unwrap();
        assert_eq!(said["id"], 77, "{said}");
        assert!(
            said.get(code).is_some() || said["error"]["code"] == code,
            "{said}"
        );
    });
}

#[test]
fn an_endless_line_is_told_once_and_then_skipped() {
    both(|wire, _| {
        for _ in 0..32 {
            wire.send_raw(&b"x".repeat(64 * 1024)).unwrap();
        }
        check(wire, b"\n", None, "line_too_long");
        check(wire, b"{}\n", None, "missing_field");
    });
}

#[test]
fn who_does_not_speak_the_protocol_is_closed_after_several_lines() {
    both(|wire, _| {
        for _ in 0..200 {
            if wire.send_raw(b"GET / HTTP/1.1\n").is_err() {
                break;
            }
        }
        let said = (0..200).take_while(|_| wire.read().is_ok()).count();
        assert!(said <= 20, "{said} answers to nonsense");
        assert!(wire.read().is_err());
    });
}

#[test]
fn wrong_fields_are_told_with_the_request_s_id() {
    both(|wire, logged_in| {
        check(
            wire,
            b"{\"id\":1,\"id\":2,\"op\":\"balance\"}\n",
            None,
            "duplicate_field",
        );
        check(
            wire,
            b"{\"id\":3,\"op\":\"balance\",\"op\":\"balance\"}\n",
            Some(3),
            "duplicate_field",
        );
        check(wire, b"{\"id\":4,\"op\":5}\n", Some(4), "invalid_field");
        check(
            wire,
            b"{\"id\":5,\"op\":\"login\",\"account\":1111111111,\"pin\":\"1234\"}\n",
            Some(5),
            "invalid_field",
        );
        check(
            wire,
            b"{\"id\":6,\"op\":\"login\",\"account\":\"1\"}\n",
            Some(6),
            "missing_field",
        );
        check(wire, b"{\"id\":7}\n", Some(7), "missing_field");
        check(wire, b"{\"op\":\"balance\"}\n", None, "missing_field");
        check(wire, b"{\"id\":-1,\"op\":\"balance\"}\n", None, "invalid_field");
        check(wire, b"{\"id\":1.5,\"op\":\"balance\"}\n", None, "invalid_field");
        check(wire, b"{\"id\":8,\"op\":\"fly\"}\n", Some(8), "unknown_operation");
        check(wire, b"{\"id\":9,\"op\":\"\"}\n", Some(9), "unknown_operation");
        if !logged_in {
            for op in [
                "balance",
                "deposit",
                "withdraw",
                "transfer",
                "statement",
                "change_pin",
                "logout",
            ] {
                let line = format!("{{\"id\":10,\"op\":\"{op}\"}}\n");
                check(wire, line.as_bytes(), Some(10), "not_logged_in");
            }
        }
    });
}

#[test]
fn stamps_that_are_none_are_refused_and_leaps_poison_no_clock() {
    both(|wire, _| {
        for stamp in [
            "-1",
            "1.5",
            "18446744073709551616",
            "18446744073709551615",
            "9007199254740992",
            "\"1\"",
            "true",
        ] {
            let line = format!("{{\"lamport\":{stamp},\"id\":1,\"op\":\"balance\"}}\n");
            check(wire, line.as_bytes(), Some(1), "invalid_stamp");
        }
        let before = wire.time;
        check(
            wire,
            b"{\"lamport\":9007199254740991,\"id\":2,\"op\":\"balance\"}\n",
            Some(2),
            "clock_leap",
        );
        check(
            wire,
            b"{\"lamport\":5000000000,\"id\":3,\"op\":\"balance\"}\n",
            Some(3),
            "clock_leap",
        );
        assert!(wire.time < before + 100, "the clock leapt to {}", wire.time);
    });
}

#[test]
fn a_request_is_the_same_however_its_bytes_arrive() {
    let opening = Opening::new(1, 10_000);
    let bank = RealBank::start(&opening);
    let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    let line = wire.line("balance", &json!({}));
    for split in 1..line.len() {
        let (first, second) = line.as_bytes().split_at(split);
        wire.send_raw(first).unwrap();
        std::thread::yield_now();
        wire.send_raw(second).unwrap();
        assert_eq!(wire.answer().unwrap().unwrap()["balance"], "100.00");
    }
    // And many at once, answered in their order.
    let many: String = (0..500).map(|_| wire.line("balance", &json!({}))).collect();
    wire.send_raw(many.as_bytes()).unwrap();
    let ids: Vec<Value> = (0..500).map(|_| wire.read().unwrap()["id"].clone()).collect();
    assert!(ids.windows(2).all(|pair| pair[0].as_u64() < pair[1].as_u64()));
}

#[test]
fn a_failed_login_may_be_tried_again_and_forgets_who_was_there() {
    let opening = Opening::new(2, 10_000);
    let bank = RealBank::start(&opening);
    let mut wire = Wire::open(bank.address().get()).unwrap();
    for (account, pin) in [
        ("4242424242", PIN),
        ("../../etc/passwd", PIN),
        ("", PIN),
        ("cash", PIN),
        (&opening.accounts[0], "9999"),
        (&opening.accounts[0], ""),
        (&opening.accounts[0], "12345678901234567890"),
    ] {
        let answer = wire
            .ask("login", &json!({"account": account, "pin": pin}))
            .unwrap();
        assert_eq!(answer, Err("login_failed".to_owned()), "{account} {pin}");
        assert_eq!(
            wire.ask("balance", &json!({})).unwrap(),
            Err("not_logged_in".to_owned())
        );
    }
    wire.ask("login", &json!({"account": opening.accounts[0], "pin": PIN}))
        .unwrap()
        .unwrap();
    wire.ask("balance", &json!({})).unwrap().unwrap();
    wire.ask("login", &json!({"account": opening.accounts[1], "pin": "0000"}))
        .unwrap()
        .unwrap_err();
    assert_eq!(
        wire.ask("balance", &json!({})).unwrap(),
        Err("not_logged_in".to_owned())
    );
    wire.ask("login", &json!({"account": opening.accounts[1], "pin": PIN}))
        .unwrap()
        .unwrap();
    wire.ask("logout", &json!({})).unwrap().unwrap();
    assert_eq!(
        wire.ask("deposit", &json!({"amount": "1.00"})).unwrap(),
        Err("not_logged_in".to_owned())
    );
}

#[test]
fn who_does_not_log_in_is_closed() {
    let opening = Opening::new(1, 10_000);
    let bank = RealBank::with_flags(
        Some(&opening),
        &["--pin-cost", "least", "--handshake-timeout", "300ms"],
    );
    let mut wire = Wire::open(bank.address().get()).unwrap();
    let began = Instant::now();
    // A byte is no sign of a login.
    wire.send_raw(b" ").unwrap();
    let told = wire.read().unwrap();
    assert_eq!(told["code"], "handshake_timeout", "{told}");
    assert!(wire.read().is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
    Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
}

#[test]
fn connections_are_bounded_and_abrupt_ends_leave_nothing_behind() {
    let opening = Opening::new(1, 10_000);
    let flags = [
        "--pin-cost",
        "least",
        "--connections-max",
        "50",
        "--connections-per-address-max",
        "20",
    ];
    let bank = RealBank::with_flags(Some(&opening), &flags);
    let to = bank.address().get();
    let held: Vec<Wire> = (0..20).map(|_| Wire::open(to).unwrap()).collect();
    let refused = std::panic::catch_unwind(|| Wire::open(to));
    assert!(
        refused.is_err(),
        "the 21st connection from one address was greeted"
    );
    Wire::open_from(Ipv4Addr::new(127, 0, 0, 9), to).unwrap();
    drop(held);
    // Every one of them makes room for the next: 2,000 abrupt ends later there still is.
    let mut opened = 0;
    let began = Instant::now();
    while opened < 2_000 && began.elapsed() < Duration::from_secs(60) {
        // The bank may not have noticed yet that the one before is gone.
        opened += usize::from(std::panic::catch_unwind(|| Wire::open(to).unwrap().cut()).is_ok());
    }
    assert_eq!(opened, 2_000);
    Wire::login(to, &opening.accounts[0]).unwrap();
}
