//! Everything that shows a run to a person: diagram, table, figures. All return true: nothing can be broken.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, presets};
use lamport::check::Rule;
use lamport::view::{self, Run, Stats};

use crate::args::{Diagram, Files, Part, Table};
use crate::input;

/// Columns of a terminal that does not tell.
const WIDTH_DEFAULT: usize = 100;

pub(crate) fn rules() -> anyhow::Result<bool> {
    let mut text = String::new();
    for rule in Rule::ALL {
        let _ = writeln!(text, "{:<26} {}", rule.name(), rule.says());
    }
    input::output(None, &text)?;
    Ok(true)
}

pub(crate) fn diagram(arguments: &Diagram) -> anyhow::Result<bool> {
    let run = read(&arguments.part)?;
    let picture = if arguments.text {
        view::text(&run, terminal_width())
    } else {
        view::svg(&run, &arguments.style())
    };
    input::output(arguments.output.as_deref(), &picture)?;
    Ok(true)
}

pub(crate) fn table(arguments: &Table) -> anyhow::Result<bool> {
    let part = &arguments.part;
    let (mut merge, progress) = input::open(&part.files.files)?;
    let table = view::Table::read(&mut merge, &part.filter());
    progress.finish_and_clear();
    let table = table?;
    tell_empty(table.messages.is_empty());
    tell_missing(table.left_out, table.dropped);
    let text = match arguments.by_message {
        true => table.by_message().to_string(),
        false => table.to_string(),
    };
    input::output(None, &text)?;
    Ok(true)
}

pub(crate) fn stats(arguments: &Files) -> anyhow::Result<bool> {
    let (mut merge, progress) = input::open(&arguments.files)?;
    let stats = Stats::read(&mut merge);
    progress.finish_and_clear();
    input::output(None, &figures(&stats?))?;
    Ok(true)
}

/// The part of the run that is asked for, with a word about what is not there.
pub(crate) fn read(part: &Part) -> anyhow::Result<Run> {
    let (mut merge, progress) = input::open(&part.files.files)?;
    let run = Run::read(&mut merge, &part.filter());
    progress.finish_and_clear();
    let run = run?;
    tell_empty(run.events.is_empty());
    tell_missing(run.left_out, run.dropped);
    Ok(run)
}

fn tell_empty(is_empty: bool) {
    if is_empty {
        eprintln!("no event is shown; hint: `lamport stats` tells the processes and their times");
    }
}

fn tell_missing(left_out: u64, dropped: u64) {
    if left_out > 0 {
        eprintln!(
            "{left_out} later events are left out; hint: choose with --process, --from and --to, or raise --events-max"
        );
    }
    if dropped > 0 {
        eprintln!("{dropped} events are missing from the traces: the recorder dropped them");
    }
}

fn figures(stats: &Stats) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["process", "sends", "receives", "local", "first", "last"]);
    for (name, process) in &stats.processes {
        let numbers = [
            process.sends,
            process.receives,
            process.locals,
            process.first,
            process.last,
        ];
        table.add_row(std::iter::once(name.clone()).chain(numbers.iter().map(u64::to_string)));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    let mut labels: Vec<_> = stats.labels.iter().collect();
    labels.sort_by_key(|(label, count)| (std::cmp::Reverse(**count), *label));
    let often: Vec<_> = labels
        .iter()
        .take(8)
        .map(|(label, count)| format!("{label} {count}"))
        .collect();
    let _ = writeln!(text, "most often: {}", often.join(", "));
    if let Some((first, last)) = stats.span_us {
        let seconds = (last - first) as f64 / 1e6;
        let start = i64::try_from(first)
            .ok()
            .and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
        let start = start.map_or_else(String::new, |start| format!(" from {start:.3}"));
        let rate = if seconds > 0.0 {
            format!(", {:.0} a second", stats.events as f64 / seconds)
        } else {
            String::new()
        };
        let _ = writeln!(text, "{} events in {seconds:.3} s{start}{rate}", stats.events);
    }
    let quantile = |share| stats.latency.quantile_us(share);
    if let (Some(half), Some(most), Some(all)) = (quantile(0.5), quantile(0.99), quantile(1.0)) {
        let _ = writeln!(
            text,
            "{} messages took p50 {half} µs, p99 {most} µs, at most {all} µs (to 1/16, on the processes' wall clocks)",
            stats.latency.count
        );
    }
    if stats.latency.backwards > 0 {
        let _ = writeln!(
            text,
            "{} seem to arrive before they were sent: the wall clocks differ",
            stats.latency.backwards
        );
    }
    if stats.dropped > 0 {
        let _ = writeln!(
            text,
            "{} events are missing: the recorder dropped them",
            stats.dropped
        );
    }
    text
}

fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    columns
        .or_else(|| comfy_table::Table::new().width().map(usize::from))
        .unwrap_or(WIDTH_DEFAULT)
}
