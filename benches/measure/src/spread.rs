//! A figure over several rounds, and tables of them.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// The median of some figures, and how far they lie apart.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// The middle one; not a number if there is none.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
}

impl Spread {
    /// The spread of these figures.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        let at = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self {
            median,
            lowest: at(values.first()),
            highest: at(values.last()),
        }
    }

    /// `1.50`; a dash if there is none.
    #[must_use]
    pub fn show_median(&self, digits: usize) -> String {
        self.show_median_as(|value| format!("{value:.digits$}"))
    }

    /// `1.50 (1.42–1.61)`.
    #[must_use]
    pub fn show(&self, digits: usize) -> String {
        self.show_as(|value| format!("{value:.digits$}"))
    }

    /// The median with each number written that way, and the lowest and highest where they differ.
    #[must_use]
    pub fn show_as(&self, number: impl Fn(f64) -> String) -> String {
        let median = self.show_median_as(&number);
        if self.median.is_nan() || self.lowest == self.highest {
            median
        } else {
            format!("{median} ({}–{})", number(self.lowest), number(self.highest))
        }
    }

    fn show_median_as(&self, number: impl Fn(f64) -> String) -> String {
        if self.median.is_nan() {
            "–".to_owned()
        } else {
            number(self.median)
        }
    }
}

/// The first line is the head; the first column stands to the left, figures to the right.
pub fn table(lines: Vec<Vec<String>>, markdown: bool) -> Table {
    let mut table = Table::new();
    table.load_style(if markdown {
        presets::ASCII_MARKDOWN
    } else {
        presets::UTF8_FULL_CONDENSED
    });
    table.set_content_arrangement(ContentArrangement::Disabled);
    let mut lines = lines.into_iter();
    table.set_header(lines.next().unwrap_or_default());
    for line in lines {
        table.add_row(line.into_iter().enumerate().map(|(column, text)| {
            let side = if column == 0 {
                CellAlignment::Left
            } else {
                CellAlignment::Right
            };
            Cell::new(text).set_alignment(side)
        }));
    }
    table
}
