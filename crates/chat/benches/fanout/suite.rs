//! The whole measurement: which runs, in which order, with a progress bar; what they brought goes to the report.
//!
//! The servers alternate in every row, round by round, so that a machine that gets slower or faster meanwhile does so
//! for both; a ratio is taken within a round.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use measure::machine::{self, Cores};

use crate::load::Pace;
use crate::report::{FanoutRow, LatencyRow, Report, StalledRow};
use crate::rows;
use crate::server::{self, Kind};
use crate::{Args, Row};

/// File descriptors for the idle row's connections and everything else.
const OPEN_FILES: u64 = 24_000;
/// How long a reader sleeps that wakes up again.
const NAP: Duration = Duration::from_secs(4);

/// Runs what the arguments ask for and prints the report.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let machine = machine::name();
    let cores = Cores::split();
    machine::pin(&cores.generator);
    machine::raise_open_files(OPEN_FILES);

    let mut kinds = Vec::new();
    if !args.limit_only {
        kinds.push(Kind::Chat {
            program: chat_program(args)?,
            memory: args.memory,
        });
    }
    kinds.push(Kind::Limit {
        bare: false,
        plant: None,
    });
    if args.bare {
        kinds.push(Kind::Limit {
            bare: true,
            plant: None,
        });
    }
    if args.peers {
        kinds.push(
            server::redis().context(
                "there is no redis-server to compare with\nhint: install it, or leave --peers out",
            )?,
        );
    }
    let mut suite = Suite {
        args,
        cores,
        kinds,
        bar: ProgressBar::no_length(),
    };
    let mut report = Report::new(machine, suite.cores.describe(), suite.kinds[0].name());
    suite.bar = ProgressBar::new(suite.steps()).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}")
            .expect("the template is well formed"),
    );
    let measured = suite.measure(&mut report);
    suite.bar.finish_and_clear();
    // What was measured before something failed is worth its minutes.
    report.print(args)?;
    measured
}

/// The program under test: the one given, or the one Cargo built with this benchmark.
fn chat_program(args: &Args) -> anyhow::Result<PathBuf> {
    let built = option_env!("CARGO_BIN_EXE_chat").map(PathBuf::from);
    args.server.clone().or(built).context(
        "there was no chat server to build when this benchmark was built\n\
         hint: --limit-only measures the machine, --server PROGRAM measures a chat server built elsewhere",
    )
}

struct Suite<'a> {
    args: &'a Args,
    cores: Cores,
    kinds: Vec<Kind>,
    bar: ProgressBar,
}

impl Suite<'_> {
    fn rounds(&self) -> usize {
        self.args.rounds.unwrap_or(if self.args.quick { 1 } else { 3 })
    }

    fn pace(&self) -> Pace {
        self.args.pace.map_or(Pace::FlatOut, Pace::Steady)
    }

    fn fanout_for(&self) -> Duration {
        Duration::from_secs_f64(
            self.args
                .seconds
                .unwrap_or(if self.args.quick { 0.5 } else { 1.0 }),
        )
    }

    fn idle_connections(&self) -> usize {
        self.args
            .idle_connections
            .unwrap_or(if self.args.quick { 2_000 } else { 10_000 })
    }

    fn latency_for(&self) -> Duration {
        Duration::from_secs(if self.args.quick { 2 } else { 4 })
    }

    fn wants(&self, row: Row) -> bool {
        match self.args.only.as_slice() {
            // Seconds cannot hurry a reader that is given ten of them.
            [] => !self.args.quick || row != Row::Stalled,
            only => only.contains(&row),
        }
    }

    fn shapes(&self) -> impl Iterator<Item = (usize, usize)> {
        let senders = self.args.senders.iter().map(|&senders| senders as usize);
        senders.flat_map(|senders| {
            self.args
                .receivers
                .iter()
                .map(move |&receivers| (senders, receivers))
        })
    }

    /// How many runs there will be.
    fn steps(&self) -> u64 {
        let each = (self.rounds() * self.kinds.len()) as u64;
        let of = |row, steps| if self.wants(row) { steps } else { 0 };
        of(Row::Fanout, each * self.shapes().count() as u64)
            + of(Row::Latency, each)
            + of(Row::Idle, self.kinds.len() as u64)
            + of(Row::Stalled, if self.args.limit_only { 0 } else { 3 })
    }

    /// Runs once on each server, `rounds` times; the outer list is by round.
    fn alternate<R>(
        &self,
        what: &str,
        mut once: impl FnMut(&Kind) -> anyhow::Result<R>,
    ) -> anyhow::Result<Vec<Vec<R>>> {
        (0..self.rounds())
            .map(|_| {
                self.kinds
                    .iter()
                    .map(|kind| {
                        self.step(format!("{what}, {}", kind.name()));
                        once(kind).with_context(|| format!("failed to measure {what} on {}", kind.name()))
                    })
                    .collect()
            })
            .collect()
    }

    fn step(&self, what: String) {
        self.bar.inc(1);
        self.bar.set_message(what);
    }

    fn measure(&self, report: &mut Report) -> anyhow::Result<()> {
        let names: Vec<&str> = self.kinds.iter().map(Kind::name).collect();
        if self.wants(Row::Fanout) {
            for (senders, receivers) in self.shapes() {
                let rounds = self.alternate(&format!("{senders} → {receivers}"), |kind| {
                    rows::fanout(
                        kind,
                        &self.cores,
                        receivers,
                        senders,
                        self.pace(),
                        self.fanout_for(),
                    )
                })?;
                report.fanout.push(FanoutRow {
                    senders,
                    receivers,
                    names: names.clone(),
                    rounds,
                });
            }
        }
        if self.wants(Row::Latency) {
            let rounds = self.alternate("latency", |kind| {
                rows::latency(kind, &self.cores, self.latency_for())
            })?;
            report.latency = Some(LatencyRow {
                names: names.clone(),
                rounds,
            });
        }
        if self.wants(Row::Idle) {
            for kind in &self.kinds {
                self.step(format!(
                    "{} idle connections, {}",
                    self.idle_connections(),
                    kind.name()
                ));
                let bytes = rows::idle(kind, &self.cores, self.idle_connections())
                    .with_context(|| format!("failed to measure idle connections on {}", kind.name()))?;
                report.idle.push((kind.name(), self.idle_connections(), bytes));
            }
        }
        if self.wants(Row::Stalled) && !self.args.limit_only {
            report.stalled = Some(self.stalled()?);
        }
        Ok(())
    }

    /// The chat server only: the limit waits for the slowest, by design.
    fn stalled(&self) -> anyhow::Result<StalledRow> {
        let kind = &self.kinds[0];
        let run = |what: &str, asleep_for, seconds| {
            self.step(format!("100 receivers, {what}"));
            rows::stalled(kind, &self.cores, asleep_for, Duration::from_secs(seconds))
                .with_context(|| format!("failed to measure 100 receivers, {what}"))
        };
        Ok(StalledRow {
            none: run("none of them stalled", None, if self.args.quick { 2 } else { 5 })?,
            napping: run("one asleep for a while", Some(NAP), 6)?,
            stalled: run("one stalled for good", Some(Duration::MAX), 12)?,
        })
    }
}
