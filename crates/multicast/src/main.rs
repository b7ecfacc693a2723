//! `multicast`: a member of a reliable multicast group, at a terminal or for programs.

mod analyse;
mod peer;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lamport::ProcessId;
use multicast::Order;
use proto::net::cli::{self, ObserveArgs, PageArgs, ServerArgs};
use tokio::runtime;

use self::analyse::{AnalyseArgs, analyse};

/// Join a multicast group: every line typed is delivered once at every member
///
/// Without --group the members are P1, P2 and P3 on localhost:5001 to 5003. Every flag is an environment variable
/// too: --id is MULTICAST_ID.
#[derive(Debug, Parser)]
#[command(name = "multicast", version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Which member this is
    #[arg(long)]
    id: Option<ProcessId>,
    /// The members and their addresses: a file such as {"P1": "localhost:5001", "P2": "localhost:5002"}
    #[arg(long, value_name = "FILE")]
    group: Option<PathBuf>,
    /// In which order messages are delivered: none, fifo, causal or total; the same at every member
    #[arg(long, default_value = "causal", value_parser = parse_order)]
    order: Order,
    /// Send a scripted series of messages instead of waiting for somebody to type
    #[arg(long)]
    auto: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Keep a journal, so that a crash loses and doubles nothing
    #[arg(long, conflicts_with = "memory")]
    durable: bool,
    /// Where the incarnation and the journal are kept [default: data/multicast/ID]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep nothing: the incarnation is then the time
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// A file with the group's secret; needed between machines
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    observe: ObserveArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the table of a run, from its members' traces
    Analyse(AnalyseArgs),
}

/// What sets the number of threads in place of [`THREADS`].
const THREADS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// Threads of the runtime. A member's work is one thing after the other, so one does it; the other serves clients and the page.
/// More of them wake each other for nothing (docs/benchmarks.md).
const THREADS: usize = 2;

fn main() -> ExitCode {
    let args: Args = cli::parse("MULTICAST");
    cli::exit_code(match &args.command {
        Some(Command::Analyse(traces)) => {
            analyse(traces, &mut io::stdout().lock(), &mut io::stderr().lock()).map_err(Into::into)
        }
        None => cli::log_to_stderr(&args.observe.log).and_then(|()| run(args)),
    })
}

/// Runs the member in a task of the runtime: what arrives need not wake the main thread.
fn run(args: Args) -> anyhow::Result<()> {
    let mut runtime = runtime::Builder::new_multi_thread();
    if std::env::var_os(THREADS_VARIABLE).is_none() {
        runtime.worker_threads(THREADS);
    }
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(runtime.spawn(peer::run(args)))?
}

fn parse_order(text: &str) -> Result<Order, String> {
    Ok(match text {
        "none" => Order::None,
        "fifo" => Order::Fifo,
        "causal" => Order::Causal,
        "total" => Order::Total,
        _ => return Err("the orders are none, fifo, causal and total".to_owned()),
    })
}
