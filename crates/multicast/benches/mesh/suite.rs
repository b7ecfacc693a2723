//! The whole measurement: which runs, in which order, with a progress bar.
//!
//! The meshes alternate in every row, round by round, so that a machine that gets slower or faster meanwhile does so for
//! all; a ratio is taken within a round.

use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use measure::machine;
use multicast::core::Order;

use crate::cost::{self, Cost};
use crate::report::{CostLine, Report, Row};
use crate::rows::{self, Run};
use crate::{Args, Mesh, RowKind};

/// Messages a second from each member in the latency row.
const LATENCY_RATE: u32 = 1000;
/// Messages a second from the one member that sends in the idle row: slow enough that each finds the group idle.
const IDLE_RATE: u32 = 100;

/// Messages a second from each member in the cost row: a busy group, and one where hardly anything happens.
const COST_RATES: [u64; 2] = [1000, 10];
/// Members of the cost row's groups.
const COST_MEMBERS: [usize; 4] = [3, 5, 9, 25];

/// Runs what the arguments ask for and prints the report.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let suite = Suite {
        args,
        bar: ProgressBar::no_length(),
    };
    let meshes = suite.meshes();
    let kinds: Vec<RowKind> = suite.kinds();
    let each = (suite.rounds() * meshes.len()) as u64;
    let steps: u64 = kinds
        .iter()
        .map(|kind| match kind {
            RowKind::Memory => meshes.len() as u64,
            RowKind::Cost => suite.orders().count() as u64,
            RowKind::Flat | RowKind::Latency | RowKind::Idle => each,
        })
        .sum();
    let suite = Suite {
        bar: ProgressBar::new(steps).with_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}")
                .expect("the template is well formed"),
        ),
        ..suite
    };
    let mut report = Report {
        machine: machine::name(),
        pinned: args.pin,
        meshes,
        rows: Vec::new(),
        costs: Vec::new(),
    };
    let measured = suite.measure(&kinds, &mut report);
    suite.bar.finish_and_clear();
    // What was measured before something failed is worth its minutes.
    report.print(args)?;
    measured
}

struct Suite<'a> {
    args: &'a Args,
    bar: ProgressBar,
}

impl Suite<'_> {
    fn rounds(&self) -> usize {
        self.args.rounds.unwrap_or(if self.args.quick { 1 } else { 5 })
    }

    fn kinds(&self) -> Vec<RowKind> {
        let all = [
            RowKind::Flat,
            RowKind::Latency,
            RowKind::Idle,
            RowKind::Memory,
            RowKind::Cost,
        ];
        all.into_iter()
            .filter(|kind| self.args.only.is_empty() || self.args.only.contains(kind))
            .collect()
    }

    /// The orders of the group that are asked for.
    fn orders(&self) -> impl Iterator<Item = (Mesh, Order)> {
        let all = [
            (Mesh::None, Order::None),
            (Mesh::Fifo, Order::Fifo),
            (Mesh::Causal, Order::Causal),
            (Mesh::Total, Order::Total),
        ];
        all.into_iter()
            .filter(|(mesh, _)| self.args.mesh.is_empty() || self.args.mesh.contains(mesh))
    }

    /// The minimal mesh first, whatever is asked for: it is what the others are compared with.
    fn meshes(&self) -> Vec<Mesh> {
        let group = self.orders().map(|(mesh, _)| mesh);
        std::iter::once(Mesh::Minimal).chain(group).collect()
    }

    fn measure(&self, kinds: &[RowKind], report: &mut Report) -> anyhow::Result<()> {
        for &kind in kinds {
            if kind == RowKind::Cost {
                report.costs = self.costs();
                report.rows.push(Row {
                    kind,
                    rounds: Vec::new(),
                });
                continue;
            }
            let rounds = if kind == RowKind::Memory { 1 } else { self.rounds() };
            let mut row = Row {
                kind,
                rounds: Vec::new(),
            };
            for _ in 0..rounds {
                let mut round = Vec::new();
                for &mesh in &report.meshes {
                    self.bar.inc(1);
                    self.bar.set_message(format!("{kind:?}, {}", mesh.name()));
                    let run = self.once(kind, mesh);
                    round
                        .push(run.with_context(|| format!("failed to measure {kind:?} on {}", mesh.name()))?);
                }
                row.rounds.push(round);
            }
            report.rows.push(row);
        }
        Ok(())
    }

    fn costs(&self) -> Vec<CostLine> {
        let mut lines = Vec::new();
        for (mesh, order) in self.orders() {
            for members in COST_MEMBERS {
                self.bar
                    .set_message(format!("Cost, {} of {members}", mesh.name()));
                let costs: [Cost; 2] = COST_RATES.map(|rate| cost::count(order, members, rate));
                lines.push(CostLine {
                    mesh,
                    busy: costs[0],
                    quiet: costs[1],
                });
            }
            self.bar.inc(1);
        }
        lines
    }

    fn once(&self, kind: RowKind, mesh: Mesh) -> anyhow::Result<Run> {
        let quick = self.args.quick;
        let steady = Duration::from_secs(if quick { 1 } else { 3 });
        let pin = self.args.pin;
        match kind {
            RowKind::Flat => {
                let seconds = self.args.seconds.unwrap_or(if quick { 0.5 } else { 2.0 });
                let load_for = Duration::from_secs_f64(seconds);
                rows::flat(mesh, None, pin, load_for, self.args.pace, rows::PATIENCE)
            }
            RowKind::Latency => rows::steady(mesh, pin, [LATENCY_RATE; 3], steady),
            RowKind::Idle => rows::steady(mesh, pin, [IDLE_RATE, 0, 0], steady),
            RowKind::Memory => rows::memory(
                mesh,
                pin,
                self.args
                    .messages
                    .unwrap_or(if quick { 1_000_000 } else { 10_000_000 }),
            ),
            RowKind::Cost => unreachable!("costs are counted, not run"),
        }
    }
}
