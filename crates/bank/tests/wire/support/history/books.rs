//! What the statements say, held against what was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::json;

use super::{Attempt, Fate, Line};
use crate::support::bank::Opening;
use crate::support::line::Wire;

/// Entries asked for at once.
const PAGE_ENTRIES: u64 = 300;

/// Lines of each account, oldest first.
pub(crate) type Statements = BTreeMap<String, Vec<Line>>;

/// The books as far as they were checked.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    balances: BTreeMap<String, i64>,
    last_entry: u64,
}

/// Where a change stands in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) entry: u64,
    pub(crate) balance: i64,
}

impl Books {
    /// The books of a bank that has only been opened; `last_entry` is the number of its last entry.
    pub(crate) fn opened(opening: &Opening, last_entry: u64) -> Self {
        let balances = opening
            .accounts
            .iter()
            .map(|rg| (rg.clone(), opening.cents))
            .collect();
        Self { balances, last_entry }
    }

    pub(crate) fn last_entry(&self) -> u64 {
        self.last_entry
    }

    /// Reads what every account's statement has after the entries checked so far.
    pub(crate) fn read_new(&self, wires: &mut BTreeMap<String, Wire>) -> io::Result<Statements> {
        let mut statements = Statements::new();
        for (account, wire) in wires {
            let mut lines = Vec::new();
            let mut before = None;
            loop {
                let page = match before {
                    None => wire.ask("statement", &json!({"limit": PAGE_ENTRIES}))?,
                    Some(before) => {
                        wire.ask("statement", &json!({"limit": PAGE_ENTRIES, "before": before}))?
                    }
                };
                let page = page.map_err(io::Error::other)?;
                let entries = page["entries"].as_array().cloned().unwrap_or_default();
                let new = entries
                    .iter()
                    .map(Line::read)
                    .take_while(|line| line.entry > self.last_entry);
                let already = lines.len();
                lines.extend(new);
                if lines.len() - already < entries.len() || page["more"] != json!(true) {
                    break;
                }
                before = lines.last().map(|line| line.entry);
            }
            lines.reverse();
            statements.insert(account.clone(), lines);
        }
        Ok(statements)
    }

    /// Checks the new lines against the attempts that may have made them, and takes them into the books. Where each
    /// attempt stands, by key, or every violation found.
    pub(crate) fn check(
        &mut self,
        attempts: &[Attempt],
        new: &Statements,
    ) -> Result<BTreeMap<String, Place>, Vec<String>> {
        let mut violations = Vec::new();
        self.check_chains(new, &mut violations);
        self.check_numbers(new, &mut violations);
        let places = check_attempts(attempts, new, &mut violations);
        if violations.is_empty() {
            Ok(places)
        } else {
            Err(violations)
        }
    }

    /// Every balance follows from the one before.
    fn check_chains(&mut self, new: &Statements, violations: &mut Vec<String>) {
        for (account, lines) in new {
            let Some(balance) = self.balances.get_mut(account) else {
                violations.push(format!("there is an account {account} that nobody opened"));
                continue;
            };
            for line in lines {
                if *balance + line.adds() != line.balance {
                    violations.push(format!("{account} held {balance}, then {line:?}"));
                }
                *balance = line.balance;
            }
        }
    }

    /// Every number after the last is there, once for a deposit or withdrawal, once on each side of a transfer.
    fn check_numbers(&mut self, new: &Statements, violations: &mut Vec<String>) {
        let mut sum_of_legs: BTreeMap<u64, Vec<&Line>> = BTreeMap::new();
        for line in new.values().flatten() {
            sum_of_legs.entry(line.entry).or_default().push(line);
        }
        let mut expected = self.last_entry;
        for (&entry, lines) in &sum_of_legs {
            expected += 1;
            if entry != expected {
                violations.push(format!("entry {expected} is missing, {entry} comes next"));
                expected = entry;
            }
            let transfer = matches!(lines[0].kind.as_str(), "sent" | "received");
            let sum: i64 = lines.iter().map(|line| line.adds()).sum();
            if transfer && (lines.len() != 2 || sum != 0) || !transfer && lines.len() != 1 {
                violations.push(format!("entry {entry} does not balance: {lines:?}"));
            }
        }
        self.last_entry = expected;
    }
}

/// Every attempt is where its fate says, and every line is an attempt's.
fn check_attempts(
    attempts: &[Attempt],
    new: &Statements,
    violations: &mut Vec<String>,
) -> BTreeMap<String, Place> {
    let mut by_leg: BTreeMap<(&str, i64), Vec<&Line>> = BTreeMap::new();
    for (account, lines) in new {
        for line in lines {
            by_leg.entry((account, line.cents)).or_default().push(line);
        }
    }
    let mut places = BTreeMap::new();
    for attempt in attempts {
        let mut found: Vec<&Line> = Vec::new();
        for (account, kind, counterparty) in attempt.legs() {
            let lines = by_leg.remove(&(account, attempt.cents)).unwrap_or_default();
            if lines.len() > 1 {
                violations.push(format!("applied {} times: {attempt:?}", lines.len()));
            }
            if let Some(wrong) = lines
                .iter()
                .find(|line| line.kind != kind || line.counterparty.as_deref() != counterparty)
            {
                violations.push(format!("{attempt:?} became {wrong:?}"));
            }
            found.extend(lines.first());
        }
        let entries: BTreeSet<u64> = found.iter().map(|line| line.entry).collect();
        let whole = found.len() == attempt.legs().len() && entries.len() == 1;
        match &attempt.fate {
            _ if !found.is_empty() && !whole => violations.push(format!("half there: {attempt:?}")),
            Fate::Done { .. } if found.is_empty() => {
                violations.push(format!("acknowledged and lost: {attempt:?}"));
            }
            Fate::Done { balance, entry } if (found[0].entry, found[0].balance) != (*entry, *balance) => {
                violations.push(format!(
                    "told otherwise than written: {attempt:?}, {:?}",
                    found[0]
                ));
            }
            Fate::Refused(_) if !found.is_empty() => {
                violations.push(format!("refused and applied: {attempt:?}"));
            }
            Fate::Done { .. } | Fate::Refused(_) | Fate::Unknown => {}
        }
        if let Some(line) = found.first().filter(|_| whole) {
            places.insert(
                attempt.key.clone(),
                Place {
                    entry: line.entry,
                    balance: line.balance,
                },
            );
        }
    }
    for ((account, _), lines) in by_leg {
        violations.push(format!("nobody asked for this in {account}: {lines:?}"));
    }
    places
}
