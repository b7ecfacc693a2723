//! `bank` and its commands, as an operator meets them.

mod accounts;
mod complaints;
mod documents;
mod lost_stamps;
#[path = "../../../../tests/common/mistakes.rs"]
mod mistakes;

use std::path::Path;

const BANK: &str = env!("CARGO_BIN_EXE_bank");
const CLIENT: &str = env!("CARGO_BIN_EXE_bank-client");

/// What a command that succeeds prints.
fn done(directory: &Path, words: &str) -> String {
    let output = mistakes::run(BANK, directory, words);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {log}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
