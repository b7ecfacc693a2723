//! Running an example as cargo built it. `cargo test` builds the examples beside the tests; `cargo test --test NAME` alone does
//! not build them anew: `cargo build --examples` first.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the example prints, if it ends well.
pub(crate) fn example(name: &str, arguments: &[&Path]) -> String {
    let example = path(name);
    assert!(
        example.exists(),
        "{} is not built; hint: cargo build --example {name}",
        example.display()
    );
    let output = Command::new(&example)
        .args(arguments)
        .output()
        .expect("the example runs");
    let printed = String::from_utf8(output.stdout).expect("an example prints text");
    assert!(
        output.status.success(),
        "{name} failed: {printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

fn path(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a test knows where it is");
    let built = tests.parent().and_then(Path::parent);
    built
        .expect("cargo puts tests into target/…/deps")
        .join("examples")
        .join(name)
}
