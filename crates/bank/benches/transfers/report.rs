//! What people read: a table on the terminal, Markdown for docs/benchmarks.md, or every figure as JSON.

use std::io::Write;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use measure::Spread;
use serde_json::{Value, json};

use crate::Args;

/// A row: the bank's figure of every round, the limit of the same round, their ratio, and what it should be.
pub(crate) struct Line {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) bank: Vec<f64>,
    pub(crate) limit_name: &'static str,
    pub(crate) limit: Vec<f64>,
    pub(crate) wanted: &'static str,
    /// The bank's CPU seconds for a million transfers, where it is known.
    pub(crate) cpu: Vec<f64>,
    /// What else is worth knowing.
    pub(crate) note: String,
}

/// Everything measured.
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) cores: String,
    pub(crate) setting: String,
    pub(crate) lines: Vec<Line>,
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
            bank: Vec::new(),
            limit_name,
            limit: Vec::new(),
            wanted,
            cpu: Vec::new(),
            note: String::new(),
        }
    }

    /// The ratios of the rounds.
    fn ratio(&self) -> Spread {
        Spread::of(
            self.bank
                .iter()
                .zip(&self.limit)
                .map(|(bank, limit)| bank / limit),
        )
    }

    fn cells(&self) -> [String; 8] {
        let spread = |figures: &[f64]| Spread::of(figures.iter().copied());
        let limit = match self.limit.is_empty() {
            true => String::new(),
            false => format!("{}: {}", self.limit_name, spread(&self.limit).show_as(number)),
        };
        let median = |spread: Spread| match spread.median.is_nan() {
            true => String::new(),
            false => spread.show_median(2),
        };
        [
            self.what.to_owned(),
            spread(&self.bank).show_as(number),
            self.unit.to_owned(),
            limit,
            median(self.ratio()),
            self.wanted.to_owned(),
            median(spread(&self.cpu)),
            self.note.clone(),
        ]
    }
}

impl Report {
    /// Prints in the form that was asked for.
    pub(crate) fn print(&self, args: &Args) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut out, &self.to_json())?;
            writeln!(out)?;
            return Ok(());
        }
        writeln!(out, "{}\n{}\n{}\n", self.machine, self.cores, self.setting)?;
        let mut table = Table::new();
        table.load_style(if args.markdown {
            presets::ASCII_MARKDOWN
        } else {
            presets::UTF8_FULL_CONDENSED
        });
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header([
            "",
            "bank",
            "unit",
            "limit in the same run",
            "ratio",
            "wanted",
            "CPU s/M",
            "note",
        ]);
        for line in &self.lines {
            table.add_row(line.cells().into_iter().enumerate().map(|(column, text)| {
                let right = matches!(column, 1 | 3 | 4 | 6);
                Cell::new(text).set_alignment(if right {
                    CellAlignment::Right
                } else {
                    CellAlignment::Left
                })
            }));
        }
        writeln!(out, "{table}")?;
        Ok(())
    }

    fn to_json(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            json!({
                "what": line.what, "unit": line.unit, "bank": line.bank, "limit": line.limit_name,
                "limits": line.limit, "ratio": line.ratio().median, "wanted": line.wanted,
                "cpu_seconds_per_million": line.cpu, "note": line.note,
            })
        });
        json!({
            "machine": self.machine, "cores": self.cores, "setting": self.setting,
            "rows": lines.collect::<Vec<_>>(),
        })
    }
}

/// Large numbers in groups of three digits, small ones with their fraction.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
