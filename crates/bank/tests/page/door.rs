//! The page's door to the bank: no wider than the other one, and what monitoring sees through it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use browser::{Browser, Service};
use serde_json::json;

use super::support::{antonio, bank, moves, try_login};

/// What the bank's page answers at `path`.
fn get(bank: &Service, path: &str) -> String {
    let host = bank.page().trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn example_accounts_are_not_shown_to_other_machines() {
    let data = tempfile::tempdir().unwrap();
    let mut refused = Command::new(env!("CARGO_BIN_EXE_bank"))
        .args(["--listen", "127.0.0.1:0", "--http", "0.0.0.0:0", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that serves all the same would not end by itself.
    let mut address = String::new();
    let mut stdout = BufReader::new(refused.stdout.take().unwrap());
    stdout.read_line(&mut address).unwrap();
    if !address.is_empty() {
        refused.kill().unwrap();
        panic!("it serves at {address}");
    }
    let refused = refused.wait_with_output().unwrap();
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("are only for this machine") && told.contains("hint:"),
        "{told}"
    );
}

#[test]
fn wrong_pins_count_at_whichever_door() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = browser.open(bank.page());
    for tried in 1..=5 {
        try_login(&page, "1111111111", &format!("999{tried}"));
        page.until(&format!(
            "document.querySelector('#clock').value === '{}'",
            4 * tried
        ));
    }
    page.sees("#login-trouble", "this is not its PIN");
    let mut wire = TcpStream::connect(bank.address()).unwrap();
    wire.write_all(b"{\"id\":1,\"op\":\"login\",\"account\":\"1111111111\",\"pin\":\"1234\"}\n")
        .unwrap();
    let reply = BufReader::new(wire).lines().nth(1).unwrap().unwrap();
    assert!(reply.contains("rate_limited"), "{reply}");
    // Somebody else's account is another matter.
    try_login(&page, "0000000000", "1234");
    page.sees("#holder", "Marcos");
}

#[test]
fn a_stranger_s_lines_are_as_short_as_elsewhere() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = browser.open(bank.page());
    let told = page.evaluate_with(
        "return new Promise((done) => {
            const socket = new WebSocket(`ws://${location.host}/ws`);
            socket.onopen = () => socket.send(JSON.stringify({ id: 1, op: 'balance', more: 'x'.repeat(arguments[0]) }));
            socket.onmessage = ({ data }) => data.includes('error') && done(data);
        });",
        vec![json!(4096)],
    );
    assert!(told.to_string().contains("line_too_long"), "{told}");
}

#[test]
fn monitoring_sees_what_was_done() {
    let Some(browser) = Browser::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let bank = bank(data.path());
    let page = antonio(&browser, &bank);
    moves(&page, "deposit", "1", None);
    page.sees("#balance", "11.00");
    assert!(get(&bank, "/healthz").ends_with("ok\n"));
    let metrics = get(&bank, "/metrics");
    for line in [
        "bank_operations_total{operation=\"login\"} 1",
        "bank_operations_total{operation=\"balance\"} 1",
        "bank_operations_total{operation=\"deposit\"} 1",
        "bank_commits_total 1",
        "connections_active 1",
        "bank_lamport_time 11",
        "bank_entries 11",
        "bank_accounts 10",
        "bank_pins_waiting 0",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line} in {metrics}");
    }
    assert!(metrics.contains("bank_journal_bytes_total "), "{metrics}");
}
