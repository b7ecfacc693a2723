//! The toy's books.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::support::line::{cents, money};

/// Balances, statements and keys.
#[derive(Clone)]
pub(super) struct Books {
    pub(super) balances: BTreeMap<String, i64>,
    pub(super) lines: BTreeMap<String, Vec<Value>>,
    /// What each key was answered: the result, or the code of the refusal.
    pub(super) keys: HashMap<String, Result<Value, &'static str>>,
    pub(super) last_entry: u64,
}

impl Books {
    pub(super) fn post(
        &mut self,
        account: &str,
        entry: u64,
        kind: &str,
        amount: i64,
        balance: i64,
        with: Option<&str>,
    ) {
        self.balances.insert(account.to_owned(), balance);
        let mut line = json!({
            "entry": entry, "stamp": 1, "kind": kind, "amount": money(amount), "balance": money(balance), "at": 0,
        });
        if let Some(with) = with {
            line["counterparty"] = json!(with);
        }
        self.lines.get_mut(account).unwrap().push(line);
    }

    /// Takes away one credit that is the last line of its account.
    pub(super) fn tear(&mut self) {
        let torn = self
            .lines
            .iter_mut()
            .find(|(_, lines)| lines.last().is_some_and(|line| line["kind"] == "received"));
        let Some((account, lines)) = torn else { return };
        let line = lines.pop().unwrap();
        let back = cents(&line["balance"]) - cents(&line["amount"]);
        self.balances.insert(account.clone(), back);
    }
}
