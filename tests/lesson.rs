//! What docs/lesson.md shows is what the examples print, and what its traces say.

mod common;

use std::path::Path;

use common::example;
use lamport::check::{Check, Merge, Options, Order, Violation};
use lamport::view::{Filter, Run, text};

const LESSON: &str = include_str!("../docs/lesson.md");
/// As wide as what is no terminal.
const COLUMNS: usize = 100;

const LUNCH: &str = include_str!("../docs/lunch.jsonl");

/// What the lesson shows after the command, piece by piece.
fn shown(command: &str) -> impl Iterator<Item = &'static str> {
    let blocks = LESSON.split("```").skip(1).step_by(2);
    let mut sessions = blocks.filter_map(|block| block.strip_prefix("console\n$ ")?.split_once('\n'));
    let (_, shown) = sessions
        .find(|(session, _)| session.ends_with(command))
        .unwrap_or_else(|| panic!("docs/lesson.md does not show {command}"));
    shown.split("[…]\n").filter(|piece| !piece.is_empty())
}

/// The pieces stand in `printed`, in their order.
#[track_caller]
fn check(command: &str, printed: &str) {
    let mut rest = printed;
    for piece in shown(command) {
        let Some(start) = rest.find(piece) else {
            panic!("docs/lesson.md shows after {command}\n{piece}\nand printed is\n{printed}");
        };
        rest = &rest[start + piece.len()..];
    }
}

fn merged(trace: &str) -> Merge<'_> {
    let mut merge = Merge::new();
    merge
        .add("trace", trace.as_bytes())
        .expect("one trace is not too many");
    merge
}

fn verdict(trace: &str, order: Option<Order>) -> Result<(), Box<Violation>> {
    let options = Options {
        order,
        ..Options::default()
    };
    merged(trace)
        .check(Check::new(options))
        .expect("a trace")
        .map(drop)
}

/// The words of `lamport check` for what is broken.
fn broken(violation: &Violation) -> String {
    let Violation { rule, says, .. } = violation;
    format!("broken: {rule}\n  {says}\n  rule: {}\n", rule.says())
}

#[test]
fn the_lesson_shows_what_the_examples_print() {
    for name in ["concurrent_events", "partition"] {
        check(&format!("--example {name}"), &example(name, &[]));
    }
    let folder = tempfile::tempdir().expect("a folder for traces and diagrams");
    example("tour", &[folder.path()]);
    let mut traces = Merge::new();
    for process in ["p1", "p2", "p3"] {
        let file = folder.path().join(format!("multicast-{process}.jsonl"));
        traces.open(Path::new(&file)).expect("the tour records it");
    }
    let run = Run::read(&mut traces, &Filter::default()).expect("traces of the tour");
    check(
        "diagram --text target/tour/multicast-*.jsonl",
        &text(&run, COLUMNS),
    );
}

#[test]
fn the_lesson_shows_what_its_trace_says() {
    let run = Run::read(&mut merged(LUNCH), &Filter::default()).expect("a trace");
    check("diagram --text docs/lunch.jsonl", &text(&run, COLUMNS));

    verdict(LUNCH, None).expect("its clocks are right");
    verdict(LUNCH, Some(Order::Fifo)).expect("its messages come in the order of their senders");
    let violation = verdict(LUNCH, Some(Order::Causal)).expect_err("the answer comes first");
    check("check --order causal docs/lunch.jsonl", &broken(&violation));

    let mut lines: Vec<String> = LUNCH.lines().map(str::to_owned).collect();
    lines[3] = lines[3].replace(r#""lamport":4"#, r#""lamport":3"#);
    let violation = verdict(&lines.join("\n"), None).expect_err("it is received when it was sent");
    check("check wrong.jsonl", &broken(&violation));

    let mut lines: Vec<&str> = LUNCH.lines().collect();
    lines.swap(3, 4);
    let swapped = lines.join("\n");
    let swapped = swapped.replace(r#""P3","lamport":5"#, r#""P3","lamport":9"#);
    let swapped = swapped.replace(r#""P3","lamport":4"#, r#""P3","lamport":5"#);
    let swapped = swapped.replace(r#""P3","lamport":9"#, r#""P3","lamport":4"#);
    verdict(&swapped, Some(Order::Causal)).expect("the question comes first");
}
