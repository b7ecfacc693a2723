//! The program as people and scripts run it.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use lamport::ProcessId;
use lamport::trace::{Event, Service, Tracer};

/// P1 sends, P2 and P3 receive; one file per process.
fn traces(dir: &Path, p3_receives_at: u64) -> Vec<PathBuf> {
    let line = |process: &str, time: u64, kind: &str| {
        format!(
            "{{\"process\":\"{process}\",\"lamport\":{time},\"kind\":\"{kind}\",\"message\":\"P1@7\",\"label\":\"hello\",\"at_us\":{},\"service\":\"other\"}}\n{{\"closed\":true,\"written\":1,\"dropped\":0}}\n",
            1_795_226_542_000_000 + time * 100
        )
    };
    let files = [
        ("p1", line("P1", 7, "send")),
        ("p2", line("P2", 8, "receive")),
        ("p3", line("P3", p3_receives_at, "receive")),
    ];
    files
        .into_iter()
        .map(|(name, text)| {
            let path = dir.join(format!("{name}.trace.jsonl"));
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect()
}

#[track_caller]
fn check(arguments: &[&str], files: &[PathBuf], code: i32) -> (String, String) {
    let mut command = Command::cargo_bin("lamport").unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = command.args(arguments).args(files).output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_eq!(status.code(), Some(code), "{stdout}{stderr}");
    (stdout, stderr)
}

#[test]
fn an_honest_run_passes_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let (stdout, stderr) = check(&["check"], &traces(dir.path(), 9), 0);
    assert!(
        stdout
            .starts_with("ok: 3 events of 3 processes break no rule\n      3 a process's Lamport times grow"),
        "{stdout}"
    );
    assert_eq!(stderr, "");
    let (json, _) = check(&["check", "--json"], &traces(dir.path(), 9), 0);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["tested"]["clock/receive-after-send"],
        2
    );
}

#[test]
fn a_broken_run_fails_with_1_and_shows_the_lines() {
    let dir = tempfile::tempdir().unwrap();
    let files = traces(dir.path(), 7);
    let (stdout, _) = check(&["check"], &files, 1);
    assert!(
        stdout.starts_with("broken: clock/receive-after-send\n  P1 number 7 is received at 7")
            || stdout
                .starts_with("broken: clock/receive-after-send\n  P1@7 is received at 7, and was sent at 7"),
        "{stdout}"
    );
    for shows in [
        "p1.trace.jsonl:1: its send, at 7",
        "p3.trace.jsonl:1: its receive, at 7",
        "\"process\":\"P3\",\"lamport\":7",
    ] {
        assert!(stdout.contains(shows), "{shows:?} is missing from {stdout}");
    }
    let (json, _) = check(&["check", "--json"], &files, 1);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["rule"],
        "clock/receive-after-send"
    );
    check(&["check", "--without", "clock/receive-after-send"], &files, 0);
}

#[test]
fn what_cannot_be_read_fails_with_2_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let (_, stderr) = check(&["check"], &[dir.path().join("none.jsonl")], 2);
    assert!(
        stderr.starts_with("error: cannot open ") && stderr.contains("hint: "),
        "{stderr}"
    );
    let (_, stderr) = check(&["stats"], &[dir.path().to_owned()], 2);
    assert!(stderr.contains("is a directory\nhint: "), "{stderr}");
    let (_, stderr) = check(
        &["diagram", "--text", "--process", "P9"],
        &traces(dir.path(), 9),
        0,
    );
    assert!(stderr.contains("no event is shown; hint: "), "{stderr}");
    let bad = dir.path().join("bad.jsonl");
    std::fs::write(&bad, "hello\n").unwrap();
    let (_, stderr) = check(&["diagram"], &[bad], 2);
    assert!(
        stderr.contains("bad.jsonl:1: no record of a trace: expected") && stderr.contains("hint: "),
        "{stderr}"
    );
}

#[test]
fn every_view_shows_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let files = traces(dir.path(), 9);
    let svg = dir.path().join("run.svg");
    check(&["diagram", "-o", svg.to_str().unwrap()], &files, 0);
    assert_eq!(
        std::fs::read_to_string(&svg)
            .unwrap()
            .matches("marker-end")
            .count(),
        2
    );
    assert!(check(&["diagram", "--text"], &files, 0).0.contains("├──────"));
    assert!(check(&["table"], &files, 0).0.contains("Send \"hello\" (P1)"));
    assert!(check(&["table", "--by-message"], &files, 0).0.contains("7 sent"));
    let (log, talk) = check(&["export", "shiviz"], &files, 0);
    assert!(
        log.contains("\nP3 {\"P1\":1, \"P3\":1}\n") && talk.contains("(?<event>"),
        "{log}{talk}"
    );
    assert!(check(&["stats"], &files, 0).0.contains("2 messages took p50"));
    let rules = check(&["rules"], &[], 0).0;
    assert_eq!(rules.lines().count(), lamport::check::Rule::ALL.len());
}

/// A rush of events is recorded in short lines; whoever wants to read them gets them in full.
#[test]
fn short_lines_are_checked_shown_and_exported_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p1.trace.jsonl");
    let tracer = Tracer::to_file(&path, ProcessId::new("P1").unwrap(), Service::Other).unwrap();
    let mut batch = tracer.batched();
    for time in (1..=50).chain([50]) {
        batch.record(time, &Event::send("hello", &[]));
    }
    batch.end_batch();
    tracer.close().unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("\n[0,1,0,1]\n"));

    let files = [path.clone()];
    let (stdout, _) = check(&["check"], &files, 1);
    assert!(
        stdout.contains(r#""lamport":50,"kind":"send","message":"P1@50","label":"hello""#),
        "{stdout}"
    );
    let (lines, _) = check(&["export", "lines"], &files, 0);
    assert_eq!(lines.lines().count(), 52);
    let full =
        |line: &str| line.starts_with(r#"{"process":"P1","lamport":"#) || line.starts_with(r#"{"closed":"#);
    assert!(lines.lines().all(full), "{lines}");

    std::fs::write(&path, &lines).unwrap();
    let (again, _) = check(&["export", "lines"], &files, 0);
    assert_eq!(again, lines);
}

/// What one trace lacks, the export of several must not claim to hold.
#[test]
fn an_export_ends_in_good_order_only_if_every_trace_does() {
    let dir = tempfile::tempdir().unwrap();
    let files = traces(dir.path(), 9);
    let export = dir.path().join("all.jsonl");
    let closings = |expected: &[&str]| {
        let (lines, _) = check(&["export", "lines"], &files, 0);
        let closings: Vec<&str> = lines.lines().filter(|line| line.contains("closed")).collect();
        assert_eq!(closings, expected);
        std::fs::write(&export, &lines).unwrap();
        check(&["check"], std::slice::from_ref(&export), 0).0
    };
    let all = r#"{"closed":true,"written":3,"dropped":0}"#;
    let verdict = closings(&[all]);
    assert!(!verdict.contains("unproved"), "{verdict}");

    // P1 was killed before its send reached the disk; P2 and P3 have received it.
    std::fs::write(
        &files[0],
        r#"{"process":"P1","lamport":1,"kind":"local","service":"other"}"#,
    )
    .unwrap();
    check(&["check"], &files, 0);
    let verdict = closings(&[]);
    assert!(
        verdict.contains("1 traces that do not end with `closed`"),
        "{verdict}"
    );
}
