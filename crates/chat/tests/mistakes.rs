//! What `chat` and `chat-client` say to somebody who makes a mistake.

#[path = "../../../tests/common/mistakes.rs"]
mod mistakes;

use std::net::TcpListener;

use mistakes::{check_failure, check_lack, check_usage};

const CHAT: &str = env!("CARGO_BIN_EXE_chat");
const CLIENT: &str = env!("CARGO_BIN_EXE_chat-client");

#[test]
fn the_server_says_what_is_wrong_and_what_helps() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("file"), "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let in_use = format!("failed to listen on {taken}: Address already in use");
    for (words, what, hint) in [
        (
            format!("--memory --listen {taken}"),
            &*in_use,
            "is it running already? Otherwise choose another address with --listen, port 0 takes a free one",
        ),
        (
            format!("--memory --listen 127.0.0.1:0 --http {taken}"),
            &in_use,
            "is it running already? Otherwise choose another address with --http, port 0 takes a free one",
        ),
        (
            "--listen 127.0.0.1:0 --data file".to_owned(),
            "failed to use the data directory file: ",
            "give a directory this user may write to with --data, or --memory to store nothing",
        ),
        (
            "--memory --listen 127.0.0.1:0 --trace nowhere/trace".to_owned(),
            "failed to record a trace in nowhere/trace: ",
            "give a file this user may write to with --trace",
        ),
    ] {
        check_failure(CHAT, at, &words, what, hint);
    }
    for (words, what) in [
        (
            "--listen nonsense",
            "'nonsense' for '--listen <ADDR>': not HOST:PORT, such as 127.0.0.1:5000",
        ),
        (
            "--listen 127.0.0.1:65536",
            "'127.0.0.1:65536' for '--listen <ADDR>'",
        ),
        ("--http 8080", "'8080' for '--http <ADDR>': not HOST:PORT"),
        ("--grace soon", "not a time such as 500ms, 30s or 5m"),
        ("--connections-max 0", "with 0 nobody could connect"),
        ("--nonsense", "unexpected argument '--nonsense'"),
        ("nonsense", "unexpected argument 'nonsense'"),
    ] {
        check_usage(CHAT, at, words, what);
    }
    let hint = "use error, warn, info, debug, trace, or a filter such as info,chat=debug";
    check_lack(
        CHAT,
        at,
        "--log chat=loud",
        "\"chat=loud\" is no filter for the log",
        hint,
    );
}

#[test]
fn the_client_says_what_is_wrong_and_what_helps() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    check_lack(
        CLIENT,
        at,
        "",
        "nobody can be asked for a name here",
        "give one with --name NAME",
    );
    check_usage(
        CLIENT,
        at,
        "--name Ana nonsense",
        "'nonsense' for '[ADDR]': not HOST:PORT",
    );
    for words in ["--name Ana 127.0.0.1:1", "--name Ana --server 127.0.0.1:1"] {
        check_failure(
            CLIENT,
            at,
            words,
            "failed to connect to 127.0.0.1:1: ",
            "is a server running at 127.0.0.1:1? `cargo run -p chat` starts one",
        );
    }
}
