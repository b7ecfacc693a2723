//! How fast the history store takes events, and what that costs.
//!
//! `cargo run --release -p chat --example history_load [-- SECONDS EVENTS_PER_SECOND DIR]` appends 150-byte events to
//! four rooms in chunks of 64 as the hub would, at the given rate (0: flat out), and prints what was appended, what
//! the disk had not taken at the end, and the CPU time of the appending thread and of the writer.

#![expect(clippy::print_stdout, reason = "a program whose output is its figures")]

use std::{
    fs,
    time::{Duration, Instant},
};

use chat::history::{History, Settings};

const CHUNK: u64 = 64;
const ROOMS: [&str; 4] = ["lobby", "rust", "lamport", "tea"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let rate: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let dir = arguments
        .next()
        .map_or_else(|| scratch.path().to_path_buf(), Into::into);

    let (history, restored) = History::open(&dir, &Settings::default())?;
    let mut next: Vec<u64> = ROOMS
        .iter()
        .map(|name| {
            restored
                .rooms
                .iter()
                .find(|room| &*room.name == *name)
                .map_or(1, |room| room.next_seq)
        })
        .collect();
    let mut line = format!(
        r#"{{"lamport":1234567,"event":"said","room":"lobby","seq":1234567,"from":"Bernardo","at":1763690000000,"text":"{}"}}"#,
        "x".repeat(39)
    );
    line.push('\n');
    assert_eq!(line.len(), 150, "the events are 150 bytes");
    let chunk = line.repeat(usize::try_from(CHUNK)?);

    let before = cpu();
    let start = Instant::now();
    let (mut appended, mut paused, mut slowest) = (0_u64, Duration::ZERO, Duration::ZERO);
    while start.elapsed() < Duration::from_secs(seconds) {
        for (room, next) in ROOMS.iter().zip(&mut next) {
            if history.seqs_through(room) < *next + CHUNK {
                history.reserve_seqs(room, *next + CHUNK).await;
            }
            let appending = Instant::now();
            history.append(room, *next, *next + CHUNK - 1, chunk.as_bytes());
            slowest = slowest.max(appending.elapsed());
            *next += CHUNK;
            appended += CHUNK;
        }
        if history.is_behind() {
            let waiting = Instant::now();
            history.ready().await;
            paused += waiting.elapsed();
        }
        if rate > 0 {
            let due = start + Duration::from_secs_f64(appended as f64 / rate as f64);
            tokio::time::sleep_until(due.into()).await;
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    let after = cpu();
    let closing = Instant::now();
    history.close(0).await?;
    println!(
        "appended {:.2} M events/s, {:.0} MB/s, for {elapsed:.1} s",
        appended as f64 / elapsed / 1e6,
        appended as f64 * 150.0 / elapsed / 1e6
    );
    println!(
        "held back {:.1} % of the time; slowest append {slowest:?}; the end took {:?}",
        paused.as_secs_f64() / elapsed * 100.0,
        closing.elapsed()
    );
    println!(
        "cores busy: appending {:.2}, writer {:.2}",
        (after.0 - before.0) / elapsed,
        (after.1 - before.1) / elapsed
    );
    println!(
        "file {:.0} MB",
        fs::metadata(dir.join("chat.db"))?.len() as f64 / 1e6
    );
    Ok(())
}

/// CPU seconds of this thread and of the writer so far (Linux).
fn cpu() -> (f64, f64) {
    let mut seconds = (0.0, 0.0);
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let spent = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let spent = spent
            .split(' ')
            .next()
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or_default()
            / 1e9;
        if name.trim() == "history" {
            seconds.1 += spent
        } else {
            seconds.0 += spent
        }
    }
    seconds
}
