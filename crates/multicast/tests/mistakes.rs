//! What `multicast` and `multicast-client` say to somebody who makes a mistake.

#[path = "../../../tests/common/mistakes.rs"]
mod mistakes;

use std::net::TcpListener;
use std::path::Path;

use mistakes::{check_failure, check_lack, check_usage};

const MEMBER: &str = env!("CARGO_BIN_EXE_multicast");
const CLIENT: &str = env!("CARGO_BIN_EXE_multicast-client");

/// Writes the group file `group`, of members at these addresses.
fn group(at: &Path, addresses: [&str; 2]) {
    let [one, two] = addresses;
    std::fs::write(at.join("group"), format!(r#"{{"P1": "{one}", "P2": "{two}"}}"#)).unwrap();
}

#[test]
fn a_member_says_what_is_wrong_and_what_helps() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    for (name, text) in [
        ("file", ""),
        ("bad.json", "{"),
        ("short", "secret\n"),
        ("lines", "nonsense\n"),
    ] {
        std::fs::write(at.join(name), text).unwrap();
    }
    std::fs::write(at.join("twice.json"), r#"{"P1": "x:1", "P1": "x:2"}"#).unwrap();
    std::fs::write(at.join("port.json"), r#"{"P1": "5001"}"#).unwrap();
    let looks = r#"it looks like {"P1": "localhost:5001", "P2": "localhost:5002"}"#;
    let secret = "make one with: head -c 32 /dev/urandom | base64 > FILE";
    for (words, what, hint) in [
        (
            "--id P9",
            "P9 is not a member of the group",
            "--id names one of the members in the --group file",
        ),
        (
            "--id P1 --group none",
            "failed to read the group file none: ",
            "name one with --group FILE, or leave it out for P1 to P3",
        ),
        (
            "--id P1 --group bad.json",
            "the group file bad.json is not understood: ",
            looks,
        ),
        (
            "--id P1 --group port.json",
            "P1 has the address \"5001\", which is no HOST:PORT",
            looks,
        ),
        (
            "--id P1 --group twice.json",
            "P1 stands in the group file twice",
            "every member has one address",
        ),
        (
            "--id P1 --secret-file none",
            "failed to read the secret file none: ",
            secret,
        ),
        (
            "--id P1 --secret-file short",
            "the secret in short has fewer than 16 bytes",
            secret,
        ),
    ] {
        check_failure(MEMBER, at, &format!("--memory {words}"), what, hint);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let in_use = format!("failed to listen on {taken}: Address already in use");
    group(at, [&taken, "127.0.0.1:1"]);
    check_failure(
        MEMBER,
        at,
        "--id P1 --memory --group group",
        &in_use,
        "is this member running already? --group FILE gives other addresses, each HOST:PORT",
    );
    group(at, ["127.0.0.1:0", "127.0.0.1:1"]);
    std::fs::create_dir_all(at.join("folder/journal")).unwrap();
    for (words, what, hint) in [
        (
            format!("--memory --http {taken}"),
            &*in_use,
            "is it running already? Otherwise choose another address with --http, port 0 takes a free one",
        ),
        (
            "--data file".to_owned(),
            "failed to use the data directory file: ",
            "name one that this user may write to with --data, or keep nothing with --memory",
        ),
        (
            "--data folder --durable".to_owned(),
            "failed to use the journal folder/journal: ",
            "see to it that there is room on the disk and that this user may write there, then start the member again",
        ),
    ] {
        let words = format!("--id P1 --group group --log error {words}");
        check_failure(MEMBER, at, &words, what, hint);
    }
    group(at, ["0.0.0.0:0", "127.0.0.1:1"]);
    check_failure(
        MEMBER,
        at,
        "--id P1 --memory --group group",
        "can be reached from other machines, and the group has no secret",
        "start all members with the same --secret-file, or listen on localhost",
    );
    check_lack(
        MEMBER,
        at,
        "",
        "which member is this?",
        "say --id P1, --id P2 or --id P3",
    );
    for (words, what) in [
        (
            "--id P1 --order wild",
            "the orders are none, fifo, causal and total",
        ),
        (
            "--id P1 --memory --durable",
            "'--memory' cannot be used with '--durable'",
        ),
        ("--id P1 --http 8080", "'8080' for '--http <ADDR>': not HOST:PORT"),
        ("analyse", "required arguments were not provided"),
    ] {
        check_usage(MEMBER, at, words, what);
    }
    let traces = "give the traces that the services wrote";
    check_failure(MEMBER, at, "analyse none", "cannot open none: ", traces);
    check_failure(
        MEMBER,
        at,
        "analyse lines",
        "lines:1: no record of a trace: ",
        traces,
    );
}

#[test]
fn the_client_says_what_is_wrong_and_what_helps() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    check_usage(
        CLIENT,
        at,
        "P9 status",
        "'P9' for '[ADDR]': not HOST:PORT, a port, or one of P1, P2 and P3",
    );
    check_lack(
        CLIENT,
        at,
        "status",
        "no peer is named",
        "give its address before the command: HOST:PORT, a port, or one of P1, P2 and P3",
    );
    for words in ["127.0.0.1:1 status", "status --server 127.0.0.1:1"] {
        check_failure(
            CLIENT,
            at,
            words,
            "failed to connect to 127.0.0.1:1: ",
            "is the peer running? start one with `multicast --id P1`, and give its address as HOST:PORT",
        );
    }
}
