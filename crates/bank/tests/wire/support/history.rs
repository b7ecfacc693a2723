//! Checks what a bank's books say against what its clients were told.
//!
//! Every change moves an amount that no other moves, so that an entry in a statement names the request it came from.
//! Then: what was acknowledged is there, once, as it was told; what was refused is not; what has no known outcome is
//! wholly there or wholly absent; nothing else is there; each balance follows from the one before; no number is
//! missing; and all money adds up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Value, json};

use super::bank::Opening;
use super::line::{Wire, cents};

/// Entries asked for at once.
const PAGE_ENTRIES: u64 = 300;

/// A change that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) key: String,
    pub(crate) account: String,
    pub(crate) change: Change,
    /// Unlike every other attempt's.
    pub(crate) cents: i64,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Deposit,
    Withdrawal,
    TransferTo(String),
}

/// What the client knows of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Done { balance: i64, entry: u64 },
    Refused(String),
    Unknown,
}

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) entry: u64,
    pub(crate) kind: String,
    pub(crate) cents: i64,
    pub(crate) balance: i64,
    pub(crate) counterparty: Option<String>,
}

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

impl Attempt {
    pub(crate) fn op(&self) -> &'static str {
        match self.change {
            Change::Deposit => "deposit",
            Change::Withdrawal => "withdraw",
            Change::TransferTo(_) => "transfer",
        }
    }

    pub(crate) fn fields(&self) -> Value {
        let amount = super::line::money(self.cents);
        match &self.change {
            Change::TransferTo(to) => json!({"to": to, "amount": amount, "key": self.key}),
            Change::Deposit | Change::Withdrawal => json!({"amount": amount, "key": self.key}),
        }
    }

    /// What the attempt looks like in the statements, if it was carried out.
    fn legs(&self) -> Vec<(&str, &str, Option<&str>)> {
        match &self.change {
            Change::Deposit => vec![(&self.account, "deposit", None)],
            Change::Withdrawal => vec![(&self.account, "withdrawal", None)],
            Change::TransferTo(to) => {
                vec![
                    (&self.account, "sent", Some(to)),
                    (to, "received", Some(&self.account)),
                ]
            }
        }
    }
}

impl Fate {
    /// What an answer says.
    pub(crate) fn of(answer: &super::line::Answer) -> Self {
        match answer {
            Ok(ok) => Self::Done {
                balance: cents(&ok["balance"]),
                entry: ok["entry"].as_u64().unwrap(),
            },
            Err(code) => Self::Refused(code.clone()),
        }
    }
}

impl Line {
    fn read(line: &Value) -> Self {
        Self {
            entry: line["entry"].as_u64().unwrap(),
            kind: line["kind"].as_str().unwrap().to_owned(),
            cents: line.get("amount").map_or(0, cents),
            balance: cents(&line["balance"]),
            counterparty: line
                .get("counterparty")
                .and_then(Value::as_str)
                .map(str::to_owned),
        }
    }

    /// What the line adds to its account.
    fn adds(&self) -> i64 {
        if matches!(self.kind.as_str(), "sent" | "withdrawal") {
            -self.cents
        } else {
            self.cents
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening::new(2, 10_000)
    }

    fn rg(number: usize) -> String {
        opening().accounts[number - 1].clone()
    }

    fn attempt(serial: i64, change: Change, fate: Fate) -> Attempt {
        Attempt {
            key: format!("k{serial}"),
            account: rg(1),
            change,
            cents: serial,
            fate,
        }
    }

    fn line(entry: u64, kind: &str, cents: i64, balance: i64, counterparty: Option<usize>) -> Line {
        Line {
            entry,
            kind: kind.to_owned(),
            cents,
            balance,
            counterparty: counterparty.map(rg),
        }
    }

    /// One of each: an acknowledged transfer and deposit, a refused one, a lost one that was done and one that was not.
    fn sound() -> (Vec<Attempt>, Statements) {
        let attempts = vec![
            attempt(
                7,
                Change::TransferTo(rg(2)),
                Fate::Done {
                    balance: 9_993,
                    entry: 3,
                },
            ),
            attempt(
                8,
                Change::Deposit,
                Fate::Done {
                    balance: 10_001,
                    entry: 4,
                },
            ),
            attempt(
                9,
                Change::Withdrawal,
                Fate::Refused("insufficient_funds".to_owned()),
            ),
            attempt(10, Change::TransferTo(rg(2)), Fate::Unknown),
            attempt(11, Change::TransferTo(rg(2)), Fate::Unknown),
        ];
        let statements = [
            (
                rg(1),
                vec![
                    line(3, "sent", 7, 9_993, Some(2)),
                    line(4, "deposit", 8, 10_001, None),
                    line(5, "sent", 10, 9_991, Some(2)),
                ],
            ),
            (
                rg(2),
                vec![
                    line(3, "received", 7, 10_007, Some(1)),
                    line(5, "received", 10, 10_017, Some(1)),
                ],
            ),
        ];
        (attempts, statements.into())
    }

    /// Plants something and tells what the checker says of it.
    #[track_caller]
    fn check(plant: impl FnOnce(&mut Vec<Attempt>, &mut Statements), expected: &str) {
        let (mut attempts, mut statements) = sound();
        plant(&mut attempts, &mut statements);
        let found = Books::opened(&opening(), 2).check(&attempts, &statements);
        let violations = found.expect_err("the violation was not found");
        assert!(
            violations.iter().any(|violation| violation.contains(expected)),
            "{violations:?}"
        );
    }

    #[test]
    fn sound_books_pass() {
        let (attempts, statements) = sound();
        let mut books = Books::opened(&opening(), 2);
        let places = books.check(&attempts, &statements).unwrap();
        assert_eq!(places.keys().collect::<Vec<_>>(), ["k10", "k7", "k8"]);
        assert_eq!(books.last_entry(), 5);
    }

    #[test]
    fn what_is_lost_is_found() {
        // The last entry, so that neither the chain nor a gap tells of it.
        check(
            |attempts, statements| {
                attempts[3].fate = Fate::Done {
                    balance: 9_991,
                    entry: 5,
                };
                statements.values_mut().for_each(|lines| drop(lines.pop()));
            },
            "acknowledged and lost",
        );
        check(
            |_, statements| drop(statements.get_mut(&rg(1)).unwrap().remove(1)),
            "entry 4 is missing",
        );
    }

    #[test]
    fn what_is_half_there_is_found() {
        check(
            |_, statements| drop(statements.get_mut(&rg(2)).unwrap().pop()),
            "half there",
        );
        check(
            |_, statements| drop(statements.get_mut(&rg(2)).unwrap().pop()),
            "does not balance",
        );
    }

    #[test]
    fn what_is_done_twice_is_found() {
        let twice = |_: &mut Vec<Attempt>, statements: &mut Statements| {
            statements
                .get_mut(&rg(1))
                .unwrap()
                .push(line(6, "sent", 10, 9_981, Some(2)));
            statements
                .get_mut(&rg(2))
                .unwrap()
                .push(line(6, "received", 10, 10_027, Some(1)));
        };
        check(twice, "applied 2 times");
    }

    #[test]
    fn what_nobody_asked_for_is_found() {
        check(
            |_, statements| {
                statements
                    .get_mut(&rg(1))
                    .unwrap()
                    .push(line(6, "deposit", 99, 10_090, None))
            },
            "nobody asked",
        );
        check(
            |attempts, _| attempts[1].fate = Fate::Refused("busy".to_owned()),
            "refused and applied",
        );
    }

    #[test]
    fn wrong_balances_and_answers_are_found() {
        check(
            |_, statements| statements.get_mut(&rg(1)).unwrap()[1].balance += 1,
            "held 9993, then",
        );
        check(
            |attempts, _| {
                attempts[1].fate = Fate::Done {
                    balance: 10_001,
                    entry: 3,
                }
            },
            "told otherwise than written",
        );
    }
}
