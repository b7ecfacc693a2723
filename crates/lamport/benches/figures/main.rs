//! What this crate costs: `cargo bench -p lamport --bench figures`. Prints one figure a line.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod program;
mod runs;

use std::hint::black_box;
use std::time::Instant;

use lamport::trace::facts::{NAME, ROOM, SEQ, fact};
use lamport::trace::{Event, Reader, Service, Tracer};
use lamport::{Clock, OrderedLock, ProcessId};

fn main() {
    let path = std::env::temp_dir().join(format!("lamport-figures-{}.trace.jsonl", std::process::id()));
    clock_and_lock();
    recording(&path);
    paced(&path);
    reading(&path);
    for run in [runs::chat, runs::bank, runs::multicast] {
        program::check(&run(1_000_000));
    }
    for members in [3, 20] {
        program::draw(&runs::mesh(members, 2000));
    }
    let _ = std::fs::remove_file(&path);
}

fn figure(name: &str, count: u64, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{name:52} {:8.1} ns {:10.2} M/s",
        seconds * 1e9 / count as f64,
        count as f64 / seconds / 1e6
    );
}

fn clock_and_lock() {
    const COUNT: u64 = 20_000_000;
    let clock = Clock::new();
    figure("clock: tick", COUNT, || {
        for _ in 0..COUNT {
            black_box(clock.tick().expect("far from the end"));
        }
    });
    let lock = OrderedLock::<[u64; 12], (u64, u64)>::new([0; 12]);
    figure("lock: take and release, nobody waits, 96 bytes", COUNT, || {
        for _ in 0..COUNT {
            black_box(&mut *lock.try_lock().expect("free"))[0] += 1;
        }
    });
}

fn record(tracer: &Tracer, clock: &Clock, count: u64) {
    for seq in 0..count {
        let facts = [fact(ROOM, "lobby"), fact(SEQ, seq), fact(NAME, "Bernardo")];
        tracer
            .stamped(|| clock.tick(), &Event::send("said", &facts))
            .expect("far from the end");
    }
}

fn recording(path: &std::path::Path) {
    const COUNT: u64 = 3_000_000;
    let off = Tracer::off();
    figure("trace: record when off (with the tick)", COUNT * 10, || {
        record(&off, &Clock::new(), COUNT * 10)
    });
    for threads in [4, 1] {
        let process = ProcessId::new("chat").expect("a name");
        let tracer =
            Tracer::to_file(path, process, Service::Chat).expect("a file in the temporary directory");
        let clock = Clock::new();
        figure(&format!("trace: record, {threads} thread(s)"), COUNT, || {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| record(&tracer, &clock, COUNT / threads));
                }
            });
        });
        let start = Instant::now();
        let summary = tracer.close().expect("written");
        println!("{:52} {summary:?}, close took {:?}", "", start.elapsed());
    }
}

/// What the disk keeps up with: a million events a second for two seconds, none dropped.
fn paced(path: &std::path::Path) {
    let tracer =
        Tracer::to_file(path, ProcessId::new("chat").expect("a name"), Service::Chat).expect("a file");
    let clock = Clock::new();
    let start = Instant::now();
    for millisecond in 0..2000 {
        while start.elapsed().as_millis() < millisecond {
            std::hint::spin_loop();
        }
        record(&tracer, &clock, 1000);
    }
    println!(
        "{:52} {:?} in {:?}",
        "trace: record, 1 M/s for two seconds",
        tracer.close().expect("written"),
        start.elapsed()
    );
}

fn reading(path: &std::path::Path) {
    let bytes = std::fs::metadata(path).expect("just written").len();
    let mut reader = Reader::open(path).expect("just written");
    let mut count = 0;
    let start = Instant::now();
    while let Some(record) = reader.read().expect("well formed") {
        black_box(record);
        count += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{:52} {:8.1} ns {:10.2} M/s, {} bytes a line",
        "trace: read",
        seconds * 1e9 / count as f64,
        count as f64 / seconds / 1e6,
        bytes / count
    );
}
