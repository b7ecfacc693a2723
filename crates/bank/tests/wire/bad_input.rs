//! Nonsense over the wire, before the login and after it: each with its exact code, nothing lost, and the bank lives.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::{PIN, Wire};
use crate::support::toy::{Plant, Toy};

/// A bank and whether the connection is logged in: most nonsense is told the same before and after.
fn both(check: impl Fn(&mut Wire, bool)) {
    let opening = Opening::new(2, 10_000);
    both_at(&RealBank::start(&opening), &opening, check);
}

fn both_at(bank: &impl Subject, opening: &Opening, check: impl Fn(&mut Wire, bool)) {
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
    if let Err(otherwise) = told(wire, bytes, id, code) {
        panic!("{otherwise}");
    }
}

/// What was told otherwise.
fn told(wire: &mut Wire, bytes: &[u8], id: Option<u64>, code: &str) -> Result<(), String> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    let said = wire
        .send_raw(bytes)
        .and_then(|()| wire.read())
        .map_err(|error| format!("{start}: {error} instead of {code}"))?;
    let as_expected = match id {
        Some(id) => said["error"]["code"] == code && said["id"] == id,
        None => said["event"] == "error" && said["code"] == code,
    };
    if as_expected && said["lamport"].is_u64() {
        Ok(())
    } else {
        Err(format!("{start}: {said} instead of {code} for {id:?}"))
    }
}

/// One line of each kind of nonsense, with the id and the code that it is answered with on any connection.
const TABLE: [(&[u8], Option<u64>, &str); 16] = [
    (b"{\"id\":1,\"op\":\"\xff\xfe\"}\n", None, "invalid_utf8"),
    (b"hello\n", None, "invalid_json"),
    (b"[1,2]\n", None, "invalid_json"),
    (b"{\"id\":1,\"op\":\"balance\"\n", None, "invalid_json"),
    (
        b"{\"id\":1,\"id\":2,\"op\":\"balance\"}\n",
        None,
        "duplicate_field",
    ),
    (
        b"{\"id\":3,\"op\":\"balance\",\"op\":\"balance\"}\n",
        Some(3),
        "duplicate_field",
    ),
    (b"{\"id\":4,\"op\":5}\n", Some(4), "invalid_field"),
    (
        b"{\"id\":5,\"op\":\"login\",\"account\":1111111111,\"pin\":\"1234\"}\n",
        Some(5),
        "invalid_field",
    ),
    (
        b"{\"id\":6,\"op\":\"login\",\"account\":\"1\"}\n",
        Some(6),
        "missing_field",
    ),
    (b"{\"id\":7}\n", Some(7), "missing_field"),
    (b"{\"op\":\"balance\"}\n", None, "missing_field"),
    (b"{\"id\":-1,\"op\":\"balance\"}\n", None, "invalid_field"),
    (b"{\"id\":1.5,\"op\":\"balance\"}\n", None, "invalid_field"),
    (b"{\"id\":8,\"op\":\"fly\"}\n", Some(8), "unknown_operation"),
    (
        b"{\"lamport\":-1,\"id\":9,\"op\":\"balance\"}\n",
        Some(9),
        "invalid_stamp",
    ),
    (
        b"{\"lamport\":9007199254740991,\"id\":10,\"op\":\"balance\"}\n",
        Some(10),
        "clock_leap",
    ),
];

#[test]
fn every_kind_of_nonsense_has_its_code() {
    both(|wire, _| {
        for (bytes, id, code) in TABLE {
            check(wire, bytes, id, code);
        }
    });
}

/// The toy takes whatever is an object for a request and ends the connection at anything else.
#[test]
fn control_of_nonsense() {
    let opening = Opening::new(2, 10_000);
    let toy = Toy::start(&opening, Plant::Nothing);
    let found = std::cell::Cell::new(0);
    both_at(&toy, &opening, |_, _| {
        for (bytes, id, code) in TABLE {
            let mut wire = Wire::open(toy.address().get()).unwrap();
            found.set(found.get() + usize::from(told(&mut wire, bytes, id, code).is_err()));
        }
    });
    assert_eq!(found.get(), 2 * TABLE.len());
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
        let deep = 1_000.min(line_max / 2 - 100);
        let nested = [
            b"{\"id\":1,\"op\":\"balance\",\"x\":".as_slice(),
            &b"[".repeat(deep),
            &b"]".repeat(deep),
            b"}\n",
        ];
        check(wire, &nested.concat(), None, "too_deep");
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
