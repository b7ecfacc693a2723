//! From runs to cells: medians over the rounds, ratios within a round, marks where a run proves nothing.

use measure::Spread;

use crate::report::{FanoutRow, LatencyRow, StalledRow};
use crate::rows::Run;

/// A generator thread that computes for more than this share of the time may be the bottleneck itself.
const SATURATED: f64 = 0.95;
/// More cores than this at work for others than the server and the load program disturb a run.
const DISTURBED_CORES: f64 = 0.2;

/// Deliveries a second, their ratio, and what they cost.
pub(crate) fn fanout_table(rows: &[FanoutRow], defects: &mut Vec<String>) -> Vec<Vec<String>> {
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
    head.extend(names.iter().map(|name| format!("{name} CPU s/M")));
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
        cells.extend((0..names.len()).map(|server| of(server, &Run::cpu_per_million).show_median(3)));
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

/// Quantiles and their ratio.
pub(crate) fn latency_table(row: &LatencyRow, defects: &mut Vec<String>) -> Vec<Vec<String>> {
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

/// Resident bytes of a connection.
pub(crate) fn idle_table(rows: &[(&'static str, usize, f64)], subject: &str) -> Vec<Vec<String>> {
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

/// What one reader that does not read does to the others, and what becomes of it.
pub(crate) fn stalled_table(row: &StalledRow, defects: &mut Vec<String>) -> Vec<Vec<String>> {
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
        let fate = match (outcome.slow_left_s, outcome.sleeper_missed) {
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
            if run.foreign_cores > DISTURBED_CORES {
                let cores = run.foreign_cores;
                let round = round + 1;
                defects.push(format!(
                    "~ {what}, {name}, round {round}: other programs kept {cores:.1} cores busy"
                ));
            }
        }
    }
}
