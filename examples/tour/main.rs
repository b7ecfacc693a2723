//! The tour: the services play a session each in this one process, over real TCP on loopback.
//!
//!     cargo run --example tour
//!
//! You will see the terminals of each session side by side, then what was proved, rule by rule. The traces and the
//! space-time diagrams (SVG) are left in `target/tour`, or in the folder named as an argument, which is emptied first.
//! The exit code is not 0 if a rule is broken or somebody saw something else than they had to.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example speaks to whoever runs it"
)]

mod bank_session;
mod chat_session;
#[path = "../common/links.rs"]
mod links;
mod multicast_session;
mod stage;
#[path = "../common/three.rs"]
mod three;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stage::Stage;

/// Where traces and diagrams go unless told otherwise.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tour");

fn main() -> ExitCode {
    proto::net::cli::exit_code(run())
}

fn run() -> anyhow::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| Path::new(FOLDER).to_owned(), PathBuf::from);
    let mut stage = Stage::new(folder)?;
    chat_session::play(&mut stage)?;
    bank_session::play(&mut stage)?;
    multicast_session::play(&mut stage)?;
    stage.conclude()
}
