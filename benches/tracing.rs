//! What `--trace` costs the services: `cargo bench --bench tracing` (`-- chat` for one service, `-- --rounds 9` for more).
//!
//! Runs each service's own load benchmark, flat out, in pairs: once as it is and once with every event of the server (of
//! every member) recorded, the order turned around from pair to pair. The cost is the median of the pairs' ratios. What
//! the disk could not keep up with is dropped by design, and counted here: a cost with many dropped events is that of the
//! disk.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use lamport::trace::{Reader, Record, Summary};
use serde_json::Value;

/// At most so much of the throughput: what the project demands of tracing.
const COST_MAX: f64 = 0.10;
const ROUNDS: usize = 5;

/// A load, and where its benchmark tells the rate.
struct Load {
    service: &'static str,
    says: &'static str,
    bench: &'static str,
    arguments: &'static [&'static str],
    /// The variable that turns tracing on.
    variable: &'static str,
    rate: &'static str,
    unit: &'static str,
}

const LOADS: &[Load] = &[
    Load {
        service: "chat",
        says: "4 senders to 100 receivers",
        bench: "fanout",
        arguments: &["--only", "fanout", "--senders", "4", "--receivers", "100"],
        variable: "CHAT_TRACE",
        rate: "/fanout/0/rounds/0/chat/deliveries_per_second",
        unit: "deliveries/s",
    },
    Load {
        service: "chat",
        says: "4 senders to 10 receivers",
        bench: "fanout",
        arguments: &["--only", "fanout", "--senders", "4", "--receivers", "10"],
        variable: "CHAT_TRACE",
        rate: "/fanout/0/rounds/0/chat/deliveries_per_second",
        unit: "deliveries/s",
    },
    Load {
        service: "bank",
        says: "64 connections, pipelined",
        bench: "transfers",
        arguments: &["--only", "pipelined"],
        variable: "BANK_TRACE",
        rate: "/rows/0/bank/0",
        unit: "transfers/s",
    },
    Load {
        service: "bank",
        says: "64 connections, one at a time",
        bench: "transfers",
        arguments: &["--only", "many"],
        variable: "BANK_TRACE",
        rate: "/rows/0/bank/0",
        unit: "transfers/s",
    },
    Load {
        service: "multicast",
        says: "causal order, all three sending",
        bench: "mesh",
        arguments: &["--only", "flat", "--mesh", "causal"],
        variable: "MESH_TRACES",
        rate: "/rows/0/rounds/0/causal/deliveries_per_second",
        unit: "deliveries/s",
    },
];

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
    println!("| service | load | plain | traced | ratio of the pairs | recorded | dropped |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for load in LOADS.iter().filter(named) {
        measure(load, rounds)?;
    }
    Ok(())
}

fn measure(load: &Load, rounds: usize) -> anyhow::Result<()> {
    let (mut plain, mut traced, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut summary = Summary::default();
    for round in 0..rounds {
        let mut rates = [0.0; 2];
        for with_trace in if round % 2 == 0 {
            [false, true]
        } else {
            [true, false]
        } {
            let folder = tempfile::tempdir()?;
            rates[usize::from(with_trace)] = run(load, with_trace.then_some(folder.path()))?;
            if with_trace {
                summary = recorded(folder.path())?;
            }
        }
        let [without, with] = rates;
        plain.push(without);
        traced.push(with);
        ratios.push(with / without);
    }
    let ratio = median(&mut ratios);
    println!(
        "| {} | {} | {:.0} {} | {:.0} | {ratio:.2} ({:.2}–{:.2}){} | {} | {} |",
        load.service,
        load.says,
        median(&mut plain),
        load.unit,
        median(&mut traced),
        ratios[0],
        ratios[ratios.len() - 1],
        if ratio < 1.0 - COST_MAX {
            ", costs too much"
        } else {
            ""
        },
        summary.written,
        summary.dropped
    );
    Ok(())
}

/// Runs the service's benchmark once and reads its rate.
fn run(load: &Load, traces: Option<&Path>) -> anyhow::Result<f64> {
    let cargo = std::env::var_os("CARGO").context("cargo starts this benchmark")?;
    let mut command = Command::new(cargo);
    command
        .args([
            "bench",
            "--quiet",
            "-p",
            load.service,
            "--bench",
            load.bench,
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
        command.env(load.variable, place);
    }
    let output = command.output()?;
    anyhow::ensure!(
        output.status.success(),
        "the benchmark of {} failed",
        load.service
    );
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let rate = report.pointer(load.rate).and_then(Value::as_f64);
    rate.with_context(|| format!("no rate at {} in {report}", load.rate))
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

/// Sorts, and returns the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
