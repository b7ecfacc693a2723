//! The README shows what the tour prints.

use std::path::PathBuf;
use std::process::Command;

/// The tour as cargo built it: `cargo test` builds the examples beside the tests.
fn tour() -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows where it is");
    tests
        .parent()
        .and_then(|deps| deps.parent())
        .expect("cargo puts tests into target/…/deps")
        .join("examples/tour")
}

#[test]
fn the_readme_shows_what_the_tour_prints() {
    let tour = tour();
    assert!(
        tour.exists(),
        "{} is not built; hint: cargo build --example tour",
        tour.display()
    );
    let traces = tempfile::tempdir().expect("a folder for the traces");
    let output = Command::new(&tour)
        .arg(traces.path())
        .output()
        .expect("the tour runs");
    let printed = String::from_utf8(output.stdout).expect("the tour prints text");
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let shown = printed
        .split("\nThe traces are in")
        .next()
        .expect("split gives at least one piece")
        .trim();
    let readme = include_str!("../README.md");
    assert!(
        readme.contains(shown),
        "README.md shows another tour than this:\n\n{shown}"
    );
}
