//! The group's load benchmark: `cargo bench -p multicast --bench mesh` (`-- --help` lists the rows and flags).
//!
//! Three members, each a process of its own, on loopback, 100-byte payloads; in the same run the minimal full mesh
//! (`minimal.rs`), which writes each JSON message once to each peer, parses it, and keeps no books. Only the ratios travel
//! from machine to machine. Every delivery is counted and its place checked; a run that lost, doubled or disordered one is
//! marked, and its figure proves nothing.
//!
//! A member is this program started again with `--member`: it holds a generator, the mesh, and the tally of what the mesh
//! delivered, so that a delivery counts when a Rust program that uses the library has it in hand. Its own messages count too.
//!
//! With the environment variable `MESH_TRACES` every member of the group records its events in that folder.
//!
//! `cargo test -p multicast --benches` runs the self-check instead: each fault planted in the minimal mesh must be found,
//! and none when there is none.

mod cost;
mod fleet;
mod generator;
mod group;
mod member;
mod minimal;
mod moments;
mod payload;
mod report;
mod rows;
mod self_check;
mod suite;
mod tally;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Measures the multicast group against a minimal full mesh on this machine.
#[derive(Parser, Debug)]
#[command(
    name = "mesh",
    bin_name = "cargo bench -p multicast --bench mesh --",
    max_term_width = 100
)]
pub(crate) struct Args {
    /// Measure in half a minute, roughly: one round, shorter runs, a million messages for memory
    #[arg(long)]
    quick: bool,
    /// Only these rows
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<RowKind>,
    /// Only these meshes; the minimal one is always measured
    #[arg(long, value_enum, value_delimiter = ',')]
    mesh: Vec<Mesh>,
    /// Alternate between the meshes so many times in each row [default: 5, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Send flat out for so many seconds [default: 2, with --quick 0.5]
    #[arg(long)]
    seconds: Option<f64>,
    /// Send so many messages a second from each member instead of flat out
    #[arg(long, value_name = "MESSAGES")]
    pace: Option<u32>,
    /// Messages of the memory row [default: 10000000, with --quick 1000000]
    #[arg(long)]
    messages: Option<u64>,
    /// Give every member a core of its own instead of letting them share all
    #[arg(long)]
    pin: bool,
    /// Print Markdown, for docs/benchmarks.md
    #[arg(long)]
    markdown: bool,
    /// Print every run as JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// What cargo bench passes
    #[arg(long, hide = true)]
    bench: bool,
    /// Be a member of this mesh
    #[arg(long, hide = true, value_enum)]
    member: Option<Mesh>,
    /// Which member
    #[arg(long, hide = true, default_value_t = 0)]
    index: usize,
    /// Be faulty
    #[arg(long, hide = true, value_enum)]
    plant: Option<minimal::Plant>,
}

/// A row of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowKind {
    /// Deliveries a second at each member, all sending flat out
    Flat,
    /// Send to delivered everywhere, at 1,000 messages a second from each member
    Latency,
    /// The same while one member sends and the others are idle
    Idle,
    /// Resident memory over ten million messages
    Memory,
    /// Frames for each broadcast in groups of 3, 5, 9 and 25, counted on the core in virtual time
    Cost,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Mesh {
    /// The minimal full mesh
    Minimal,
    /// The group without order
    None,
    /// The group in FIFO order
    Fifo,
    /// The group in causal order
    Causal,
    /// The group in total order
    Total,
}

impl Mesh {
    /// As it stands in tables and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::None => "none",
            Self::Fifo => "fifo",
            Self::Causal => "causal",
            Self::Total => "total",
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.member {
        Some(mesh) => member::run(mesh, args.index, args.plant),
        None if args.bench => suite::run(&args),
        None => self_check::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("mesh: {error:#}");
            ExitCode::FAILURE
        }
    }
}
