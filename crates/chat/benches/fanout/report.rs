//! What people read: a table on the terminal, Markdown for docs/benchmarks.md, or every run as JSON.

use std::io::Write;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::Args;
use crate::rows::Run;

/// A generator thread that computes for more than this share of the time may be the bottleneck itself.
const SATURATED: f64 = 0.95;

/// Flat-out fan-out in one shape; the outer list is by round, the inner by server.
pub(crate) struct FanoutRow {
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
    pub(crate) names: Vec<&'static str>,
    pub(crate) rounds: Vec<Vec<Run>>,
}

/// The steady rate; lists as in [`FanoutRow`].
pub(crate) struct LatencyRow {
    pub(crate) names: Vec<&'static str>,
    pub(crate) rounds: Vec<Vec<Run>>,
}

/// A steady load to 100 receivers: all awake, one asleep for a while, one for good.
pub(crate) struct StalledRow {
    pub(crate) none: Run,
    pub(crate) napping: Run,
    pub(crate) stalled: Run,
}

/// Everything measured.
pub(crate) struct Report {
    machine: String,
    cores: String,
    subject: &'static str,
    pub(crate) fanout: Vec<FanoutRow>,
    pub(crate) latency: Option<LatencyRow>,
    pub(crate) idle: Vec<(&'static str, usize, f64)>,
    pub(crate) stalled: Option<StalledRow>,
}

impl Report {
    pub(crate) fn new(machine: String, cores: String, subject: &'static str) -> Self {
        Self {
            machine,
            cores,
            subject,
            fanout: Vec::new(),
            latency: None,
            idle: Vec::new(),
            stalled: None,
        }
    }

    /// Prints in the form that was asked for.
    pub(crate) fn print(&self, args: &Args) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut out, &self.to_json())?;
            writeln!(out)?;
            return Ok(());
        }
        writeln!(out, "{}", self.machine)?;
        writeln!(out, "{}", self.cores)?;
        let mut defects = Vec::new();
        for (title, table) in self.tables(&mut defects) {
            let mark = if args.markdown { "### " } else { "" };
            writeln!(out, "\n{mark}{title}\n")?;
            writeln!(out, "{}", dress(table, args.markdown))?;
        }
        for defect in defects {
            writeln!(out, "\n{defect}")?;
        }
        Ok(())
    }

    fn tables(&self, defects: &mut Vec<String>) -> Vec<(String, Vec<Vec<String>>)> {
        let mut tables = Vec::new();
        if !self.fanout.is_empty() {
            let title = "Fan-out of 100-byte texts, flat out (million deliveries a second, median, lowest to highest)";
            tables.push((title.to_owned(), fanout_table(&self.fanout, defects)));
        }
        if let Some(row) = &self.latency {
            let title = "Latency at 200 texts a second to 100 receivers (milliseconds, median of the rounds)";
            tables.push((title.to_owned(), latency_table(row, defects)));
        }
        if !self.idle.is_empty() {
            tables.push((
                "Resident memory of a joined idle connection".to_owned(),
                idle_table(&self.idle, self.subject),
            ));
        }
        if let Some(row) = &self.stalled {
            let title = "One stalled reader among 100, at 20,000 texts a second";
            tables.push((title.to_owned(), stalled_table(row, defects)));
        }
        tables
    }

    fn to_json(&self) -> Value {
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
            "machine": self.machine,
            "cores": self.cores,
            "fanout": self.fanout.iter().map(|row| json!({
                "senders": row.senders, "receivers": row.receivers, "rounds": rounds(&row.names, &row.rounds),
            })).collect::<Value>(),
            "latency": self.latency.as_ref().map(|row| rounds(&row.names, &row.rounds)),
            "idle": self.idle.iter().map(|(name, connections, bytes)| json!({
                "server": name, "connections": connections, "bytes_each": bytes,
            })).collect::<Value>(),
            "stalled": self.stalled.as_ref().map(|row| json!({
                "none": run_json(&row.none), "napping": run_json(&row.napping), "stalled": run_json(&row.stalled),
            })),
        })
    }
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
        "told_missed": outcome.told_missed, "slow_left_s": outcome.slow_left_s,
    })
}

fn fanout_table(rows: &[FanoutRow], defects: &mut Vec<String>) -> Vec<Vec<String>> {
    let names = &rows[0].names;
    let limit = names
        .iter()
        .position(|name| *name == "limit")
        .expect("the limit is always measured");
    let mut head = vec!["senders → receivers".to_owned()];
    head.extend(names.iter().map(|name| format!("{name} M/s")));
    if limit > 0 {
        head.push("ratio".to_owned());
        head.push("to reach".to_owned());
    }
    head.extend(names.iter().take(limit + 1).map(|name| format!("{name} CPU s/M")));
    head.extend(names.iter().take(limit + 1).map(|name| format!("{name} GB/s")));
    head.push("generator busy".to_owned());

    let mut table = vec![head];
    for row in rows {
        let shape = format!("{} → {}", row.senders, row.receivers);
        note_defects(&shape, names, &row.rounds, defects);
        let of = |server: usize, figure: &dyn Fn(&Run) -> Option<f64>| -> Spread {
            Spread::of(row.rounds.iter().filter_map(|runs| figure(&runs[server])))
        };
        let mark = |server: usize| match row.rounds.iter().any(|runs| runs[server].defect().is_some()) {
            true => " ✗",
            false => "",
        };
        let mut cells = vec![shape];
        let rate = |run: &Run| Some(run.rate() / 1e6);
        cells.extend((0..names.len()).map(|server| of(server, &rate).show(1) + mark(server)));
        if limit > 0 {
            let ratios = row.rounds.iter().map(|runs| runs[0].rate() / runs[limit].rate());
            cells.push(Spread::of(ratios).show(2));
            cells.push(format!("{:.1}", if row.receivers <= 10 { 0.2 } else { 0.5 }));
        }
        cells.extend((0..=limit).map(|server| of(server, &Run::cpu_per_million).show_median(3)));
        let throughput = |run: &Run| Some(run.outcome.bytes as f64 / run.outcome.seconds / 1e9);
        cells.extend((0..=limit).map(|server| of(server, &throughput).show_median(1)));
        let busy: Vec<String> = (0..=limit)
            .map(|server| {
                let busy = of(server, &|run: &Run| Some(run.outcome.busiest_thread));
                let saturated = if busy.median > SATURATED { " saturated" } else { "" };
                format!("{:.0} %{saturated}", busy.median * 100.0)
            })
            .collect();
        cells.push(busy.join(" / "));
        table.push(cells);
    }
    table
}

fn latency_table(row: &LatencyRow, defects: &mut Vec<String>) -> Vec<Vec<String>> {
    note_defects("latency", &row.names, &row.rounds, defects);
    let limit = row
        .names
        .iter()
        .position(|name| *name == "limit")
        .expect("the limit is always measured");
    let mut table = vec![vec![
        "".to_owned(),
        "p50".to_owned(),
        "p99".to_owned(),
        "max".to_owned(),
    ]];
    let figures: [&dyn Fn(&Run) -> f64; 3] = [
        &|run| run.outcome.latency.quantile_ms(0.5),
        &|run| run.outcome.latency.quantile_ms(0.99),
        &|run| run.outcome.latency.max_ms(),
    ];
    for (server, name) in row.names.iter().enumerate() {
        let mut cells = vec![(*name).to_owned()];
        cells.extend(
            figures.map(|figure| Spread::of(row.rounds.iter().map(|runs| figure(&runs[server]))).show(3)),
        );
        table.push(cells);
    }
    if limit > 0 {
        let mut cells = vec!["ratio".to_owned()];
        cells.extend(figures.map(|figure| {
            Spread::of(
                row.rounds
                    .iter()
                    .map(|runs| figure(&runs[0]) / figure(&runs[limit])),
            )
            .show(2)
        }));
        table.push(cells);
        table.push(["to reach", "1.3", "2", ""].map(str::to_owned).to_vec());
    }
    table
}

fn idle_table(rows: &[(&'static str, usize, f64)], subject: &str) -> Vec<Vec<String>> {
    let mut table = vec![
        ["server", "connections", "KiB each", "to reach"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (name, connections, bytes) in rows {
        let target = if *name == subject && *name != "limit" {
            "8"
        } else {
            ""
        };
        table.push(vec![
            (*name).to_owned(),
            connections.to_string(),
            format!("{:.1}", bytes / 1024.0),
            target.to_owned(),
        ]);
    }
    table
}

fn stalled_table(row: &StalledRow, defects: &mut Vec<String>) -> Vec<Vec<String>> {
    let head = [
        "",
        "others' p50 ms",
        "p99 ms",
        "max ms",
        "peak memory grew by MiB",
        "the stalled one",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    let all = [
        ("none stalled", &row.none),
        ("asleep for 4 s", &row.napping),
        ("stalled for good", &row.stalled),
    ];
    for (name, run) in all {
        if let Some(defect) = run.defect() {
            defects.push(format!("✗ {name}: {defect}"));
        }
        let outcome = &run.outcome;
        let fate = match (outcome.slow_left_s, outcome.told_missed) {
            (Some(at), _) => format!("closed as slow after {at:.1} s"),
            (None, missed @ 1..) => format!(
                "told that it missed {missed} of {}, got the rest",
                outcome.messages
            ),
            (None, 0) if name == "none stalled" => String::new(),
            (None, 0) if name == "asleep for 4 s" => "got everything".to_owned(),
            (None, 0) => "✗ neither told nor closed".to_owned(),
        };
        table.push(vec![
            name.to_owned(),
            format!("{:.2}", outcome.latency.quantile_ms(0.5)),
            format!("{:.2}", outcome.latency.quantile_ms(0.99)),
            format!("{:.1}", outcome.latency.max_ms()),
            format!(
                "{:.0}",
                run.memory_peak.saturating_sub(run.memory_before) as f64 / 1024.0 / 1024.0
            ),
            fate,
        ]);
    }
    let p99 = |run: &Run| run.outcome.latency.quantile_ms(0.99);
    let ratio = |run: &Run| format!("{:.2} × (at most 2)", p99(run) / p99(&row.none));
    let worst = if p99(&row.napping) > p99(&row.stalled) {
        &row.napping
    } else {
        &row.stalled
    };
    table.push(vec![
        "worst ratio".into(),
        "".into(),
        ratio(worst),
        "".into(),
        "".into(),
        "".into(),
    ]);
    table
}

fn note_defects(what: &str, names: &[&str], rounds: &[Vec<Run>], defects: &mut Vec<String>) {
    for (round, runs) in rounds.iter().enumerate() {
        for (run, name) in runs.iter().zip(names) {
            if let Some(defect) = run.defect() {
                defects.push(format!("✗ {what}, {name}, round {}: {defect}", round + 1));
            }
        }
    }
}

/// A figure over the rounds.
struct Spread {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Self {
            median,
            lowest: values.first().copied().unwrap_or(f64::NAN),
            highest: values.last().copied().unwrap_or(f64::NAN),
        }
    }

    fn show_median(&self, digits: usize) -> String {
        if self.median.is_nan() {
            "–".to_owned()
        } else {
            format!("{:.digits$}", self.median)
        }
    }

    fn show(&self, digits: usize) -> String {
        if self.lowest == self.highest {
            return self.show_median(digits);
        }
        format!(
            "{:.digits$} ({:.digits$}–{:.digits$})",
            self.median, self.lowest, self.highest
        )
    }
}

fn dress(rows: Vec<Vec<String>>, markdown: bool) -> Table {
    let mut table = Table::new();
    table.load_style(if markdown {
        presets::ASCII_MARKDOWN
    } else {
        presets::UTF8_FULL_CONDENSED
    });
    table.set_content_arrangement(ContentArrangement::Disabled);
    let mut rows = rows.into_iter();
    table.set_header(rows.next().unwrap_or_default());
    for row in rows {
        table.add_row(row.into_iter().enumerate().map(|(column, text)| {
            let side = if column == 0 {
                CellAlignment::Left
            } else {
                CellAlignment::Right
            };
            Cell::new(text).set_alignment(side)
        }));
    }
    table
}
