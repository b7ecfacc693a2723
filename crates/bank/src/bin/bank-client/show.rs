//! What people read: balances, and statements as an aligned table.

use bank::client::{Posted, StatementEntry, StatementPage};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableStyle, presets};
use jiff::tz::TimeZone;
use proto::Harmless;

/// `Balance: 10.00`
pub(super) fn balance(posted: &Posted) -> String {
    format!("Balance: {}", Harmless(&posted.balance))
}

/// `Done. Balance: 110.00 (entry 12)`
pub(super) fn done(what: &str, posted: &Posted) -> String {
    format!(
        "{what} Balance: {} (entry {})",
        Harmless(&posted.balance),
        posted.entry
    )
}

/// Columns of the terminal that is written to, if it is one.
pub(super) fn columns() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// A statement as a table, the latest entry first, amounts signed and aligned; as a list where the table would not fit
/// into so many `columns`.
pub(super) fn statement(page: &StatementPage, zone: &TimeZone, columns: Option<usize>) -> String {
    if page.entries.is_empty() {
        return "No entries.".to_owned();
    }
    let fits = |text: &String| {
        columns.is_none_or(|columns| text.lines().all(|line| line.chars().count() <= columns))
    };
    let mut text = [presets::UTF8_FULL_CONDENSED, presets::UTF8_HORIZONTAL_ONLY]
        .into_iter()
        .map(|style| table(page, zone, style))
        .find(fits)
        .unwrap_or_else(|| list(page, zone));
    if let Some(oldest) = page.entries.last().filter(|_| page.more) {
        text.push_str(&format!("\nThere are older entries: before {}.", oldest.entry));
    }
    text
}

fn table(page: &StatementPage, zone: &TimeZone, style: TableStyle) -> String {
    let mut table = Table::new();
    table
        .load_style(style)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["Entry", "Time", "Operation", "With", "Amount", "Balance"].map(Cell::new));
    for entry in &page.entries {
        table.add_row([
            entry.entry.to_string(),
            time(entry.at, zone),
            Harmless(operation(entry)).to_string(),
            Harmless(entry.counterparty.as_deref().unwrap_or_default()).to_string(),
            Harmless(&signed_amount(entry)).to_string(),
            Harmless(&entry.balance).to_string(),
        ]);
    }
    for column in [0, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn list(page: &StatementPage, zone: &TimeZone) -> String {
    let entries = page.entries.iter().map(|entry| {
        let what = format!(
            "{} {}",
            operation(entry),
            entry.counterparty.as_deref().unwrap_or_default()
        );
        format!(
            "{}  {}\n  {} {}\n  balance {}",
            entry.entry,
            time(entry.at, zone),
            Harmless(what.trim_end()),
            Harmless(&signed_amount(entry)),
            Harmless(&entry.balance),
        )
    });
    entries.collect::<Vec<_>>().join("\n")
}

fn operation(entry: &StatementEntry) -> &str {
    match entry.kind.as_str() {
        "opened" => "account opened",
        "sent" => "transfer to",
        "received" => "transfer from",
        "pin_changed" => "PIN changed",
        "closed" => "account closed",
        other => other,
    }
}

fn signed_amount(entry: &StatementEntry) -> String {
    match &entry.amount {
        None => String::new(),
        Some(amount) if entry.takes() => format!("-{amount}"),
        Some(amount) => format!("+{amount}"),
    }
}

/// Wall time as people read it; a time that is none stays a number.
fn time(at_ms: u64, zone: &TimeZone) -> String {
    i64::try_from(at_ms)
        .ok()
        .and_then(|at| jiff::Timestamp::from_millisecond(at).ok())
        .map_or_else(
            || at_ms.to_string(),
            |at| {
                at.to_zoned(zone.clone())
                    .strftime("%Y-%m-%d %H:%M:%S")
                    .to_string()
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(
        entry: u64,
        kind: &str,
        amount: Option<&str>,
        balance: &str,
        with: Option<&str>,
    ) -> StatementEntry {
        StatementEntry {
            entry,
            stamp: 2,
            kind: kind.to_owned(),
            amount: amount.map(str::to_owned),
            balance: balance.to_owned(),
            counterparty: with.map(str::to_owned),
            at: 1_795_226_542_001,
        }
    }

    #[test]
    fn a_statement_is_an_aligned_table() {
        let page = StatementPage {
            entries: vec![
                entry(13, "sent", Some("20.00"), "75.00", Some("0000000000")),
                entry(12, "deposit", Some("100.00"), "110.00", None),
                entry(2, "opened", Some("10.00"), "10.00", None),
            ],
            more: true,
        };
        let expected = "\
┌───────┬─────────────────────┬────────────────┬────────────┬─────────┬─────────┐
│ Entry ┆ Time                ┆ Operation      ┆ With       ┆  Amount ┆ Balance │
╞═══════╪═════════════════════╪════════════════╪════════════╪═════════╪═════════╡
│    13 ┆ 2026-11-21 02:02:22 ┆ transfer to    ┆ 0000000000 ┆  -20.00 ┆   75.00 │
│    12 ┆ 2026-11-21 02:02:22 ┆ deposit        ┆            ┆ +100.00 ┆  110.00 │
│     2 ┆ 2026-11-21 02:02:22 ┆ account opened ┆            ┆  +10.00 ┆   10.00 │
└───────┴─────────────────────┴────────────────┴────────────┴─────────┴─────────┘
There are older entries: before 2.";
        for columns in [None, Some(82)] {
            assert_eq!(statement(&page, &TimeZone::UTC, columns), expected);
        }
        let narrower = statement(&page, &TimeZone::UTC, Some(80));
        assert!(
            narrower.contains("transfer to      0000000000    -20.00     75.00"),
            "{narrower}"
        );
        let narrow = statement(&page, &TimeZone::UTC, Some(40));
        assert!(
            narrow.starts_with(
                "13  2026-11-21 02:02:22\n  transfer to 0000000000 -20.00\n  balance 75.00\n12  "
            ),
            "{narrow}"
        );
        for (text, columns) in [(narrower, 80), (narrow, 40)] {
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
        }
    }

    #[test]
    fn what_the_server_says_is_shown_harmlessly() {
        let page = StatementPage {
            entries: vec![entry(
                1,
                "\u{1b}[2J",
                Some("1\u{7}"),
                "\u{202e}",
                Some("\u{9b}31m"),
            )],
            more: false,
        };
        for columns in [None, Some(20)] {
            let text = statement(&page, &TimeZone::UTC, columns);
            assert!(!text.contains(|c| c != '\n' && proto::is_harmful(c)), "{text:?}");
        }
    }
}
