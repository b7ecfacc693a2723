//! The tour: the services play a session each in this one process, over real TCP on loopback.
//!
//!     cargo run --example tour
//!
//! You will see the terminals of each session side by side, what was checked about it, and where the traces are. The
//! exit code is not 0 if a check fails.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example speaks to whoever runs it"
)]

mod bank_session;
mod chat_session;
mod stage;

use std::process::ExitCode;

use stage::Stage;

fn main() -> ExitCode {
    proto::net::cli::exit_code(run())
}

fn run() -> anyhow::Result<()> {
    let mut stage = Stage::new()?;
    chat_session::play(&mut stage)?;
    bank_session::play(&mut stage)?;
    stage.conclude()
}
