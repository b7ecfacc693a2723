//! What was asked for, what became of it, and what it looks like in a statement.

use serde_json::{Value, json};

use crate::support::line::{Answer, cents, money};

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

impl Attempt {
    pub(crate) fn op(&self) -> &'static str {
        match self.change {
            Change::Deposit => "deposit",
            Change::Withdrawal => "withdraw",
            Change::TransferTo(_) => "transfer",
        }
    }

    pub(crate) fn fields(&self) -> Value {
        let amount = money(self.cents);
        match &self.change {
            Change::TransferTo(to) => json!({"to": to, "amount": amount, "key": self.key}),
            Change::Deposit | Change::Withdrawal => json!({"amount": amount, "key": self.key}),
        }
    }

    /// What the attempt looks like in the statements, if it was carried out.
    pub(super) fn legs(&self) -> Vec<(&str, &str, Option<&str>)> {
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
    pub(crate) fn of(answer: &Answer) -> Self {
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
    pub(super) fn read(line: &Value) -> Self {
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
    pub(super) fn adds(&self) -> i64 {
        if matches!(self.kind.as_str(), "sent" | "withdrawal") {
            -self.cents
        } else {
            self.cents
        }
    }
}
