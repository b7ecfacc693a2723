//! What journal engines reach here, entries of 104 bytes, one writer: `cargo bench -p bank --bench engines`.
//!
//! Prints entries/s and the latency of one commit for batches of 1, 16, 256 and 4096, beside the time that the disk
//! takes for one fdatasync of 4 KiB. The store's documentation quotes such a run.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bank::{Batch, FileStore, Store as _, StoreSettings};

const ENTRY: [u8; 104] = [7; 104];
const BATCHES: [usize; 4] = [1, 16, 256, 4096];
const EACH: Duration = Duration::from_secs(1);

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the measurement");
    fdatasync(place.path());
    sqlite(place.path(), "SQLite, a row per entry", |_| 1);
    sqlite(place.path(), "SQLite, a row per batch", |batch| batch);
    file(place.path(), "growing file", 0);
    file(place.path(), "file zeroed before", 3 << 30);
    own(&place.path().join("bank"));
}

/// Runs `commit` for a while with every size of batch.
fn measure(name: &str, mut commit: impl FnMut(usize)) {
    for batch in BATCHES {
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < EACH {
            let begun = Instant::now();
            commit(batch);
            times.push(begun.elapsed());
        }
        let rate = (times.len() * batch) as f64 / start.elapsed().as_secs_f64();
        times.sort_unstable();
        let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!("{name:26} batch {batch:5}: {rate:11.0} entries/s, commit p50 {p50:9.1?} p99 {p99:9.1?}");
    }
}

fn fdatasync(place: &Path) {
    let mut file = File::create(place.join("fdatasync")).expect("a file");
    file.write_all(&vec![0; 1 << 20]).expect("room");
    file.sync_all().expect("a disk that syncs");
    let mut times: Vec<Duration> = (0..3000u64)
        .map(|n| {
            let begun = Instant::now();
            file.write_all_at(&[n as u8; 4096], n % 256 * 4096).expect("room");
            file.sync_data().expect("a disk that syncs");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "fdatasync of 4 KiB: p50 {:.1?} p99 {:.1?}",
        times[1500], times[2970]
    );
}

fn sqlite(place: &Path, name: &str, entries_per_row: impl Fn(usize) -> usize) {
    let database = rusqlite::Connection::open(place.join(name)).expect("a database");
    database
        .execute_batch(
            "pragma journal_mode=wal; pragma synchronous=full; create table entry(number integer primary key, bytes blob)",
        )
        .expect("SQLite takes its own words");
    let mut number = 0i64;
    measure(name, |batch| {
        database
            .execute_batch("begin immediate")
            .expect("nobody else writes");
        let row = ENTRY.repeat(entries_per_row(batch));
        let mut insert = database
            .prepare_cached("insert into entry values(?,?)")
            .expect("the table is there");
        for _ in 0..batch / entries_per_row(batch) {
            number += 1;
            insert.execute((number, &row)).expect("room");
        }
        database.execute_batch("commit").expect("room");
    });
}

fn file(place: &Path, name: &str, zeros: u64) {
    let mut file = File::create(place.join(name)).expect("a file");
    for _ in 0..zeros >> 20 {
        file.write_all(&[0; 1 << 20]).expect("room");
    }
    file.sync_all().expect("a disk that syncs");
    let (mut offset, mut bytes) = (0, Vec::new());
    measure(name, |batch| {
        bytes.clear();
        bytes.resize((batch * ENTRY.len()).next_multiple_of(512), 7);
        file.write_all_at(&bytes, offset).expect("room");
        file.sync_data().expect("a disk that syncs");
        // Past the zeros the file would be a growing one: begin again.
        offset = if zeros > 0 && offset + (2 << 20) > zeros {
            0
        } else {
            offset + bytes.len() as u64
        };
    });
}

fn own(place: &Path) {
    let (mut store, _) = FileStore::open(
        place,
        StoreSettings {
            snapshot_entries: u64::MAX,
            ..StoreSettings::default()
        },
    )
    .expect("an empty store");
    let mut first_number = 1;
    measure("this bank's store", |batch| {
        let bytes = ENTRY.repeat(batch);
        store
            .append(&Batch {
                first_number,
                count: batch as u32,
                bytes: &bytes,
                entry_chain: 0,
            })
            .expect("room");
        first_number += batch as u64;
    });
}
