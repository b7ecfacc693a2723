//! Every example runs alone and shows what its first comment promises.

mod common;

use common::example;

/// The example prints these lines, in this order, whatever stands between.
#[track_caller]
fn check(name: &str, expected: &[&str]) {
    let printed = example(name, &[]);
    let mut lines = printed.lines().map(str::trim);
    for line in expected {
        assert!(
            lines.any(|printed| printed == *line),
            "{name} does not print {line:?} in its place:\n{printed}"
        );
    }
}

#[test]
fn a_lamport_clock_cannot_tell_concurrent_events_and_a_vector_clock_can() {
    check(
        "concurrent_events",
        &[
            "3  │               ●               │               P2 pears",
            "`apples` and `pears`:",
            "Lamport times  1 < 3: `pears` cannot have caused `apples`; more they do not say",
            "vector clocks  [1, 0, 0] and [0, 3, 0]: neither happened before the other: they are concurrent",
            "`apples` and `thanks`:",
            "Lamport times  1 < 5: `thanks` cannot have caused `apples`; more they do not say",
            "vector clocks  [1, 0, 0] and [1, 3, 3]: `apples` happened before `thanks` and may have caused it",
        ],
    );
}

#[test]
fn a_killed_bank_has_all_it_acknowledged_and_does_the_rest_once() {
    check(
        "crash_recovery",
        &[
            "acknowledged and lost     0",
            "The bank is back; the customers repeat what they had no answer to, and go on.",
            "transfers asked for       1000",
            "transfers in the journal  1000",
            "All accounts together held 100.00 before and hold 100.00 now.",
        ],
    );
}

#[test]
fn a_partition_stops_total_order_and_not_causal_order() {
    check(
        "partition",
        &[
            "In causal order",
            "P2 is cut off    P1: hello · from P3",
            "P2: hello · from P2",
            "P3: hello · from P3",
            "and back         P1: hello · from P3 · from P2",
            "P2: hello · from P2 · from P3",
            "P3: hello · from P3 · from P2",
            "In total order",
            "P2 is cut off    P1: hello (waits for P2)",
            "P2: hello",
            "P3: hello (waits for P2)",
        ],
    );
}

#[test]
fn replicas_in_total_order_stay_equal() {
    let printed = example("state_machine", &[]);
    let accounts: Vec<&str> = printed
        .split("P")
        .filter(|part| part.contains("deposit"))
        .collect();
    // Which of the two wins is the group's to say; that one does and one does not is ours.
    assert_eq!(
        printed.matches("withdraw 80  done     holds 20").count(),
        3,
        "{printed}"
    );
    assert_eq!(
        printed.matches("withdraw 80  refused  holds 20").count(),
        3,
        "{printed}"
    );
    assert!(!accounts.is_empty());
    assert!(
        printed.ends_with("All three replicas hold 20 and have the same history.\n"),
        "{printed}"
    );
}

/// The README's table names every example, and nothing else.
#[test]
fn the_readme_lists_the_examples() {
    let readme = include_str!("../README.md");
    let mut named: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `cargo run --example ")?.split('`').next())
        .collect();
    named.sort_unstable();
    let entries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).expect("the examples");
    let mut there: Vec<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() || path.join("main.rs").exists())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(named, there);
}
