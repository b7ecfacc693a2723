//! What people read: a table on the terminal, Markdown for docs/benchmarks.md, or every figure as JSON.

use std::io::Write;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::Args;

/// One figure, measured in every round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure(pub(crate) Vec<f64>);

/// A row: the bank's figure, the limit of the same round, their ratio, and what it should be.
pub(crate) struct Line {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) bank: Figure,
    pub(crate) limit_name: &'static str,
    pub(crate) limit: Figure,
    pub(crate) wanted: &'static str,
    /// The bank's CPU seconds for a million transfers, where it is known.
    pub(crate) cpu: Figure,
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

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let values = self.sorted();
        values.get(values.len() / 2).copied()
    }

    /// `81,000 (79,000–83,000)`
    pub(crate) fn show(&self) -> String {
        let values = self.sorted();
        match (self.median(), values.first(), values.last()) {
            (Some(median), Some(low), Some(high)) if values.len() > 1 => {
                format!("{} ({}–{})", number(median), number(*low), number(*high))
            }
            (Some(median), ..) => number(median),
            _ => "–".to_owned(),
        }
    }
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

    /// The ratios of the rounds.
    fn ratio(&self) -> Figure {
        Figure(
            self.bank
                .0
                .iter()
                .zip(&self.limit.0)
                .map(|(bank, limit)| bank / limit)
                .collect(),
        )
    }

    fn cells(&self) -> [String; 8] {
        let limit = match self.limit.0.is_empty() {
            true => String::new(),
            false => format!("{}: {}", self.limit_name, self.limit.show()),
        };
        let ratio = self
            .ratio()
            .median()
            .map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let cpu = self.cpu.median().map_or(String::new(), |cpu| format!("{cpu:.2}"));
        [
            self.what.to_owned(),
            self.bank.show(),
            self.unit.to_owned(),
            limit,
            ratio,
            self.wanted.to_owned(),
            cpu,
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
                "what": line.what, "unit": line.unit, "bank": line.bank.0, "limit": line.limit_name,
                "limits": line.limit.0, "ratio": line.ratio().median(), "wanted": line.wanted,
                "cpu_seconds_per_million": line.cpu.0, "note": line.note,
            })
        });
        json!({
            "machine": self.machine, "cores": self.cores, "setting": self.setting,
            "rows": lines.collect::<Vec<_>>(),
        })
    }
}

/// Large numbers in groups of three digits, small ones with their fraction.
fn number(value: f64) -> String {
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
