//! The chat server's load benchmark: `cargo bench -p chat --bench fanout` (`-- --help` lists the rows and flags).
//!
//! It starts the real `chat` binary, history and all, and in the same run the physical limit, a server that only copies
//! bytes (`limit.rs`), on two cores, and loads them from two others. Only the ratios travel from machine to machine.
//! Every delivery is counted; a run that lost, doubled or disordered one is marked and its figure proves nothing.
//!
//! `cargo test -p chat --benches` runs the self-check instead: the load program must find each fault planted in the
//! limit server, and none when there is none.

mod checker;
mod connection;
mod json;
mod limit;
mod line;
mod load;
mod members;
mod report;
mod rows;
mod self_check;
mod server;
mod suite;
mod tables;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Measures the chat server against the physical limit of this machine.
#[derive(Parser, Debug)]
#[command(
    name = "fanout",
    bin_name = "cargo bench -p chat --bench fanout --",
    max_term_width = 100
)]
pub(crate) struct Args {
    /// Measure in half a minute: one round, shorter runs, fewer idle connections, and no stalled reader
    #[arg(long)]
    quick: bool,
    /// Only these kinds of rows
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Row>,
    /// Fan-out to so many receivers
    #[arg(long, value_delimiter = ',', default_values = ["10", "100", "1000"])]
    receivers: Vec<usize>,
    /// Fan-out from so many senders at once (at most 9)
    #[arg(long, value_delimiter = ',', default_values = ["1", "4"], value_parser = clap::value_parser!(u64).range(1..=9))]
    senders: Vec<u64>,
    /// Fan-out at so many texts a second in all, from one sender, instead of flat out
    #[arg(long, value_name = "TEXTS")]
    pace: Option<u32>,
    /// Alternate between the servers so many times in each row [default: 3, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Load a fan-out run for so many seconds [default: 1, with --quick 0.5]
    #[arg(long)]
    seconds: Option<f64>,
    /// Connections of the idle row [default: 10000, with --quick 2000]
    #[arg(long)]
    idle_connections: Option<usize>,
    /// Run the chat server without history
    #[arg(long)]
    memory: bool,
    /// Measure this chat server instead of the one just built (another commit's, say)
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,
    /// Measure only the limit: how fast are this machine and the load program?
    #[arg(long)]
    limit_only: bool,
    /// Also run the limit with bare texts instead of lines as long as the chat server's
    #[arg(long)]
    bare: bool,
    /// Also run what is installed of the others: Redis publish and subscribe
    #[arg(long)]
    peers: bool,
    /// Print a Markdown table, for docs/benchmarks.md
    #[arg(long)]
    markdown: bool,
    /// Print every run as JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// What cargo bench passes
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the physical limit
    #[arg(long, hide = true)]
    limit_server: bool,
    /// Be a limit with a fault
    #[arg(long, hide = true, value_enum)]
    plant: Option<limit::Plant>,
}

/// A kind of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Deliveries a second, flat out
    Fanout,
    /// Latency at a steady 200 texts a second to 100 receivers
    Latency,
    /// Memory of a joined idle connection
    Idle,
    /// One stalled reader among 100
    Stalled,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = if args.limit_server {
        limit::serve(args.plant).map_err(Into::into)
    } else if args.bench {
        suite::run(&args)
    } else {
        self_check::run()
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("fanout: {error:#}");
            ExitCode::FAILURE
        }
    }
}
