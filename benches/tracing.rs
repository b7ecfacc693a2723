//! What `--trace` costs the services: `cargo bench --bench tracing` (`-- chat` for one service, `-- --rounds 9` for more).
//!
//! Runs each service's own load benchmark, flat out and at about half of that, in pairs: once as it is and once with every
//! event of the server (of every member) recorded, the order turned around from pair to pair. The cost is the median of the
//! pairs' ratios, of the rate and of the CPU time for each delivery or transfer (in the multicast: for each message). What the
//! disk could not keep up with is dropped by design, and counted here: a cost with many dropped events is that of the disk.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use lamport::trace::{Reader, Record, Summary};
use serde_json::Value;

/// At most so much of the throughput: what the project demands of tracing.
const COST_MAX: f64 = 0.10;
const ROUNDS: usize = 5;

/// A load, and where its benchmark tells what it brought.
struct Load {
    service: &'static str,
    says: &'static str,
    arguments: &'static [&'static str],
    /// Where the benchmark's report tells the rate.
    rate: &'static str,
    unit: &'static str,
}

/// How a service's own benchmark is asked.
struct Bench {
    name: &'static str,
    /// The variable that turns tracing on.
    variable: &'static str,
    /// Where it tells the CPU seconds, in the same object as the rate.
    cpu: &'static str,
}

fn bench(service: &str) -> Bench {
    let (name, variable, cpu) = match service {
        "chat" => ("fanout", "CHAT_TRACE", "/cpu_seconds_per_million"),
        "bank" => ("transfers", "BANK_TRACE", "/cpu_seconds_per_million/0"),
        _ => ("mesh", "MESH_TRACES", "/cpu_seconds_per_million"),
    };
    Bench { name, variable, cpu }
}

/// The row of a report and, behind the bar, the rate in it.
const CHAT: &str = "/fanout/0/rounds/0/chat|/deliveries_per_second";
const BANK: &str = "/rows/0|/bank/0";
const MULTICAST: &str = "/rows/0/rounds/0/causal|/deliveries_per_second";

/// Flat out first, then at about half of the service's top rate.
const LOADS: &[Load] = &[
    Load {
        service: "chat",
        says: "4 senders to 100 receivers",
        arguments: &["--only", "fanout", "--senders", "4", "--receivers", "100"],
        rate: CHAT,
        unit: "deliveries/s",
    },
    Load {
        service: "chat",
        says: "4 senders to 10 receivers",
        arguments: &["--only", "fanout", "--senders", "4", "--receivers", "10"],
        rate: CHAT,
        unit: "deliveries/s",
    },
    Load {
        service: "bank",
        says: "64 connections, pipelined",
        arguments: &["--only", "pipelined"],
        rate: BANK,
        unit: "transfers/s",
    },
    Load {
        service: "multicast",
        says: "causal order, all three sending",
        arguments: &["--only", "flat", "--mesh", "causal"],
        rate: MULTICAST,
        unit: "deliveries/s",
    },
    Load {
        service: "chat",
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
        service: "chat",
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
        service: "bank",
        says: "64 connections, one at a time",
        arguments: &["--only", "many"],
        rate: BANK,
        unit: "transfers/s",
    },
    Load {
        service: "multicast",
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

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let rounds = match arguments.iter().position(|word| word == "--rounds") {
        Some(at) => arguments
            .get(at + 1)
            .context("--rounds needs a number")?
            .parse()?,
        None => ROUNDS,
    };
    let named = |load: &&Load| {
        let services = LOADS.iter().map(|load| load.service);
        let mut chosen = services
            .filter(|service| arguments.iter().any(|word| word == service))
            .peekable();
        chosen.peek().is_none() || chosen.any(|service| service == load.service)
    };
    println!(
        "| service | load | plain | traced | ratio of the pairs | CPU µs plain | traced | ratio of the pairs | recorded | dropped |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for load in LOADS.iter().filter(named) {
        measure(load, rounds)?;
    }
    Ok(())
}

fn measure(load: &Load, rounds: usize) -> anyhow::Result<()> {
    let mut pairs = Vec::new();
    let mut summary = Summary::default();
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
                summary = recorded(folder.path())?;
            }
        }
        pairs.push(pair);
    }
    let of = |figure: fn(&[Brought; 2]) -> f64| {
        let mut figures: Vec<f64> = pairs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures
    };
    let middle = |figures: &[f64]| figures[figures.len() / 2];
    let ratio = of(|[plain, traced]| traced.rate / plain.rate);
    let cpu_ratio = of(|[plain, traced]| traced.cpu / plain.cpu);
    let span = |ratios: &[f64]| {
        let (first, last) = (ratios[0], ratios[ratios.len() - 1]);
        format!("{:.2} ({first:.2}–{last:.2})", middle(ratios))
    };
    println!(
        "| {} | {} | {:.0} {} | {:.0} | {}{} | {:.3} | {:.3} | {} | {} | {} |",
        load.service,
        load.says,
        middle(&of(|[plain, _]| plain.rate)),
        load.unit,
        middle(&of(|[_, traced]| traced.rate)),
        span(&ratio),
        if middle(&ratio) < 1.0 - COST_MAX {
            ", costs too much"
        } else {
            ""
        },
        middle(&of(|[plain, _]| plain.cpu)),
        middle(&of(|[_, traced]| traced.cpu)),
        span(&cpu_ratio),
        summary.written,
        summary.dropped
    );
    Ok(())
}

/// Runs the service's benchmark once and reads what it brought.
fn run(load: &Load, traces: Option<&Path>) -> anyhow::Result<Brought> {
    let bench = bench(load.service);
    let cargo = std::env::var_os("CARGO").context("cargo starts this benchmark")?;
    let mut command = Command::new(cargo);
    command
        .args([
            "bench",
            "--quiet",
            "-p",
            load.service,
            "--bench",
            bench.name,
            "--",
        ])
        .args(["--json", "--rounds", "1", "--seconds", "1"])
        .args(load.arguments)
        .stderr(Stdio::inherit());
    if let Some(folder) = traces {
        let single = folder.join("trace.jsonl");
        let place = if load.service == "multicast" {
            folder
        } else {
            &single
        };
        command.env(bench.variable, place);
    }
    let output = command.output()?;
    anyhow::ensure!(
        output.status.success(),
        "the benchmark of {} failed",
        load.service
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

/// What the traces in the folder say they hold and lack.
fn recorded(folder: &Path) -> anyhow::Result<Summary> {
    let mut all = Summary::default();
    for entry in std::fs::read_dir(folder)? {
        let mut reader = Reader::open(entry?.path())?;
        while let Some(record) = reader.read()? {
            if let Record::Closed(summary) = record {
                all.written += summary.written;
                all.dropped += summary.dropped;
            }
        }
    }
    Ok(all)
}
