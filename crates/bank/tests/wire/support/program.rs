//! The program `bank-client`, run as people and scripts run it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use super::bank::{RealBank, Subject as _};

/// Runs `bank-client` against a bank, with lines on stdin.
pub(crate) fn client(bank: &RealBank, words: &[&str], stdin: &str) -> Output {
    client_at(&bank.address().get().to_string(), words, stdin)
}

pub(crate) fn client_at(address: &str, words: &[&str], stdin: &str) -> Output {
    let mut child = spawn(address, words);
    // A client that ends early does not read everything.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn spawn(address: &str, words: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_bank-client"))
        .args(["--server", address])
        .args(words)
        .env("TZ", "UTC")
        .env_remove("BANK_PIN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a bank does with a request after the login.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    SaysNothing,
    HangsUp,
}

/// The address of a bank that logs in everybody, and then answers no request.
pub(crate) fn mute_bank(then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut writer = stream.try_clone().unwrap();
                let _ = writer.write_all(b"{\"service\":\"bank\",\"protocol\":1,\"connection\":\"c\"}\n");
                for line in BufReader::new(stream).lines() {
                    if line.unwrap_or_default().contains("\"login\"") {
                        let _ = writer.write_all(b"{\"lamport\":3,\"id\":1,\"ok\":{\"account\":\"1\"}}\n");
                    } else if then == Then::HangsUp {
                        let _ = writer.shutdown(Shutdown::Both);
                    }
                }
            });
        }
    });
    address
}
