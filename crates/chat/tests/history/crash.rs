//! `kill -9` at random moments: no number is ever shown twice, and nothing older than the flush interval is missing.
//!
//! The test starts itself as a child that works on a data directory and prints what it has shown; the parent notes
//! when it read each line, kills the child, opens the directory and compares. The seed is printed; repeat with
//! `ANTES_SEED=… cargo test -p chat --test history`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use chat::history::{History, Settings};

use super::support;

const DIR: &str = "ANTES_CRASH_TEST_DIR";
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// What a busy machine may add: the disk's half of the interval is only a promise while the disk keeps it.
const GRACE: Duration = Duration::from_millis(400);
const ROUNDS: u64 = 12;

fn settings() -> Settings {
    Settings {
        flush_interval: FLUSH_INTERVAL,
        ..Settings::default()
    }
}

/// Not a test by itself: what the parent kills. It "shows" an event by printing its number after appending it.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (history, restored) = History::open(Path::new(&dir), &settings()).expect("opens");
        let mut next: BTreeMap<&str, u64> = ["lobby", "tea"].map(|room| (room, 1)).into();
        for room in &restored.rooms {
            *next.get_mut(&*room.name).expect("one of the two") = room.next_seq;
        }
        let mut clock = restored.clock;
        for turn in 0_u64.. {
            // The lobby is busy in bursts, the tea room is quiet.
            let (room, count) = if turn % 50 == 49 {
                ("tea", 1)
            } else {
                ("lobby", 1 + turn % 7 * (turn % 11))
            };
            let first = next[room];
            let last = first + count - 1;
            if history.seqs_through(room) < last {
                history.reserve_seqs(room, last).await;
            }
            clock += count;
            if history.clock_used(clock) < clock {
                history.reserve_clock(clock, clock).await;
            }
            history.append(room, first, last, support::lines(first..=last).as_bytes());
            next.insert(room, last + 1);
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "shown {room} {first} {last} {clock}")
                .and_then(|()| stdout.flush())
                .expect("the parent listens");
            drop(stdout);
            tokio::time::sleep(Duration::from_millis(turn % 3)).await;
        }
    });
}

/// What one child showed before it was killed.
struct Shown {
    room: String,
    first: u64,
    last: u64,
    clock: u64,
    read_at: Instant,
}

fn run_and_kill(dir: &Path, after: Duration) -> (Vec<Shown>, Instant) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "crash::child", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let stdout = child.stdout.take().expect("piped");
    let (sender, receiver) = mpsc::sync_channel(1 << 16);
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            // The last line may be cut short by the kill.
            if let ["shown", room, first, last, clock] = words[..]
                && let (Ok(first), Ok(last), Ok(clock)) = (first.parse(), last.parse(), clock.parse())
            {
                let shown = Shown {
                    room: room.into(),
                    first,
                    last,
                    clock,
                    read_at: Instant::now(),
                };
                sender.send(shown).expect("the parent listens");
            }
        }
    });
    // The moment counts from the first event, so that a slow start does not make the round empty.
    let mut shown = vec![
        receiver
            .recv_timeout(Duration::from_secs(30))
            .expect("the child shows something"),
    ];
    std::thread::sleep(after);
    let killed_at = Instant::now();
    child.kill().expect("SIGKILL");
    child.wait().expect("ends");
    shown.extend(receiver.iter());
    reading.join().expect("reads to the end");
    (shown, killed_at)
}

#[test]
fn numbers_never_repeat_and_only_the_last_moments_are_lost() {
    let seed = std::env::var("ANTES_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("ANTES_SEED={seed}");
    let mut random = seed;
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    let mut clock_newest = 0;
    for round in 0..ROUNDS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_millis((random >> 33) % 1500);
        let (shown, killed_at) = run_and_kill(dir.path(), after);

        // Every number, also of earlier rounds, is shown once.
        for Shown {
            room,
            first,
            last,
            clock,
            ..
        } in &shown
        {
            let before = newest.insert(room.clone(), *last).unwrap_or(0);
            assert!(
                *first > before,
                "round {round}: {room} {first} was shown before ({before})"
            );
            assert!(
                *clock > clock_newest,
                "round {round}: the time {clock} was sent before ({clock_newest})"
            );
            clock_newest = *clock;
        }
        let (history, restored) = History::open(dir.path(), &settings()).expect("opens after the kill");
        assert!(
            restored.clock >= clock_newest,
            "round {round}: the clock would repeat"
        );
        for room in &restored.rooms {
            let shown = newest.get(&*room.name).copied().unwrap_or(0);
            assert!(
                room.next_seq > shown,
                "round {round}: {} would repeat {shown}",
                room.name
            );
        }
        // What had been shown for longer than the interval is there, byte for byte.
        let mut old = 0;
        for Shown {
            room, first, last, ..
        } in shown
            .iter()
            .filter(|shown| shown.read_at + FLUSH_INTERVAL + GRACE < killed_at)
        {
            old += 1;
            let kept = runtime.block_on(async {
                let mut replay = history.replay(room, first - 1, *last);
                let mut kept = Vec::new();
                while let Some(piece) = replay.next().await.expect("readable") {
                    kept.extend_from_slice(&piece.lines);
                }
                kept
            });
            assert_eq!(
                String::from_utf8_lossy(&kept),
                support::lines(*first..=*last),
                "round {round}: {room} {first}..={last} is missing"
            );
        }
        println!(
            "round {round}: killed after {after:?}, {} shown, {old} of them old enough to be stored",
            shown.len()
        );
        drop(history);
        tear_log(dir.path(), &mut random);
    }
}

/// Every round begins with what a torn write can leave: a write-ahead log that ends in the middle of garbage.
fn tear_log(dir: &Path, random: &mut u64) {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let garbage = vec![0xA5; usize::try_from((*random >> 33) % 20_000).expect("small")];
    let mut log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("chat.db-wal"))
        .expect("writable");
    log.write_all(&garbage).expect("writable");
}

#[test]
fn a_log_torn_at_any_byte_leaves_a_sound_beginning() {
    let dir = tempfile::tempdir().expect("a directory");
    run_and_kill(dir.path(), Duration::from_millis(600));
    let (file, log) = (
        fs::read(dir.path().join("chat.db")),
        fs::read(dir.path().join("chat.db-wal")),
    );
    let (file, log) = (file.expect("there"), log.expect("the kill left it"));
    assert!(log.len() > 100_000, "enough to tear: {}", log.len());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut through_before = 0;
    for part in 0..=16 {
        let torn = tempfile::tempdir().expect("a directory");
        fs::write(torn.path().join("chat.db"), &file).expect("written");
        // Not only cut, but with the bytes that a cut page may hold instead.
        let mut bytes = log[..log.len() * part / 16].to_vec();
        bytes.resize(bytes.len() + 3000, 0x5A);
        fs::write(torn.path().join("chat.db-wal"), bytes).expect("written");
        let (history, restored) = History::open(torn.path(), &settings()).expect("opens whatever is torn");
        let Some(room) = restored.rooms.iter().find(|room| &*room.name == "lobby") else {
            continue;
        };
        let through = room.stored_through;
        assert!(
            through >= through_before && room.next_seq > through,
            "{room:?} after {through_before}"
        );
        through_before = through;
        let (missed, kept) = runtime.block_on(support::replay(&history, "lobby", 0, through));
        assert_eq!(
            (missed, kept),
            (0, (1..=through).collect()),
            "torn at {part}/16: a beginning without gaps"
        );
    }
    assert!(through_before > 0, "the whole log holds events");
}
