//! What the toy answers, and where its faults are planted.

use std::net::IpAddr;
use std::sync::MutexGuard;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Plant, Shared, State};
use crate::support::line::{PIN, money};

/// How long the sound toy takes for a login.
const LOGIN_TAKES: Duration = Duration::from_millis(15);
/// Wrong PINs after which the toy limits an account and address.
const WRONG_PINS_MAX: usize = 5;

impl Shared {
    /// The answer; nothing when the connection is of an earlier life.
    pub(super) fn answer(
        &self,
        request: &Value,
        session: &mut Option<String>,
        from: Option<IpAddr>,
        life: u64,
    ) -> Option<Result<Value, &'static str>> {
        let op = request["op"].as_str().unwrap_or_default();
        if op == "login" {
            return Some(self.login(request, session, from));
        }
        let Some(account) = session.clone() else {
            return Some(Err("not_logged_in"));
        };
        let to = request["to"].as_str();
        let _locked = (self.plant == Plant::Deadlocks && to.is_some()).then(|| {
            let first = self.locks[&account].lock().unwrap();
            // Long enough that two opposing transfers meet.
            thread::yield_now();
            (first, self.locks[to.unwrap_or_default()].lock().unwrap())
        });
        let mut state = self.alive(life)?;
        if self.plant == Plant::AcknowledgesTooEarly
            && (state.durable.is_none() || state.books.last_entry % 64 == 0)
        {
            state.durable = Some(state.books.clone());
        }
        match op {
            "balance" => {
                let balance = self.read_balance(&mut state, &account);
                Some(Ok(
                    json!({"balance": money(balance), "entry": state.books.last_entry}),
                ))
            }
            "statement" => {
                let limit = request["limit"].as_u64().unwrap_or(20) as usize;
                let before = request["before"].as_u64().unwrap_or(u64::MAX);
                let older = state.books.lines[&account].iter().rev();
                let mut older = older.filter(|line| line["entry"].as_u64() < Some(before));
                let entries: Vec<_> = older.by_ref().take(limit).cloned().collect();
                Some(Ok(json!({"entries": entries, "more": older.next().is_some()})))
            }
            "deposit" | "withdraw" | "transfer" => {
                drop(state);
                self.change(&account, op, to, request, life)
            }
            _ => Some(Err("unknown_operation")),
        }
    }

    fn login(
        &self,
        request: &Value,
        session: &mut Option<String>,
        from: Option<IpAddr>,
    ) -> Result<Value, &'static str> {
        let account = request["account"].as_str().unwrap_or_default().to_owned();
        let known = self.opening.accounts.contains(&account);
        let place = (account.clone(), from.filter(|_| self.plant != Plant::LocksOut));
        let wrong_before = self.wrong_pins.lock().unwrap().get(&place).copied().unwrap_or(0);
        let limits = !matches!(self.plant, Plant::NeverLimits | Plant::LetsTransfersWaitForPins);
        if wrong_before >= WRONG_PINS_MAX && limits {
            return Err("rate_limited");
        }
        if known || self.plant != Plant::TellsUnknownAccounts {
            thread::sleep(LOGIN_TAKES);
        }
        if !known || request["pin"] != PIN {
            *self.wrong_pins.lock().unwrap().entry(place).or_default() += 1;
            return Err("login_failed");
        }
        *session = Some(account.clone());
        Ok(json!({"account": account, "holder": "Toy"}))
    }

    fn read_balance(&self, state: &mut State, account: &str) -> i64 {
        if self.plant != Plant::ReadsOldCopies {
            return state.books.balances[account];
        }
        if state.old_copy.0.elapsed() > Duration::from_millis(2) {
            state.old_copy = (Instant::now(), state.books.balances.clone());
        }
        state.old_copy.1[account]
    }

    fn change(
        &self,
        account: &str,
        op: &str,
        to: Option<&str>,
        request: &Value,
        life: u64,
    ) -> Option<Result<Value, &'static str>> {
        let amount = match self.amount(&request["amount"]) {
            Ok(amount) => amount,
            Err(code) => return Some(Err(code)),
        };
        if self.plant == Plant::LetsTransfersWaitForPins {
            thread::sleep(LOGIN_TAKES);
        }
        let mut state = self.alive(life)?;
        let key = request["key"].as_str().map(|key| format!("{account}/{key}"));
        if let Some(known) = key.as_ref().and_then(|key| state.books.keys.get(key)) {
            match self.plant {
                Plant::ForgetsKeys => {}
                Plant::AnswersAnew if known.is_ok() => {
                    let known = known.as_ref().expect("it was just looked at");
                    let balance = money(state.books.balances[account]);
                    return Some(Ok(json!({"balance": balance, "entry": known["entry"]})));
                }
                _ => return Some(known.clone()),
            }
        }
        let unknown = to.is_some_and(|to| !state.books.balances.contains_key(to));
        let before = state.books.balances[account];
        let signed = if op == "deposit" { amount } else { -amount };
        if unknown || before + signed < 0 {
            let code = if unknown {
                "unknown_account"
            } else {
                "insufficient_funds"
            };
            if self.plant != Plant::ForgetsRefusals {
                state.books.keys.extend(key.map(|key| (key, Err(code))));
            }
            return Some(Err(code));
        }
        if self.plant == Plant::LosesUpdates {
            // Another change may come between the reading above and the writing below.
            drop(state);
            thread::sleep(Duration::from_micros(300));
            state = self.alive(life)?;
        }
        state.books.last_entry += 1;
        let entry = state.books.last_entry;
        let kind = match op {
            "deposit" => "deposit",
            "withdraw" => "withdrawal",
            _ => "sent",
        };
        state
            .books
            .post(account, entry, kind, amount, before + signed, to);
        if let Some(to) = to {
            if self.plant == Plant::ShowsHalves {
                drop(state);
                thread::sleep(Duration::from_millis(5));
                state = self.alive(life)?;
            }
            let credited = state.books.balances[to] + amount;
            state
                .books
                .post(to, entry, "received", amount, credited, Some(account));
        }
        let ok = json!({"balance": money(before + signed), "entry": entry});
        state.books.keys.extend(key.map(|key| (key, Ok(ok.clone()))));
        Some(Ok(ok))
    }

    /// The state, for a connection of this life.
    fn alive(&self, life: u64) -> Option<MutexGuard<'_, State>> {
        Some(self.state.lock().unwrap()).filter(|state| state.life == life)
    }

    fn amount(&self, amount: &Value) -> Result<i64, &'static str> {
        let text = match amount {
            Value::Null => return Err("missing_field"),
            Value::String(text) => text,
            _ => return Err("invalid_field"),
        };
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let sound = text.split_once('.').is_some_and(|(whole, fraction)| {
            let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            let leading_zero = whole.len() > 1 && whole.starts_with('0');
            !whole.is_empty() && plain(whole) && plain(fraction) && fraction.len() == 2 && !leading_zero
        });
        match digits.parse::<i64>() {
            Ok(cents) if self.plant == Plant::TakesAnyAmount || sound && cents > 0 => Ok(cents),
            _ => Err("invalid_amount"),
        }
    }
}
