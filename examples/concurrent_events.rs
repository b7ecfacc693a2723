//! Two events that nothing orders, and what a Lamport clock can and cannot say about them.
//!
//!     cargo run --example concurrent_events
//!
//! You will see a run of three processes as a space-time diagram. P1's `apples` and P2's `pears` have the times 1 and 3,
//! and yet neither can have caused the other: Lamport's clock condition says that a cause has the smaller time, not that
//! the smaller time is a cause. Vector clocks, computed from the same trace, tell the difference.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::path::Path;
use std::process::ExitCode;

use lamport::check::Merge;
use lamport::trace::{Event, Message, Service, Tracer};
use lamport::view::{self, Filter, Run, VectorClock, vector_clocks};
use lamport::{Clock, ProcessId};

fn main() -> ExitCode {
    proto::net::cli::exit_code(run())
}

fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("run.jsonl");
    play(&trace)?;
    let mut merge = Merge::new();
    merge.open(&trace)?;
    let run = Run::read(&mut merge, &Filter::default())?;
    println!("{}", view::text(&run, 80));
    compare(&run, "apples", "pears");
    compare(&run, "apples", "thanks");
    Ok(())
}

/// What each kind of clock says about two events.
fn compare(run: &Run, one: &str, other: &str) {
    let find = |label: &str| run.events.iter().position(|event| event.label == label);
    let (a, b) = find(one).zip(find(other)).expect("the run has both");
    let clocks = vector_clocks(run);
    let vector = |clock: &VectorClock| -> Vec<u64> {
        (0..run.processes.len())
            .map(|process| clock.of(process))
            .collect()
    };
    let verdict = if clocks[a].happened_before(&clocks[b]) {
        format!("`{one}` happened before `{other}` and may have caused it")
    } else {
        "neither happened before the other: they are concurrent".to_owned()
    };
    println!("`{one}` and `{other}`:");
    println!(
        "  Lamport times  {} < {}: `{other}` cannot have caused `{one}`; more they do not say",
        run.events[a].lamport, run.events[b].lamport
    );
    println!(
        "  vector clocks  {:?} and {:?}: {verdict}",
        vector(&clocks[a]),
        vector(&clocks[b])
    );
}

/// P1 sends to P3 at 1. P2, which has heard of nothing, works for a while and sends to P3 at 3. P3 thanks both.
fn play(trace: &Path) -> anyhow::Result<()> {
    let all = Tracer::to_file(trace, ProcessId::new("P1")?, Service::Other)?;
    let [p1, p2, p3] = ["P1", "P2", "P3"].map(|name| Process::new(name, &all));
    let apples = p1.send("apples")?;
    p2.work("counting")?;
    p2.work("weighing")?;
    let pears = p2.send("pears")?;
    p3.receive("apples", "P1", apples)?;
    p3.receive("pears", "P2", pears)?;
    let thanks = p3.send("thanks")?;
    p1.receive("thanks", "P3", thanks)?;
    p2.receive("thanks", "P3", thanks)?;
    all.close()?;
    Ok(())
}

/// A process with its clock; every event moves the clock and is recorded with the time it then shows.
struct Process {
    clock: Clock,
    tracer: Tracer,
}

impl Process {
    fn new(name: &str, all: &Tracer) -> Self {
        let id = ProcessId::new(name).expect("a short name");
        Self {
            clock: Clock::new(),
            tracer: all.for_process(id),
        }
    }

    /// Lamport's rule IR1: the clock ticks between any two events.
    fn work(&self, label: &str) -> anyhow::Result<u64> {
        let event = Event::local(label, &[]);
        Ok(self.tracer.stamped(|| self.clock.tick(), &event)?)
    }

    /// IR2 (a): a message carries the time of its send.
    fn send(&self, label: &str) -> anyhow::Result<u64> {
        let event = Event::send(label, &[]);
        Ok(self.tracer.stamped(|| self.clock.tick(), &event)?)
    }

    /// IR2 (b): a receive moves the clock past the time that the message carries.
    fn receive(&self, label: &str, process: &str, time: u64) -> anyhow::Result<u64> {
        let event = Event::receive(label, Message::Sent { process, time }, &[]);
        Ok(self.tracer.stamped(|| self.clock.receive(time), &event)?)
    }
}
