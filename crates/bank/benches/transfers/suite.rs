//! The whole measurement: which rows, in which order, with a progress bar; what they brought goes to the report.
//!
//! In every round a row and its limit are measured one right after the other, so that a machine that gets slower or
//! faster meanwhile does so for both; a ratio is taken within a round.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::limits::{Limit, fdatasync};
use crate::load::{self, ACCOUNTS, Clients, Outcome, Shape};
use crate::machine::{self, Cores};
use crate::report::{Figure, Line, Report};
use crate::server::{Kind, Server};
use crate::{Args, Row};

/// Times that fdatasync is called for its median.
const SYNCS: usize = 2_000;

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
        let mut server = Server::start(kind, data, &self.cores)?;
        let before = server.cpu();
        let outcome = load::run(server.address, shape, self.load_for, &self.cores)
            .with_context(|| format!("failed to load {kind:?}; its log ends:\n{}", server.log_tail()))?;
        // The whole load was served in that time, the part that is not measured too.
        let used = before.zip(server.cpu()).map(|(before, after)| after - before);
        if matches!(kind, Kind::Bank(_)) {
            server.stop()?;
        }
        Ok((outcome, used))
    }

    fn run_bank(
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

    fn run_limit(
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

    /// 1 connection, one at a time, against one sync and one round trip.
    fn single(&self) -> anyhow::Result<Vec<Line>> {
        let what = "1 connection, one at a time";
        let mut p50 = Line::new(
            what,
            "µs p50",
            "fdatasync of 4 KiB + loopback round trip, p50",
            "≤ 2",
        );
        let mut p99 = Line::new("", "µs p99", "the same, p99 + p99", "");
        let mut rate = Line::new("", "transfers/s", "", "");
        let (mut syncs, mut trips) = (Figure::default(), Figure::default());
        for _ in 0..self.rounds {
            self.step("fdatasync");
            let sync = fdatasync(self.place(false)?.path(), SYNCS)?;
            let trip = self.run_limit("a round trip", Limit::Echo, 1, 1)?;
            let (bank, cpu) = self.run_bank(what, 1, 1, false)?;
            let micros = |outcome: &Outcome, share| outcome.latency.quantile_ms(share) * 1000.0;
            syncs.0.push(sync.p50.as_secs_f64() * 1e6);
            trips.0.push(micros(&trip, 0.5));
            p50.bank.0.push(micros(&bank, 0.5));
            p50.limit
                .0
                .push(sync.p50.as_secs_f64() * 1e6 + micros(&trip, 0.5));
            p50.cpu.0.push(cpu);
            p99.bank.0.push(micros(&bank, 0.99));
            p99.limit
                .0
                .push(sync.p99.as_secs_f64() * 1e6 + micros(&trip, 0.99));
            rate.bank.0.push(bank.rate());
        }
        let show = |figure: &Figure| figure.median().unwrap_or(f64::NAN);
        p50.note = format!(
            "fdatasync {:.0} µs, round trip {:.0} µs",
            show(&syncs),
            show(&trips)
        );
        Ok(vec![p50, p99, rate])
    }

    fn against_echo(&self, what: &'static str, window: usize, hot: bool) -> anyhow::Result<Line> {
        let mut line = Line::new(what, "transfers/s", "plain echo server, likewise", "≥ 0.6");
        let (mut p99, mut journal) = (Figure::default(), Figure::default());
        for _ in 0..self.rounds {
            let echo = self.run_limit(what, Limit::Echo, 64, window)?.rate();
            journal
                .0
                .push(self.run_limit(what, Limit::Journal, 64, window)?.rate());
            line.limit.0.push(echo);
            let (bank, cpu) = self.run_bank(what, 64, window, hot)?;
            line.bank.0.push(bank.rate());
            line.cpu.0.push(cpu);
            p99.0.push(bank.latency.quantile_ms(0.99));
        }
        line.note = format!(
            "p99 {:.2} ms; bare journal-file server, likewise: {}",
            p99.median().unwrap_or(f64::NAN),
            journal.show()
        );
        Ok(line)
    }

    /// 90 % between two accounts, against the same without hot accounts.
    fn hot(&self) -> anyhow::Result<Line> {
        let what = "the same, 90 % between two accounts";
        let mut line = Line::new(what, "transfers/s", "without hot accounts", "≥ 0.8");
        for _ in 0..self.rounds {
            line.limit
                .0
                .push(self.run_bank("64 connections", 64, 1, false)?.0.rate());
            let (bank, cpu) = self.run_bank(what, 64, 1, true)?;
            line.bank.0.push(bank.rate());
            line.cpu.0.push(cpu);
        }
        Ok(line)
    }

    /// 64 × 64, against a server that only keeps a journal; the pipelined echo is for comparison.
    fn pipelined(&self) -> anyhow::Result<Line> {
        let what = "64 connections × 64 on their way";
        let mut line = Line::new(what, "transfers/s", "bare journal-file server", "≥ 450,000");
        let mut p99 = Figure::default();
        for _ in 0..self.rounds {
            line.limit
                .0
                .push(self.run_limit(what, Limit::Journal, 64, 64)?.rate());
            let (bank, cpu) = self.run_bank(what, 64, 64, false)?;
            line.bank.0.push(bank.rate());
            line.cpu.0.push(cpu);
            p99.0.push(bank.latency.quantile_ms(0.99));
        }
        let echo = self.run_limit(what, Limit::Echo, 64, 64)?.rate();
        line.note = format!(
            "p99 {:.2} ms; pipelined echo {:.1} M/s",
            p99.median().unwrap_or(f64::NAN),
            echo / 1e6
        );
        Ok(line)
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

impl Line {
    pub(crate) fn new(
        what: &'static str,
        unit: &'static str,
        limit_name: &'static str,
        wanted: &'static str,
    ) -> Self {
        Self {
            what,
            unit,
            bank: Figure::default(),
            limit_name,
            limit: Figure::default(),
            wanted,
            cpu: Figure::default(),
            note: String::new(),
        }
    }
}
