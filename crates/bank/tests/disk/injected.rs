//! The real program on a disk that fails under it: nothing more is acknowledged, it says so and ends with an error, and
//! a start afterwards has everything that was.
//!
//! The failures are injected with strace, as the system's answers to the program's calls. Without strace (or without
//! the right to trace) the tests say that they were skipped; the store's own tests cover every single write and sync.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::wire::{ask, log_in};

const BANK: &str = env!("CARGO_BIN_EXE_bank");

/// Starts a server, under strace if there is something to inject, and returns it with its address.
fn start(data: &Path, inject: Option<&str>) -> (Child, String) {
    let mut command = match inject {
        Some(inject) => {
            let mut strace = Command::new("strace");
            let quiet = [
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &format!("inject={inject}"),
                BANK,
            ];
            strace.args(quiet);
            strace
        }
        None => Command::new(BANK),
    };
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--pin-cost",
        "least",
        "--log",
        "error",
        "--segment-bytes",
        "1",
    ]);
    command
        .arg("--data")
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    (server, address.trim().to_owned())
}

fn can_trace() -> bool {
    let traced = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status();
    let can = traced.is_ok_and(|status| status.success());
    if !can {
        eprintln!("skipped: strace cannot trace here");
    }
    can
}

fn check(inject: &str) {
    if !can_trace() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (mut server, address) = start(place.path(), Some(inject));
    let mut wire = log_in(&address);
    let mut acknowledged = Vec::new();
    let refused = loop {
        let key = format!("key {}", acknowledged.len());
        match ask(
            &mut wire,
            &json!({"id": 1, "op": "deposit", "amount": "0.01", "key": key}),
        ) {
            Some(reply) if reply["ok"].is_object() => acknowledged.push((key, reply["ok"].clone())),
            refused => break refused,
        }
        assert!(acknowledged.len() < 10_000, "the fault never came");
    };
    if let Some(refused) = refused {
        assert_eq!(refused["error"]["code"], "unavailable");
    }
    let after = ask(&mut wire, &json!({"id": 2, "op": "balance"}));
    assert!(
        after.is_none_or(|reply| reply["ok"].is_null()),
        "nothing is acknowledged after a failure"
    );

    let begun = Instant::now();
    let status = loop {
        if let Some(status) = server.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(!status.success(), "{status}");
    let mut said = String::new();
    server.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("error:") && said.contains("hint:"), "{said}");

    let (mut server, address) = start(place.path(), None);
    let mut wire = log_in(&address);
    assert!(!acknowledged.is_empty());
    for (key, told) in acknowledged {
        let again = json!({"id": 1, "op": "deposit", "amount": "0.01", "key": key});
        assert_eq!(
            ask(&mut wire, &again).unwrap()["ok"],
            told,
            "{key} was acknowledged"
        );
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(bank::audit(place.path()).unwrap().sum, 0);
}

#[test]
fn a_failed_sync_ends_the_server_and_loses_nothing() {
    check("fdatasync:error=EIO:when=12+");
}

#[test]
fn a_sync_that_fails_only_once_is_not_believed_afterwards() {
    check("fdatasync:error=EIO:when=12");
}

#[test]
fn a_full_disk_ends_the_server_and_loses_nothing() {
    check("pwrite64:error=ENOSPC:when=30+");
}
