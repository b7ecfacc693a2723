//! `multicast-client`: talks to a running peer of a multicast group.

mod run;
mod show;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use multicast::client::Since;
use proto::net::cli;

/// Talk to a running peer of a multicast group
///
/// The peer's address is HOST:PORT, a port on this machine, or P1, P2 or P3 for the built-in group on
/// localhost:5001 to 5003.
#[derive(Debug, Parser)]
#[command(
    name = "multicast-client",
    version,
    mut_arg("trace", |trace| trace.global(true)),
    mut_arg("address", |address| address.value_parser(run::resolve).help("The peer: HOST:PORT, PORT, or P1, P2, P3")),
    mut_arg("server", |server| server.value_parser(run::resolve))
)]
struct Args {
    #[command(flatten)]
    address: cli::AddressArgs,
    #[command(subcommand)]
    command: Command,
    /// The name of this client in its trace [default: client- and the process number]
    #[arg(long = "as", value_name = "NAME", global = true)]
    process: Option<lamport::ProcessId>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    /// What is logged on stderr: error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL", default_value = "warn", global = true)]
    log: String,
    #[command(flatten)]
    trace: cli::TraceArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Multicast a text; without one, every line of the standard input
    Send {
        /// The text
        text: Option<String>,
    },
    /// Show what the peer delivers, over its restarts too, until ctrl-c
    Watch {
        /// Go on after this message (P1/1/17), from the `start` of what the peer keeps, or from `now`
        #[arg(long, value_name = "MESSAGE", default_value = "now")]
        since: Since,
        /// End after so many messages
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Show how the peer is
    Status,
    /// Show the members of the group as the peer knows them
    Members,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Args = cli::parse("MULTICAST_CLIENT");
    let started = cli::log_to_stderr(&args.log);
    cli::exit_code(match started {
        Ok(()) => run::run(args).await,
        Err(error) => Err(error),
    })
}
