//! The bank's ATM and its commands for scripts; see [`bank::client::terminal`].

use std::process::ExitCode;

use bank::client::terminal::{Args, run};

fn main() -> ExitCode {
    run(&proto::net::cli::parse::<Args>("BANK_CLIENT"))
}
