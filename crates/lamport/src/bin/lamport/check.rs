//! `lamport check`: the verdict and what shows it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use lamport::check::{Check, Merge, Report, Rule, Violation};

use crate::args;
use crate::input;

/// True if the run breaks no rule.
pub(crate) fn run(arguments: &args::Check) -> anyhow::Result<bool> {
    let files = &arguments.files.files;
    let (mut merge, progress) = input::open(files)?;
    let verdict = merge.check(Check::new(arguments.options()));
    progress.finish_and_clear();
    let (passed, text) = match verdict? {
        Ok(report) if arguments.json => (true, json_report(&report)),
        Ok(report) => (true, report.to_string()),
        Err(violation) if arguments.json => (false, json_violation(&violation, &merge)),
        Err(violation) => (false, broken(&violation, &merge, files)),
    };
    input::output(None, &text)?;
    Ok(passed)
}

fn broken(violation: &Violation, merge: &Merge<'_>, files: &[PathBuf]) -> String {
    let mut text = format!(
        "broken: {}\n  {}\n  rule: {}\n",
        violation.rule,
        violation.says,
        violation.rule.says()
    );
    for witness in &violation.events {
        let (source, line) = (witness.place.source(), witness.place.line());
        let _ = writeln!(text, "  {}:{line}: {}", merge.name(source), witness.what);
        if let Some(event) = input::event(&files[source as usize], witness.place) {
            let _ = writeln!(text, "      {event}");
        }
    }
    text
}

fn json_report(report: &Report) -> String {
    let Report {
        events,
        processes,
        unproved,
        dropped,
        unfinished,
        ..
    } = report;
    let tested: BTreeMap<_, _> = Rule::ALL
        .iter()
        .map(|rule| (rule.name(), report.tested(*rule)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let value = serde_json::json!({
        "ok": true, "events": events, "processes": processes, "tested": tested, "unproved": unproved,
        "dropped": dropped, "unfinished": unfinished,
    });
    format!("{value}\n")
}

fn json_violation(violation: &Violation, merge: &Merge<'_>) -> String {
    let events: Vec<_> = (violation.events.iter())
        .map(|witness| {
            let place = witness.place;
            serde_json::json!({ "file": merge.name(place.source()), "line": place.line(), "what": witness.what })
        })
        .collect();
    let value = serde_json::json!({
        "ok": false, "rule": violation.rule.name(), "says": violation.says, "events": events,
    });
    format!("{value}\n")
}
