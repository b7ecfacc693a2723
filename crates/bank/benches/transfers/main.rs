//! The bank's load benchmark: `cargo bench -p bank --bench transfers` (`-- --help` lists the rows and flags).
//!
//! It starts the real `bank` binary in a directory of its own, and in the same run the limits beside it: the disk's
//! fdatasync, a plain echo server, and a server that keeps nothing but a journal file ([`limits`]). Servers run on two
//! cores, the load on two others. Only the ratios travel from machine to machine. Every reply is counted, and one that
//! is no success makes the row void.
//!
//! Transfers carry idempotency keys, as those of our own client do; `--no-keys` leaves them away.

mod limits;
mod load;
mod report;
mod rows;
mod server;
mod startup;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Measures the bank against the limits of this machine.
#[derive(Parser, Debug)]
#[command(
    name = "transfers",
    bin_name = "cargo bench -p bank --bench transfers --",
    max_term_width = 100
)]
pub(crate) struct Args {
    /// Measure in half a minute, roughly: one round, shorter runs, a tenth of the accounts at the start-up
    #[arg(long)]
    quick: bool,
    /// Only these rows
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["single", "many", "hot", "pipelined", "startup"])]
    only: Vec<Row>,
    /// Measure each row so many times, in turn with its limit [default: 3, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Load for so many seconds [default: 2, with --quick 0.7]
    #[arg(long)]
    seconds: Option<f64>,
    /// Send transfers without idempotency keys
    #[arg(long)]
    no_keys: bool,
    /// How the clients are driven
    #[arg(long, value_enum, default_value_t = load::Clients::Sweep)]
    clients: load::Clients,
    /// Put the data here: the disk that is measured [default: the build directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measure this bank instead of the one just built (another commit's, say)
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,
    /// Print a Markdown table, for docs/benchmarks.md
    #[arg(long)]
    markdown: bool,
    /// Print every figure as JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// What cargo bench passes
    #[arg(long, hide = true)]
    bench: bool,
    /// Be one of the limits
    #[arg(long, hide = true, value_enum)]
    be: Option<limits::Limit>,
    /// Where the journal limit keeps its file
    #[arg(long, hide = true)]
    journal: Option<PathBuf>,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// 1 connection, one transfer at a time
    Single,
    /// 64 connections, one transfer at a time each
    Many,
    /// The same with 90 % of the transfers between two accounts
    Hot,
    /// 64 connections with 64 transfers on their way each
    Pipelined,
    /// Start with 1,000,000 accounts and 10,000,000 entries, and the memory of an account
    Startup,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.be {
        Some(limit) => limits::serve(limit, args.journal.as_deref()),
        None if args.bench => suite::run(&args),
        None => suite::self_check(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("transfers: {error:#}");
            ExitCode::FAILURE
        }
    }
}
