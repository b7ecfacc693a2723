//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lamport::check::{Options, Order, Rule};
use lamport::view::{self, Axis, Filter, Fold, Style, Theme};

/// Check, draw and count what the traces of a run tell. A trace is the file that a service writes with --trace.
#[derive(Debug, Parser)]
#[command(
    name = "lamport",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 a run breaks a rule; 2 wrong usage, or a file that cannot be read or written."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify a run: exit code 0 if it breaks no rule, 1 if it does, 2 if it cannot be read
    Check(Check),
    /// List the rules that `check` verifies
    Rules,
    /// Draw the space-time diagram, as SVG or for the terminal
    Diagram(Diagram),
    /// Print the table of events and the stamp each has at each process
    Table(Table),
    /// Write the run for another program
    #[command(subcommand)]
    Export(Export),
    /// Count events, messages and how long they took
    Stats(Files),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// A log for ShiViz, with vector clocks; its first line is the regular expression to parse it with
    Shiviz(Shiviz),
    /// A trace of all, in the order of the stamps, each event a JSON object of its own: for jq, grep and programs
    Lines(Files),
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    /// The traces, one file per process or program
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The run was left to settle: every member of a multicast group must have delivered everything
    #[arg(long)]
    settled: bool,
    /// All processes were traced: a message without its send is a violation whoever sent it
    #[arg(long)]
    complete: bool,
    /// The multicast group's order, if the trace does not tell it
    #[arg(long, value_name = "none|fifo|causal|total", value_parser = order)]
    order: Option<Order>,
    /// Lift a rule, to see what else is wrong (see `lamport rules`); may be repeated
    #[arg(long, value_name = "RULE", value_parser = rule)]
    without: Vec<Rule>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Check {
    pub(crate) fn options(&self) -> Options {
        Options {
            settled: self.settled,
            complete: self.complete,
            order: self.order,
            lifted: self.without.clone(),
        }
    }
}

/// The part of a run to look at.
#[derive(Debug, Args)]
pub(crate) struct Part {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Show only this process; `client*` shows all whose name begins so; may be repeated
    #[arg(long, value_name = "NAME")]
    process: Vec<String>,
    /// Show only events from this Lamport time on
    #[arg(long, value_name = "TIME", default_value_t = 0)]
    from: u64,
    /// Show only events up to this Lamport time
    #[arg(long, value_name = "TIME")]
    to: Option<u64>,
    /// Show at most so many events, the earliest
    #[arg(long, value_name = "COUNT", default_value_t = view::EVENTS_MAX)]
    events_max: usize,
}

impl Part {
    pub(crate) fn filter(&self) -> Filter {
        Filter {
            processes: self.process.clone(),
            from: self.from,
            to: self.to.unwrap_or(u64::MAX),
            events_max: self.events_max,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Table {
    #[command(flatten)]
    pub(crate) part: Part,
    /// A line for every message instead of every event
    #[arg(long)]
    pub(crate) by_message: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diagram {
    #[command(flatten)]
    pub(crate) part: Part,
    /// Where to write the SVG; without it, it goes to stdout
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) output: Option<PathBuf>,
    /// Draw with characters, for the terminal
    #[arg(long)]
    pub(crate) text: bool,
    /// What the way down measures
    #[arg(long, value_enum, default_value_t)]
    axis: AxisArgument,
    /// Colours; auto follows what the viewer prefers
    #[arg(long, value_enum, default_value_t)]
    theme: ThemeArgument,
    /// Draw neighbouring events that are alike as one; auto does from 600 events on
    #[arg(long, value_enum, default_value_t)]
    fold: FoldArgument,
    /// A line above the picture
    #[arg(long, default_value = "")]
    title: String,
}

impl Diagram {
    pub(crate) fn style(&self) -> Style {
        Style {
            axis: match self.axis {
                AxisArgument::Logical => Axis::Logical,
                AxisArgument::Wall => Axis::Wall,
            },
            theme: match self.theme {
                ThemeArgument::Auto => Theme::Auto,
                ThemeArgument::Light => Theme::Light,
                ThemeArgument::Dark => Theme::Dark,
            },
            fold: match self.fold {
                FoldArgument::Auto => Fold::Auto,
                FoldArgument::Always => Fold::Always,
                FoldArgument::Never => Fold::Never,
            },
            title: self.title.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Shiviz {
    #[command(flatten)]
    pub(crate) part: Part,
    /// Where to write the log; without it, it goes to stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum AxisArgument {
    /// A row for each Lamport time
    #[default]
    Logical,
    /// Wall time, with long pauses shortened
    Wall,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ThemeArgument {
    #[default]
    Auto,
    Light,
    Dark,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FoldArgument {
    #[default]
    Auto,
    Always,
    Never,
}

fn order(word: &str) -> Result<Order, &'static str> {
    Order::from_word(word).ok_or("the orders are none, fifo, causal and total")
}

fn rule(name: &str) -> Result<Rule, &'static str> {
    Rule::ALL
        .iter()
        .copied()
        .find(|rule| rule.name() == name)
        .ok_or("there is no such rule; `lamport rules` lists them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
