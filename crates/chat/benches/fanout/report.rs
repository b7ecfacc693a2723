//! What people read: a table on the terminal, Markdown for docs/benchmarks.md, or every run as JSON.

use std::io::Write;

use measure::table;

use crate::Args;
use crate::json;
use crate::rows::Run;
use crate::tables::{fanout_table, idle_table, latency_table, stalled_table};

/// Flat-out fan-out in one shape; the outer list is by round, the inner by server.
pub(crate) struct FanoutRow {
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
    pub(crate) names: Vec<&'static str>,
    pub(crate) rounds: Vec<Vec<Run>>,
}

/// The steady rate; lists as in [`FanoutRow`].
pub(crate) struct LatencyRow {
    pub(crate) names: Vec<&'static str>,
    pub(crate) rounds: Vec<Vec<Run>>,
}

/// A steady load to 100 receivers: all awake, one asleep for a while, one for good.
pub(crate) struct StalledRow {
    pub(crate) none: Run,
    pub(crate) napping: Run,
    pub(crate) stalled: Run,
}

/// Everything measured.
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) cores: String,
    pub(crate) subject: &'static str,
    pub(crate) fanout: Vec<FanoutRow>,
    pub(crate) latency: Option<LatencyRow>,
    pub(crate) idle: Vec<(&'static str, usize, f64)>,
    pub(crate) stalled: Option<StalledRow>,
}

impl Report {
    pub(crate) fn new(machine: String, cores: String, subject: &'static str) -> Self {
        Self {
            machine,
            cores,
            subject,
            fanout: Vec::new(),
            latency: None,
            idle: Vec::new(),
            stalled: None,
        }
    }

    /// Prints in the form that was asked for.
    pub(crate) fn print(&self, args: &Args) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut out, &json::report(self))?;
            writeln!(out)?;
            return Ok(());
        }
        writeln!(out, "{}", self.machine)?;
        writeln!(out, "{}", self.cores)?;
        let mut defects = Vec::new();
        for (title, rows) in self.tables(&mut defects) {
            let mark = if args.markdown { "### " } else { "" };
            writeln!(out, "\n{mark}{title}\n")?;
            writeln!(out, "{}", table(rows, args.markdown))?;
        }
        for defect in defects {
            writeln!(out, "\n{defect}")?;
        }
        Ok(())
    }

    fn tables(&self, defects: &mut Vec<String>) -> Vec<(String, Vec<Vec<String>>)> {
        let mut tables = Vec::new();
        if !self.fanout.is_empty() {
            let title = "Fan-out of 100-byte texts, flat out (million deliveries a second, median, lowest to highest)";
            tables.push((title.to_owned(), fanout_table(&self.fanout, defects)));
        }
        if let Some(row) = &self.latency {
            let title = "Latency at 200 texts a second to 100 receivers (milliseconds, median of the rounds)";
            tables.push((title.to_owned(), latency_table(row, defects)));
        }
        if !self.idle.is_empty() {
            tables.push((
                "Resident memory of a joined idle connection".to_owned(),
                idle_table(&self.idle, self.subject),
            ));
        }
        if let Some(row) = &self.stalled {
            let title = "One stalled reader among 100, at 20,000 texts a second";
            tables.push((title.to_owned(), stalled_table(row, defects)));
        }
        tables
    }
}
