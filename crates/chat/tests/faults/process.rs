//! The real program: its start, its end, and what it leaves behind on the disk.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use proto::net::Stream;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use super::program::{PATIENCE, Program, chat};
use super::stage::{Reachable, Wire, connect, patiently};

/// A start that must fail: with exit code 1, nothing on stdout, and a hint that says `hint`.
fn check_refused_start(command: &mut Command, hint: &str) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the server started");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let talk = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{talk}");
    assert!(stdout.is_empty());
    assert!(
        talk.contains("error:") && talk.contains("hint:") && talk.contains(hint),
        "{talk}"
    );
}

#[tokio::test]
async fn a_data_directory_has_one_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let first = Program::start(chat(&["--data", data]));
    check_refused_start(&mut chat(&["--data", data]), "--data");
    first.check_alive().await;
    first.signal(Signal::TERM);
    assert_eq!(first.ended().0, Some(0));
    Program::start(chat(&["--data", data])).check_alive().await;
}

#[test]
fn a_data_directory_that_cannot_be() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("data");
    check_refused_start(&mut chat(&["--data", below.to_str().unwrap()]), "--memory");
    check_refused_start(&mut chat(&["--data", "/proc/no/such/place"]), "--data");
}

#[test]
fn an_address_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    check_refused_start(command.args(["--memory", "--listen", &address]), "--listen");
    check_refused_start(
        command.args(["--log", "info"]).env("CHAT_DATA", "unused"),
        "--listen",
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    check_refused_start(
        command.args(["--memory", "--listen", "127.0.0.1:0", "--http", &address]),
        "--http",
    );
}

#[test]
fn flags_are_environment_variables_too() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    let program = Program::start({
        command.env("CHAT_LISTEN", "127.0.0.1:0").arg("--memory");
        command
    });
    assert_ne!(program.address.port(), 50000);
}

/// A disk without room (files of this process may have 256 KiB): the chat goes on, the history says so, and the log
/// has a hint.
#[tokio::test]
async fn a_full_disk_does_not_stop_the_chat() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 256; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_chat"),
        ])
        .args([
            "--listen",
            "127.0.0.1:0",
            "--flood-rate",
            "0",
            "--flush-interval",
            "10ms",
            "--data",
        ])
        .arg(dir.path());
    let program = Program::start(command);
    let (mut ana, mut bia) = (program.join("Ana").await, program.join("Bia").await);
    ana.event("entered").await;
    let text = "x".repeat(4000);
    let begun = Instant::now();
    let mut seq = 2;
    loop {
        seq += 1;
        assert_eq!(ana.ok(json!({"op": "say", "text": text})).await["seq"], seq);
        assert_eq!(bia.event("said").await["seq"], seq);
        if let Err(code) = ana.ask(json!({"op": "history"})).await {
            assert_eq!(code, "history_unavailable");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the disk never became full");
    }
    assert_eq!(
        ana.ask(json!({"op": "register", "password": "sesame street"}))
            .await,
        Err("history_unavailable".into())
    );
    program.check_alive().await;
    program.signal(Signal::TERM);
    let (_, talk) = program.ended();
    assert!(talk.contains("hint:"), "{talk}");
}

/// Ten members talk as fast as they can, one member does not read for a while, and the server is told to end: every
/// acknowledged text still reaches everybody, and the program ends in order within the grace period.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_drains() {
    // Together more than the system holds for the one that does not read, and less than its outbox takes.
    const TALKERS: usize = 10;
    const TEXTS: usize = 700;
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(chat(&[
        "--flood-rate",
        "0",
        "--data",
        dir.path().to_str().unwrap(),
    ]));
    let stream = connect(program.address).await;
    // The system must not take over what is meant to wait in the server.
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 64 * 1024).unwrap();
    let mut idle = Wire::greeted(Stream::Tcp(stream)).await;
    idle.join("idle").await;
    let mut listener = program.join("listener").await;
    let mut members = Vec::new();
    for n in 0..TALKERS {
        members.push(program.join(&format!("member {n}")).await);
        listener.event("entered").await;
    }
    let text = "x".repeat(1000);
    let texts: String = (0..TEXTS)
        .map(|id| format!("{{\"id\":{id},\"op\":\"say\",\"text\":\"{text}\"}}\n"))
        .collect();
    let mut talking = JoinSet::new();
    for wire in members {
        talking.spawn(wire.exchange(texts.clone().into_bytes()));
    }
    for _ in 0..TALKERS * TEXTS * 3 / 4 {
        listener.event("said").await;
    }
    let begun = Instant::now();
    program.signal(Signal::TERM);
    let heard = tokio::spawn(async move {
        // It reads again only when the server is ending.
        while listener
            .next()
            .await
            .is_some_and(|line| line["code"] != "shutting_down")
        {}
        idle.rest().await
    });
    let (code, talk) = tokio::task::spawn_blocking(|| program.ended()).await.unwrap();
    assert_eq!(code, Some(0), "{talk}");
    assert!(!talk.contains("cut off"), "{talk}");
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "it took {:?}",
        begun.elapsed()
    );

    let heard = String::from_utf8(heard.await.unwrap()).unwrap();
    let heard: BTreeSet<u64> = heard.lines().filter_map(|line| number(line, "said")).collect();
    let mut acknowledged = 0;
    for lines in patiently(talking.join_all()).await {
        let lines = String::from_utf8_lossy(&lines).into_owned();
        for line in lines.lines() {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            if let Some(seq) = line["ok"]["seq"].as_u64() {
                acknowledged += 1;
                assert!(heard.contains(&seq), "{seq} was acknowledged and not heard");
            }
        }
    }
    assert!(acknowledged > 0);
}

/// The number of a room's event, if the line is one of this kind.
fn number(line: &str, event: &str) -> Option<u64> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["event"] == event).then(|| line["seq"].as_u64().unwrap())
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let program = Program::start(chat(&[
        "--memory",
        "--flood-rate",
        "0",
        "--grace",
        "60s",
        "--slow-timeout",
        "0",
    ]));
    // A member that reads nothing, and has more to read than the system holds for it, keeps the server waiting.
    let _stuck = program.join("stuck").await;
    let mut ana = program.join("Ana").await;
    let text = "x".repeat(8000);
    for _ in 0..2000 {
        ana.ok(json!({"op": "say", "text": text})).await;
    }
    program.signal(Signal::INT);
    assert_eq!(ana.error_event().await, "shutting_down");
    program.signal(Signal::INT);
    let begun = Instant::now();
    let (code, talk) = program.ended();
    assert_eq!(code, Some(130), "{talk}");
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "it waited for the grace period"
    );
}

/// What was acknowledged and shown has a number that never comes again, and what is older than the flush interval is
/// still there.
#[tokio::test]
async fn after_kill_9_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        "--flood-rate",
        "0",
        "--flush-interval",
        "50ms",
        "--data",
        dir.path().to_str().unwrap(),
    ];
    let mut last = 0;
    for round in 0..3 {
        let program = Program::start(chat(&flags));
        let mut ana = program.join("Ana").await;
        for n in 0..500 {
            let seq = ana.ok(json!({"op": "say", "text": format!("{round} {n}")})).await["seq"]
                .as_u64()
                .unwrap();
            assert!(seq > last, "{seq} comes again, {last} was shown");
            last = seq;
        }
        program.signal(Signal::KILL);
        drop(program.ended());
    }
    let program = Program::start(chat(&flags));
    let mut ana = program.join("Ana").await;
    let page = ana.ok(json!({"op": "history", "after": 0, "limit": 500})).await;
    let numbers: Vec<u64> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert!(
        !numbers.is_empty() && numbers.is_sorted_by(|a, b| a < b),
        "{numbers:?}"
    );
    program.check_alive().await;
}
