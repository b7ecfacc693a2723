//! The whole measurement: which rows, in which order, with a progress bar; what they brought goes to the report.
//!
//! In every round a row and its limit are measured one right after the other, so that a machine that gets slower or
//! faster meanwhile does so for both; a ratio is taken within a round.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use measure::machine::{self, Cores};
use tempfile::TempDir;

use crate::limits::Limit;
use crate::load::{self, ACCOUNTS, Clients, Outcome, Shape};
use crate::report::Report;
use crate::server::{self, Kind};
use crate::{Args, Row};

/// Runs what the arguments ask for and prints the report.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let suite = Suite::new(args)?;
    suite.bar.enable_steady_tick(Duration::from_millis(200));
    suite.bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}").context("a template")?,
    );
    // Named before this thread is pinned: it counts the cores that it may use.
    let mut report = Report {
        machine: machine::name(),
        cores: suite.cores.describe(),
        setting: suite.setting(),
        lines: Vec::new(),
    };
    machine::pin(&suite.cores.generator);
    for &row in &args.only {
        match row {
            Row::Single => report.lines.extend(suite.single()?),
            Row::Many => report
                .lines
                .push(suite.against_echo("64 connections, one at a time", 1, false)?),
            Row::Hot => report.lines.push(suite.hot()?),
            Row::Pipelined => report.lines.push(suite.pipelined()?),
            Row::Startup => report.lines.extend(suite.startup()?),
        }
    }
    suite.bar.finish_and_clear();
    report.print(args)
}

/// What `cargo test --benches` runs: every server once, for a moment, and a refused transfer must be noticed.
pub(crate) fn self_check(args: &Args) -> anyhow::Result<()> {
    let mut suite = Suite::new(args)?;
    suite.load_for = Duration::from_millis(50);
    suite.cores = Cores {
        server: Vec::new(),
        generator: Vec::new(),
    };
    let shape = |is_bank, hot| Shape {
        connections: 4,
        window: 4,
        hot,
        keys: true,
        is_bank,
        clients: args.clients,
    };
    for (kind, is_bank) in [
        (suite.bank.clone(), true),
        (Kind::Limit(Limit::Echo), false),
        (Kind::Limit(Limit::Journal), false),
    ] {
        for hot in [false, true] {
            let place = suite.place(is_bank)?;
            suite.once(&kind, place.path(), shape(is_bank, hot))?;
        }
    }
    // Whoever is not logged in is refused: the load must say so.
    let place = suite.place(true)?;
    let refused = suite.once(&suite.bank, place.path(), shape(false, false));
    ensure!(
        refused.is_err(),
        "4 connections were refused every transfer, and nobody noticed"
    );
    anstream::println!("self-check: all servers answer, and a refused transfer is noticed");
    Ok(())
}

/// What every row needs.
pub(crate) struct Suite<'a> {
    pub(crate) args: &'a Args,
    pub(crate) cores: Cores,
    pub(crate) bank: Kind,
    program: PathBuf,
    pub(crate) rounds: usize,
    load_for: Duration,
    bar: ProgressBar,
}

impl<'a> Suite<'a> {
    fn new(args: &'a Args) -> anyhow::Result<Self> {
        let built = option_env!("CARGO_BIN_EXE_bank").map(PathBuf::from);
        let program = args
            .server
            .clone()
            .or(built)
            .context("there is no bank; hint: name one with --server")?;
        let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 3 });
        let steps = args.only.iter().map(|row| match row {
            Row::Single => 3 * rounds,
            Row::Many => 3 * rounds,
            Row::Hot => 2 * rounds,
            Row::Pipelined => 2 * rounds + 1,
            // Filling, replays, starts from a snapshot, the bank to compare its memory with.
            Row::Startup => 2 + 2 * rounds,
        });
        Ok(Self {
            args,
            cores: Cores::split(),
            bank: Kind::Bank(program.clone()),
            program,
            rounds,
            load_for: Duration::from_secs_f64(args.seconds.unwrap_or(if args.quick { 0.7 } else { 2.0 })),
            bar: ProgressBar::new(steps.sum::<usize>() as u64),
        })
    }

    fn setting(&self) -> String {
        let keys = if self.args.no_keys {
            "without keys"
        } else {
            "each with an idempotency key"
        };
        format!(
            "durable transfers among {ACCOUNTS} accounts, {keys}, clients: {}; {} rounds of {:?}: median (lowest–highest)",
            match self.args.clients {
                Clients::Sweep => "two threads that sweep and sleep",
                Clients::Spin => "two threads that spin",
                Clients::Tasks => "a task for each connection",
            },
            self.rounds,
            self.load_for
        )
    }

    pub(crate) fn step(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.inc(1);
    }

    /// A directory on the disk that is measured, with the accounts in it if it is for a bank.
    pub(crate) fn place(&self, accounts: bool) -> anyhow::Result<TempDir> {
        let within = self
            .args
            .dir
            .clone()
            .unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
        let place = tempfile::Builder::new()
            .prefix("bank-bench-")
            .tempdir_in(within)?;
        if accounts {
            self.generate(place.path(), ACCOUNTS, 0)?;
        }
        Ok(place)
    }

    pub(crate) fn generate(&self, data: &Path, accounts: u32, entries: u64) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.args([
            "generate",
            "--accounts",
            &accounts.to_string(),
            "--entries",
            &entries.to_string(),
            "--data",
        ]);
        command.arg(data).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        while child.try_wait()?.is_none() {
            self.bar
                .set_message(format!("filling a directory, {} MiB", bytes_in(data) >> 20));
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// One run on a fresh server, with its CPU seconds.
    fn once(&self, kind: &Kind, data: &Path, shape: Shape) -> anyhow::Result<(Outcome, Option<f64>)> {
        let mut server = server::start(kind, data, &self.cores)?;
        let before = server.cpu();
        let outcome = load::run(server.address, shape, self.load_for, &self.cores)
            .with_context(|| format!("failed to load {kind:?}; its log ends:\n{}", server.log_tail()))?;
        // The whole load was served in that time, the part that is not measured too.
        let used = before.zip(server.cpu()).map(|(before, after)| after - before);
        if matches!(kind, Kind::Bank(_)) {
            server::stop(server)?;
        }
        Ok((outcome, used))
    }

    /// One step of the bank: what it brought, and its CPU seconds for a million transfers.
    pub(crate) fn run_bank(
        &self,
        what: &str,
        connections: usize,
        window: usize,
        hot: bool,
    ) -> anyhow::Result<(Outcome, f64)> {
        self.step(&format!("{what}, the bank"));
        let place = self.place(true)?;
        let shape = Shape {
            connections,
            window,
            hot,
            keys: !self.args.no_keys,
            is_bank: true,
            clients: self.args.clients,
        };
        let (outcome, cpu) = self.once(&self.bank, place.path(), shape)?;
        // The warm-up's transfers cost like the others.
        let all = outcome.rate() * (self.load_for.as_secs_f64() + 0.2);
        Ok((outcome, cpu.unwrap_or(f64::NAN) / (all / 1e6)))
    }

    /// One step of a limit.
    pub(crate) fn run_limit(
        &self,
        what: &str,
        limit: Limit,
        connections: usize,
        window: usize,
    ) -> anyhow::Result<Outcome> {
        self.step(&format!("{what}, {limit:?}"));
        let place = self.place(false)?;
        let shape = Shape {
            connections,
            window,
            hot: false,
            keys: !self.args.no_keys,
            is_bank: false,
            clients: self.args.clients,
        };
        Ok(self.once(&Kind::Limit(limit), place.path(), shape)?.0)
    }
}

/// Bytes of the files in a directory; none if there is no directory yet.
fn bytes_in(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|about| about.len())
        .sum()
}
