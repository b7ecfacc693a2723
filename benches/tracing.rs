//! What `--trace` costs the services: `cargo bench --bench tracing` (`-- chat` for one service, `-- --rounds 9` for more).
//!
//! Runs each service's own load benchmark, flat out and at about half of that, in pairs: once as it is and once with every
//! event of the server (of every member) recorded, the order turned around from pair to pair. The cost is the median of the
//! pairs' ratios, of the rate and of the CPU time for each delivery or transfer (in the multicast: for each message). What the
//! disk could not keep up with is dropped by design, and counted here: a cost with many dropped events is that of the disk.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};
use lamport::check::Merge;
use lamport::trace::{Record, Summary};
use measure::Spread;
use serde_json::Value;

/// At most so much of the throughput: what the project demands of tracing.
const COST_MAX: f64 = 0.10;

/// Measures what recording every event costs the services on this machine
#[derive(Debug, Parser)]
#[command(
    name = "tracing",
    bin_name = "cargo bench --bench tracing --",
    max_term_width = 100
)]
struct Args {
    /// Only these services
    #[arg(value_enum)]
    services: Vec<Service>,
    /// Pairs of runs of each load
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// What cargo bench passes
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Service {
    Chat,
    Bank,
    Multicast,
}

/// How a service's own benchmark is asked.
struct Bench {
    /// The package.
    service: &'static str,
    name: &'static str,
    /// The variable that turns tracing on.
    variable: &'static str,
    /// Where it tells the CPU seconds, in the same object as the rate.
    cpu: &'static str,
}

impl Service {
    fn bench(self) -> Bench {
        let (service, name, variable, cpu) = match self {
            Self::Chat => ("chat", "fanout", "CHAT_TRACE", "/cpu_seconds_per_million"),
            Self::Bank => ("bank", "transfers", "BANK_TRACE", "/cpu_seconds_per_million/0"),
            Self::Multicast => ("multicast", "mesh", "MESH_TRACES", "/cpu_seconds_per_million"),
        };
        Bench {
            service,
            name,
            variable,
            cpu,
        }
    }
}

/// A load, and where its benchmark tells what it brought.
struct Load {
    service: Service,
    says: &'static str,
    arguments: &'static [&'static str],
    /// Where the benchmark's report tells the rate.
    rate: &'static str,
    unit: &'static str,
}

/// The row of a report and, behind the bar, the rate in it.
const CHAT: &str = "/fanout/0/rounds/0/chat|/deliveries_per_second";
const BANK: &str = "/rows/0|/bank/0";
const MULTICAST: &str = "/rows/0/rounds/0/causal|/deliveries_per_second";

/// Flat out first, then at about half of the service's top rate.
const LOADS: &[Load] = &[
    Load {
        service: Service::Chat,
        says: "4 senders to 100 receivers",
        arguments: &["--only", "fanout", "--senders", "4", "--receivers", "100"],
        rate: CHAT,
        unit: "deliveries/s",
    },
    Load {
        service: Service::Chat,
        says: "4 senders to 10 receivers",
        arguments: &["--only", "fanout", "--senders", "4", "--receivers", "10"],
        rate: CHAT,
        unit: "deliveries/s",
    },
    Load {
        service: Service::Bank,
        says: "64 connections, pipelined",
        arguments: &["--only", "pipelined"],
        rate: BANK,
        unit: "transfers/s",
    },
    Load {
        service: Service::Multicast,
        says: "causal order, all three sending",
        arguments: &["--only", "flat", "--mesh", "causal"],
        rate: MULTICAST,
        unit: "deliveries/s",
    },
    Load {
        service: Service::Chat,
        says: "200,000 texts/s to 100 receivers",
        arguments: &[
            "--only",
            "fanout",
            "--senders",
            "1",
            "--receivers",
            "100",
            "--pace",
            "200000",
        ],
        rate: CHAT,
        unit: "deliveries/s",
    },
    Load {
        service: Service::Chat,
        says: "500,000 texts/s to 10 receivers",
        arguments: &[
            "--only",
            "fanout",
            "--senders",
            "1",
            "--receivers",
            "10",
            "--pace",
            "500000",
        ],
        rate: CHAT,
        unit: "deliveries/s",
    },
    Load {
        service: Service::Bank,
        says: "64 connections, one at a time",
        arguments: &["--only", "many"],
        rate: BANK,
        unit: "transfers/s",
    },
    Load {
        service: Service::Multicast,
        says: "causal order, 400,000 messages/s from each of three",
        arguments: &["--only", "flat", "--mesh", "causal", "--pace", "400000"],
        rate: MULTICAST,
        unit: "deliveries/s",
    },
];

/// What a run brought.
#[derive(Clone, Copy)]
struct Brought {
    rate: f64,
    cpu: f64,
}

/// What the traces of one or several runs hold.
#[derive(Clone, Copy, Default)]
struct Recorded {
    events: Summary,
    bytes: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if !args.bench {
        // `cargo test --benches`: there is nothing in here but measuring.
        return Ok(());
    }
    println!(
        "| service | load | plain | traced | ratio of the pairs | CPU µs plain | traced | ratio of the pairs | recorded | bytes an event | dropped |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let chosen = |load: &&Load| args.services.is_empty() || args.services.contains(&load.service);
    for load in LOADS.iter().filter(chosen) {
        measure(load, args.rounds.get())?;
    }
    Ok(())
}

fn measure(load: &Load, rounds: usize) -> anyhow::Result<()> {
    let mut pairs = Vec::new();
    let mut recorded = Recorded::default();
    for round in 0..rounds {
        let mut pair = [Brought { rate: 0.0, cpu: 0.0 }; 2];
        for with_trace in if round % 2 == 0 {
            [false, true]
        } else {
            [true, false]
        } {
            let folder = tempfile::tempdir()?;
            pair[usize::from(with_trace)] = run(load, with_trace.then_some(folder.path()))?;
            if with_trace {
                let more = Recorded::read(folder.path())?;
                recorded.events += more.events;
                recorded.bytes += more.bytes;
            }
        }
        pairs.push(pair);
    }
    let of = |figure: fn(&[Brought; 2]) -> f64| Spread::of(pairs.iter().map(figure));
    let ratio = of(|[plain, traced]| traced.rate / plain.rate);
    println!(
        "| {} | {} | {} {} | {} | {}{} | {} | {} | {} | {} | {:.0} | {} |",
        load.service.bench().service,
        load.says,
        of(|[plain, _]| plain.rate).show_median(0),
        load.unit,
        of(|[_, traced]| traced.rate).show_median(0),
        ratio.show(2),
        if ratio.median < 1.0 - COST_MAX {
            ", costs too much"
        } else {
            ""
        },
        of(|[plain, _]| plain.cpu).show_median(3),
        of(|[_, traced]| traced.cpu).show_median(3),
        of(|[plain, traced]| traced.cpu / plain.cpu).show(2),
        recorded.events.written,
        recorded.bytes as f64 / recorded.events.written as f64,
        recorded.events.dropped
    );
    Ok(())
}

/// Runs the service's benchmark once and reads what it brought.
fn run(load: &Load, traces: Option<&Path>) -> anyhow::Result<Brought> {
    let bench = load.service.bench();
    let cargo = std::env::var_os("CARGO").context("cargo starts this benchmark")?;
    let mut command = Command::new(cargo);
    command
        .args([
            "bench",
            "--quiet",
            "-p",
            bench.service,
            "--bench",
            bench.name,
            "--",
        ])
        .args(["--json", "--rounds", "1", "--seconds", "1"])
        .args(load.arguments)
        .stderr(Stdio::inherit());
    if let Some(folder) = traces {
        let single = folder.join("trace.jsonl");
        let place = if load.service == Service::Multicast {
            folder
        } else {
            &single
        };
        command.env(bench.variable, place);
    }
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "the benchmark of {} failed",
        bench.service
    );
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let (row, rate) = load.rate.split_once('|').unwrap_or((load.rate, ""));
    let figure = |key: &str| {
        let figure = report.pointer(&format!("{row}{key}")).and_then(Value::as_f64);
        figure.with_context(|| format!("no figure at {row}{key} in {report}"))
    };
    Ok(Brought {
        rate: figure(rate)?,
        cpu: figure(bench.cpu)?,
    })
}

impl Recorded {
    /// Reads all traces in the folder: they are whole, and hold what they say.
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut merge = Merge::new();
        for entry in std::fs::read_dir(folder)? {
            merge.open(entry?.path())?;
        }
        let mut count = 0;
        merge.for_each(|_, record| {
            count += u64::from(matches!(record, Record::Event(_)));
            anyhow::Ok(())
        })??;
        let events = merge.summary().context("a trace was cut short")?;
        ensure!(
            count > 0 && count == events.written,
            "{count} events in traces that say {events:?}"
        );
        Ok(Self {
            events,
            bytes: merge.bytes(),
        })
    }
}
