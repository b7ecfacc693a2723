//! Every run as JSON, for those who want to compare for themselves.

use serde_json::{Value, json};

use crate::report::Report;
use crate::rows::Run;

/// The whole report.
pub(crate) fn report(report: &Report) -> Value {
    let rounds = |names: &[&str], rounds: &[Vec<Run>]| -> Value {
        let round = |runs: &Vec<Run>| -> Value {
            runs.iter()
                .zip(names)
                .map(|(run, name)| ((*name).to_owned(), run_json(run)))
                .collect()
        };
        rounds.iter().map(round).collect()
    };
    json!({
        "machine": report.machine,
        "cores": report.cores,
        "fanout": report.fanout.iter().map(|row| json!({
            "senders": row.senders, "receivers": row.receivers, "rounds": rounds(&row.names, &row.rounds),
        })).collect::<Value>(),
        "latency": report.latency.as_ref().map(|row| rounds(&row.names, &row.rounds)),
        "idle": report.idle.iter().map(|(name, connections, bytes)| json!({
            "server": name, "connections": connections, "bytes_each": bytes,
        })).collect::<Value>(),
        "stalled": report.stalled.as_ref().map(|row| json!({
            "none": run_json(&row.none), "napping": run_json(&row.napping), "stalled": run_json(&row.stalled),
        })),
    })
}

fn run_json(run: &Run) -> Value {
    let outcome = &run.outcome;
    let latency = (outcome.latency.total() > 0).then(|| {
        json!({
            "p50_ms": outcome.latency.quantile_ms(0.5), "p99_ms": outcome.latency.quantile_ms(0.99),
            "max_ms": outcome.latency.max_ms(), "texts": outcome.latency.total(),
        })
    });
    json!({
        "messages": outcome.messages, "deliveries": outcome.deliveries, "bytes": outcome.bytes,
        "seconds": outcome.seconds, "deliveries_per_second": run.rate(), "cpu_seconds": run.cpu_seconds,
        "cpu_seconds_per_million": run.cpu_per_million(), "generator_busiest_thread": outcome.busiest_thread,
        "lost": outcome.lost, "surplus": outcome.surplus, "unacknowledged": outcome.unacknowledged,
        "faults": outcome.faults, "first_fault": outcome.first_fault, "complaint": run.complaint,
        "memory_before": run.memory_before, "memory_peak": run.memory_peak, "latency": latency,
        "foreign_cores": run.foreign_cores, "missed": outcome.missed, "sleeper_missed": outcome.sleeper_missed, "slow_left_s": outcome.slow_left_s,
    })
}
