//! What this crate costs: `cargo bench -p lamport --bench figures`. Prints one figure a line.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::hint::black_box;
use std::time::Instant;

use lamport::check::{Check, Merge, Options};
use lamport::trace::facts::{
    ACCOUNT, ACT, AMOUNT, BALANCE, BROADCAST, CASH, DELIVER, DELIVERED, ENTRY, Fact, JOINED, NAME, ORDER,
    ORIGIN, OWN, ROOM, SEQ, SEQUENCE, fact,
};
use lamport::trace::{Event, Kind, Reader, Record, Service, Summary, TraceEvent, Tracer};
use lamport::{Clock, OrderedLock, ProcessId};

fn main() {
    let path = std::env::temp_dir().join(format!("lamport-figures-{}.trace.jsonl", std::process::id()));
    clock_and_lock();
    recording(&path);
    paced(&path);
    reading(&path);
    checking(Service::Chat, chat);
    checking(Service::Bank, bank);
    checking(Service::Multicast, multicast);
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

/// Honest runs of about a million events, one trace per process.
struct Run {
    service: Service,
    processes: Vec<(String, u64, Vec<u8>)>,
    events: u64,
}

impl Run {
    fn new(service: Service, processes: &[&str]) -> Self {
        let processes = processes
            .iter()
            .map(|name| ((*name).to_owned(), 0, Vec::new()))
            .collect();
        Self {
            service,
            processes,
            events: 0,
        }
    }

    /// Lets a process send (no time given) or receive what was sent at that time; returns its own time.
    fn event(
        &mut self,
        process: usize,
        message: Option<(&str, u64)>,
        label: &str,
        facts: &[Fact<'_>],
    ) -> u64 {
        let (name, clock, out) = &mut self.processes[process];
        *clock = message.map_or(*clock, |(_, time)| time.max(*clock)) + 1;
        self.events += 1;
        TraceEvent {
            process: name.as_str().into(),
            lamport: *clock,
            kind: if message.is_some() {
                Kind::Receive
            } else {
                Kind::Send
            },
            message: Some(
                message
                    .map_or_else(
                        || format!("{name}@{clock}"),
                        |(from, time)| format!("{from}@{time}"),
                    )
                    .into(),
            ),
            label: label.into(),
            at_us: 1_795_226_542_001_250 + self.events,
            service: self.service,
            facts: facts.to_vec(),
        }
        .write(out);
        *clock
    }

    fn start(&mut self, process: usize, facts: &[Fact<'_>]) {
        let (name, clock, out) = &mut self.processes[process];
        *clock += 1;
        let mut event = TraceEvent {
            process: name.as_str().into(),
            lamport: *clock,
            kind: Kind::Local,
            message: None,
            label: "start".into(),
            at_us: 0,
            service: self.service,
            facts: Vec::new(),
        };
        event.facts.extend_from_slice(facts);
        event.write(out);
    }
}

/// A hub and ten members in one room, who speak in turn.
fn chat() -> Run {
    let names: Vec<String> = (0..10).map(|n| format!("member-{n}")).collect();
    let mut all = vec!["chat"];
    all.extend(names.iter().map(String::as_str));
    let mut run = Run::new(Service::Chat, &all);
    let mut seq = 0u64;
    for (member, name) in names.iter().enumerate() {
        seq += 1;
        let facts = [fact(ROOM, "lobby"), fact(SEQ, seq), fact(NAME, name.as_str())];
        let entered = run.event(0, None, "entered", &facts);
        for other in 0..member {
            run.event(other + 1, Some(("chat", entered)), "entered", &facts);
        }
        let reply = run.event(0, None, "joined", &[]);
        let joined = [
            fact(ROOM, "lobby"),
            fact(SEQ, seq),
            fact(NAME, name.as_str()),
            fact(JOINED, 1u64),
        ];
        run.event(member + 1, Some(("chat", reply)), "joined", &joined);
    }
    while run.events < 1_000_000 {
        seq += 1;
        let speaker = (seq % 10) as usize;
        let facts = [
            fact(ROOM, "lobby"),
            fact(SEQ, seq),
            fact(NAME, names[speaker].as_str()),
            fact(OWN, 1u64),
        ];
        let say = run.event(speaker + 1, None, "say", &[]);
        run.event(0, Some((&names[speaker], say)), "say", &[]);
        let said = run.event(0, None, "said", &facts[..3]);
        let reply = run.event(0, None, "ok", &[]);
        for member in 0..10 {
            if member == speaker {
                run.event(member + 1, Some(("chat", reply)), "ok", &facts);
            } else {
                run.event(member + 1, Some(("chat", said)), "said", &facts[..3]);
            }
        }
    }
    run
}

/// One client after the other deposits into one of 1000 accounts.
fn bank() -> Run {
    let mut run = Run::new(Service::Bank, &["bank", "client"]);
    let mut balances = vec![0i64; 1000];
    let mut entry = 0u64;
    while run.events < 1_000_000 {
        entry += 1;
        let account = (entry * 7919 % 1000) as usize;
        balances[account] += 500;
        let number = format!("{account:04}");
        let leg = [
            fact(ACCOUNT, number.as_str()),
            fact(AMOUNT, 500i64),
            fact(BALANCE, balances[account]),
            fact(ENTRY, entry),
        ];
        let cash = [fact(ACCOUNT, CASH), fact(AMOUNT, -500i64), fact(ENTRY, entry)];
        let request = run.event(1, None, "deposit", &[]);
        run.event(0, Some(("client", request)), "deposit", &[]);
        let reply = run.event(0, None, "deposit", &[&leg[..], &cash[..]].concat());
        run.event(
            1,
            Some(("bank", reply)),
            "deposit",
            &[leg[0].clone(), leg[2].clone(), leg[3].clone()],
        );
    }
    run
}

/// Three members in total order, each message delivered everywhere before the next.
fn multicast() -> Run {
    let names = ["P1", "P2", "P3"];
    let mut run = Run::new(Service::Multicast, &names);
    for member in 0..3 {
        run.start(member, &[fact(ORDER, "total")]);
    }
    let mut number = 0u64;
    while run.events < 1_000_000 {
        let origin = (number % 3) as usize;
        let sequence = number / 3 + 1;
        number += 1;
        let told = |act| {
            [
                fact(ACT, act),
                fact(ORIGIN, names[origin]),
                fact(SEQUENCE, sequence),
                fact(DELIVERED, 1u64),
            ]
        };
        let sent = run.event(origin, None, "sent", &told(BROADCAST));
        for member in (0..3).filter(|member| *member != origin) {
            run.event(
                member,
                Some((names[origin], sent)),
                "delivered",
                &told(DELIVER)[..3],
            );
        }
    }
    run
}

fn checking(service: Service, run: fn() -> Run) {
    let paths: Vec<_> = {
        let run = run();
        let write = |(name, _, mut bytes): (String, u64, Vec<u8>)| {
            Record::Closed(Summary::default()).write(&mut bytes);
            let path =
                std::env::temp_dir().join(format!("lamport-{}-{name}.trace.jsonl", std::process::id()));
            std::fs::write(&path, bytes).expect("written");
            path
        };
        run.processes.into_iter().map(write).collect()
    };
    let before = memory_kib("VmRSS:");
    // Resets the peak; not allowed everywhere, and then the peak is that of the whole program.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let mut merge = Merge::new();
    paths
        .iter()
        .for_each(|path| merge.open(path).expect("just written"));
    let options = Options {
        settled: true,
        complete: false,
        ..Options::default()
    };
    let report = merge
        .check(Check::new(options))
        .expect("well formed")
        .expect("an honest run");
    let seconds = start.elapsed().as_secs_f64();
    let name = format!("check: {}, {} processes", service.as_str(), report.processes);
    println!(
        "{name:52} {:8.1} ns {:10.2} M/s, {} MiB more at the peak",
        seconds * 1e9 / report.events as f64,
        report.events as f64 / seconds / 1e6,
        memory_kib("VmHWM:").saturating_sub(before) / 1024
    );
    paths
        .iter()
        .for_each(|path| std::fs::remove_file(path).expect("still there"));
}

fn memory_kib(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
