//! What the tests of the history share.

use std::{ops::RangeInclusive, path::Path, time::Duration};

use bytes::Bytes;
use chat::history::{History, Registration, Restored, Settings};

/// More bytes than any page has.
pub(crate) const ALL: usize = 1 << 20;

/// The history in `dir`, with nearly everything as usual.
pub(crate) fn open(dir: &Path) -> (History, Restored) {
    History::open(dir, &quick()).expect("the directory is ours")
}

/// Events are stored soon: tests wait for it.
pub(crate) fn quick() -> Settings {
    Settings {
        flush_interval: Duration::from_millis(20),
        ..Settings::default()
    }
}

/// Somebody who protects a name.
pub(crate) fn registration(name: &str) -> Registration {
    Registration {
        key: name.to_lowercase().into(),
        shown: name.into(),
        password: "$argon2id$…".into(),
    }
}

/// Waits until everything appended so far is in the file: a reservation is committed after the events before it only
/// by a clean end, so this asks the file itself.
pub(crate) async fn stored(dir: &Path, room: &str, through: u64) {
    let file = rusqlite::Connection::open(dir.join("chat.db")).expect("the file is there");
    eventually(|| {
        file.query_row("SELECT last FROM room WHERE name = ?1", [room], |row| {
            row.get::<_, u64>(0)
        })
        .ok()
            == Some(through)
    })
    .await;
}

/// Lines as the hub would broadcast them.
pub(crate) fn lines(seqs: RangeInclusive<u64>) -> String {
    seqs.map(|seq| {
        format!(r#"{{"lamport":{seq:09},"event":"said","room":"lobby","seq":{seq:09},"from":"Bernardo","text":"Olá pessoal, me chamo Bernardo","at":1763690000000}}"#) + "\n"
    })
    .collect()
}

/// Appends events as the server does: numbers first, then events.
pub(crate) async fn append(history: &History, room: &str, seqs: RangeInclusive<u64>) {
    let (first, last) = (*seqs.start(), *seqs.end());
    if history.seqs_through(room) < last {
        history.reserve_seqs(room, last).await;
    }
    history.append(room, first, last, lines(seqs).as_bytes());
}

/// The numbers inside the lines.
pub(crate) fn seqs<'a>(events: impl IntoIterator<Item = &'a Bytes>) -> Vec<u64> {
    events.into_iter().map(|line| seq_of(line)).collect()
}

/// A whole replay: how many are missed and the numbers inside the lines.
pub(crate) async fn replay(history: &History, room: &str, after: u64, through: u64) -> (u64, Vec<u64>) {
    let (mut missed, mut found) = (0, Vec::new());
    let mut replay = history.replay(room, after, through);
    while let Some(piece) = replay.next().await.expect("readable") {
        missed += piece.missed;
        found.extend(
            piece
                .lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(seq_of),
        );
    }
    (missed, found)
}

fn seq_of(line: &[u8]) -> u64 {
    let text = std::str::from_utf8(line).expect("UTF-8");
    let digits = text
        .split("\"seq\":")
        .nth(1)
        .and_then(|rest| rest.get(..9))
        .expect("a line of ours");
    digits.parse().expect("a number")
}

/// Waits until a condition holds, at most 20 seconds.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..4000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come true in 20 seconds");
}

/// Bytes of memory this process holds (Linux; 0 elsewhere).
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or_default()
        << 10
}
