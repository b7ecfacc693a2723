//! What people read: tables on the terminal, Markdown for the documents, or every run as JSON.

use std::io::Write;

use measure::{Spread, table};
use serde_json::{Value, json};

use crate::cost::Cost;
use crate::rows::Run;
use crate::{Args, Mesh, RowKind};

/// Everything measured.
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) pinned: bool,
    /// The minimal mesh comes first.
    pub(crate) meshes: Vec<Mesh>,
    pub(crate) rows: Vec<Row>,
    pub(crate) costs: Vec<CostLine>,
}

/// What one group's broadcasts cost, while it is busy and while hardly anything happens.
pub(crate) struct CostLine {
    pub(crate) mesh: Mesh,
    pub(crate) busy: Cost,
    pub(crate) quiet: Cost,
}

/// The runs of one kind: rounds, and in each a run of every mesh.
pub(crate) struct Row {
    pub(crate) kind: RowKind,
    pub(crate) rounds: Vec<Vec<Run>>,
}

/// The least share of the minimal mesh's rate.
fn rate_to_reach(mesh: Mesh) -> Option<f64> {
    match mesh {
        Mesh::Minimal => None,
        Mesh::None | Mesh::Fifo => Some(0.6),
        Mesh::Causal => Some(0.5),
        Mesh::Total => Some(0.4),
    }
}

/// The largest multiples of the minimal mesh's p50 and p99.
fn latency_to_reach(mesh: Mesh) -> &'static str {
    match mesh {
        Mesh::Minimal => "",
        Mesh::None | Mesh::Fifo | Mesh::Causal => "2 / 3",
        Mesh::Total => "3 / –",
    }
}

impl Report {
    /// Prints in the form that was asked for.
    pub(crate) fn print(&self, args: &Args) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut out, &self.to_json())?;
            writeln!(out)?;
            return Ok(());
        }
        writeln!(out, "{}", self.machine)?;
        let cores = if self.pinned {
            "each member has a core of its own"
        } else {
            "the members share all cores"
        };
        writeln!(
            out,
            "three members on loopback, 100-byte payloads, own messages counted; {cores}"
        )?;
        for row in &self.rows {
            let (title, lines) = self.lines(row);
            let mark = if args.markdown { "### " } else { "" };
            writeln!(out, "\n{mark}{title}\n\n{}", table(lines, args.markdown))?;
            for (round, runs) in row.rounds.iter().enumerate() {
                for (run, mesh) in runs.iter().zip(&self.meshes) {
                    if let Some(defect) = run.defect() {
                        writeln!(out, "✗ {}, round {}: {defect}", mesh.name(), round + 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn lines(&self, row: &Row) -> (String, Vec<Vec<String>>) {
        match row.kind {
            RowKind::Flat => (
                "All sending flat out: million deliveries a second at each member, median (lowest–highest)".to_owned(),
                self.flat_lines(row),
            ),
            RowKind::Latency => (
                "Send to delivered everywhere, 1,000 messages a second from each member (µs)".to_owned(),
                self.latency_lines(row, latency_to_reach),
            ),
            RowKind::Idle => (
                "Send to delivered everywhere while one member sends 100 a second and the others are idle (µs)".to_owned(),
                self.latency_lines(row, |mesh| if mesh == Mesh::Total { "max 2,000" } else { "" }),
            ),
            RowKind::Memory => {
                let messages = row.rounds.first().and_then(|runs| runs.first()).map_or(0, |run| run.messages);
                (format!("Resident memory over {messages} messages (MiB, the largest member)"), self.memory_lines(row))
            }
            RowKind::Cost => (
                "Frames in a healthy group, at 1,000 and at 10 messages a second from each member".to_owned(),
                self.cost_lines(),
            ),
        }
    }

    fn flat_lines(&self, row: &Row) -> Vec<Vec<String>> {
        let mut lines = vec![words(&[
            "order",
            "M/s",
            "ratio to minimal",
            "to reach",
            "CPU s per million messages",
        ])];
        for (place, mesh) in self.meshes.iter().enumerate() {
            let of =
                |figure: &dyn Fn(&Run) -> f64| Spread::of(row.rounds.iter().map(|runs| figure(&runs[place])));
            let ratio = Spread::of(row.rounds.iter().map(|runs| runs[place].rate / runs[0].rate));
            let wrong = row.rounds.iter().any(|runs| runs[place].defect().is_some());
            lines.push(vec![
                mesh.name().to_owned(),
                of(&|run| run.rate / 1e6).show(2) + if wrong { " ✗" } else { "" },
                if place == 0 { String::new() } else { ratio.show(2) },
                rate_to_reach(*mesh).map_or(String::new(), |least| least.to_string()),
                of(&|run| run.cpu_per_million).show(2),
            ]);
        }
        lines
    }

    fn latency_lines(&self, row: &Row, to_reach: fn(Mesh) -> &'static str) -> Vec<Vec<String>> {
        let mut lines = vec![words(&[
            "order",
            "p50",
            "p99",
            "max",
            "p50 ratio",
            "p99 ratio",
            "to reach",
        ])];
        for (place, mesh) in self.meshes.iter().enumerate() {
            let of = |share: f64| Spread::of(row.rounds.iter().map(|runs| runs[place].quantile(share)));
            let ratio = |share: f64| {
                let ratios = row
                    .rounds
                    .iter()
                    .map(|runs| runs[place].quantile(share) / runs[0].quantile(share));
                if place == 0 {
                    String::new()
                } else {
                    Spread::of(ratios).show(2)
                }
            };
            lines.push(vec![
                mesh.name().to_owned(),
                of(0.5).show(0),
                of(0.99).show(0),
                of(1.0).show(0),
                ratio(0.5),
                ratio(0.99),
                to_reach(*mesh).to_owned(),
            ]);
        }
        lines
    }

    fn memory_lines(&self, row: &Row) -> Vec<Vec<String>> {
        let mut lines = vec![words(&[
            "order",
            "after a tenth",
            "after half",
            "at the end",
            "peak",
            "grew by",
        ])];
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / 1024.0 / 1024.0);
        for (place, mesh) in self.meshes.iter().enumerate() {
            let Some(run) = row.rounds.first().map(|runs| &runs[place]) else {
                continue;
            };
            let at = |leg: usize| run.memory.get(leg).copied().unwrap_or(0);
            let end = run.memory.len().saturating_sub(1);
            let growth = at(end) as f64 / at(0) as f64 - 1.0;
            lines.push(vec![
                mesh.name().to_owned(),
                mib(at(0)),
                mib(at(end / 2)),
                mib(at(end)),
                mib(run.memory_peak),
                format!("{:.0} %", growth * 100.0),
            ]);
        }
        lines
    }

    fn cost_lines(&self) -> Vec<Vec<String>> {
        let mut lines = vec![words(&[
            "order",
            "members",
            "payload per broadcast",
            "least",
            "flooding",
            "payload per delivery",
            "control per delivery",
            "at 10/s: payload",
            "control per broadcast",
        ])];
        for line in &self.costs {
            let n = line.busy.members;
            let whole = line.busy.is_whole() && line.quiet.is_whole();
            lines.push(vec![
                line.mesh.name().to_owned(),
                n.to_string(),
                format!("{:.3}", line.busy.payload_per_broadcast())
                    + if whole { "" } else { " ✗ not all delivered" },
                (n - 1).to_string(),
                ((n - 1) * (n - 1)).to_string(),
                format!("{:.3}", line.busy.payload_per_delivery()),
                format!("{:.3}", line.busy.control_per_delivery()),
                format!("{:.3}", line.quiet.payload_per_broadcast()),
                format!("{:.1}", line.quiet.control_per_broadcast()),
            ]);
        }
        lines
    }

    fn to_json(&self) -> Value {
        let run = |run: &Run| {
            json!({
                "deliveries_per_second": run.rate, "messages": run.messages, "cpu_seconds_per_million": run.cpu_per_million,
                "p50_us": finite(run.quantile(0.5)), "p99_us": finite(run.quantile(0.99)), "max_us": finite(run.quantile(1.0)),
                "memory": run.memory, "memory_peak": run.memory_peak, "faults": run.faults,
                "orders_differ": run.orders_differ,
                "frames": run.frames.map(|frames| json!({"payload": frames.payload_sent, "control": frames.control_sent})),
            })
        };
        let frames = |cost: &Cost| {
            json!({
                "broadcasts": cost.broadcasts, "deliveries": cost.deliveries,
                "payload_frames": cost.payload_frames, "control_frames": cost.control_frames,
            })
        };
        let cost = |line: &CostLine| {
            json!({
                "order": line.mesh.name(), "members": line.busy.members,
                "at_1000_per_second": frames(&line.busy), "at_10_per_second": frames(&line.quiet),
            })
        };
        let rows = self.rows.iter().map(|row| {
            let rounds: Vec<Value> = row
                .rounds
                .iter()
                .map(|runs| {
                    runs.iter()
                        .zip(&self.meshes)
                        .map(|(of, mesh)| (mesh.name().to_owned(), run(of)))
                        .collect()
                })
                .collect();
            json!({"row": format!("{:?}", row.kind).to_lowercase(), "rounds": rounds})
        });
        json!({"machine": self.machine, "pinned": self.pinned, "rows": rows.collect::<Vec<_>>(), "costs": self.costs.iter().map(cost).collect::<Vec<_>>()})
    }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
