//! A toy bank that speaks the wire, with one fault planted: what the checkers must find.
//!
//! It keeps its books under one lock and in memory. "Durable" is what a crash leaves; the sound toy loses nothing.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bank::{Address, Opening, Subject};
use super::line::{PIN, money};

/// How long the sound toy takes for a login.
const LOGIN_TAKES: Duration = Duration::from_millis(15);
/// Wrong PINs after which the toy limits an account and address.
const WRONG_PINS_MAX: usize = 5;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// None: the checkers must be content.
    Nothing,
    /// A crash forgets the latest changes, acknowledged or not.
    AcknowledgesTooEarly,
    /// A crash can leave a transfer's debit without its credit.
    TearsTransfers,
    /// A key that comes back is carried out again.
    ForgetsKeys,
    /// A key that comes back is answered with the present balance.
    AnswersAnew,
    /// A transfer's credit shows a little later than its debit.
    ShowsHalves,
    /// Balances are read from a copy that is a little old.
    ReadsOldCopies,
    /// Two changes at once can overwrite each other.
    LosesUpdates,
    /// Accounts are locked in the order in which the request names them.
    Deadlocks,
    /// Any text with a digit in it is an amount.
    TakesAnyAmount,
    /// An unknown account is refused faster than a wrong PIN.
    TellsUnknownAccounts,
    /// Wrong PINs are never limited.
    NeverLimits,
    /// Wrong PINs from one address lock the account for all.
    LocksOut,
}

/// A toy bank on a port of its own, its threads running until the process ends.
pub(crate) struct Toy {
    shared: Arc<Shared>,
    address: Address,
}

struct Shared {
    plant: Plant,
    opening: Opening,
    state: Mutex<State>,
    /// For [`Plant::Deadlocks`].
    locks: BTreeMap<String, Mutex<()>>,
    wrong_pins: Mutex<HashMap<(String, Option<IpAddr>), usize>>,
}

struct State {
    books: Books,
    durable: Option<Books>,
    old_copy: (Instant, BTreeMap<String, i64>),
    /// Grows with every crash; connections of an older one are over.
    life: u64,
    streams: Vec<TcpStream>,
    time: u64,
}

#[derive(Clone)]
struct Books {
    balances: BTreeMap<String, i64>,
    lines: BTreeMap<String, Vec<Value>>,
    keys: HashMap<String, Value>,
    last_entry: u64,
}

impl Toy {
    pub(crate) fn start(opening: &Opening, plant: Plant) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::new(listener.local_addr().unwrap());
        let balances: BTreeMap<_, _> = opening
            .accounts
            .iter()
            .map(|rg| (rg.clone(), opening.cents))
            .collect();
        let books = Books {
            lines: opening
                .accounts
                .iter()
                .map(|rg| (rg.clone(), Vec::new()))
                .collect(),
            balances: balances.clone(),
            keys: HashMap::new(),
            last_entry: opening.accounts.len() as u64,
        };
        let shared = Arc::new(Shared {
            plant,
            opening: opening.clone(),
            state: Mutex::new(State {
                durable: None,
                books,
                old_copy: (Instant::now(), balances),
                life: 0,
                streams: Vec::new(),
                time: 0,
            }),
            locks: opening
                .accounts
                .iter()
                .map(|rg| (rg.clone(), Mutex::new(())))
                .collect(),
            wrong_pins: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self { shared, address }
    }
}

impl Subject for Toy {
    fn address(&self) -> Address {
        self.address.clone()
    }

    fn crash(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        state.life += 1;
        state
            .streams
            .drain(..)
            .for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        if let Some(durable) = state.durable.take() {
            state.books = durable;
        }
        if self.shared.plant == Plant::TearsTransfers {
            state.books.tear();
        }
    }

    fn stop(&mut self) -> Result<(), String> {
        self.crash();
        Ok(())
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let life = {
            let mut state = self.state.lock().unwrap();
            state.streams.push(stream.try_clone().unwrap());
            state.life
        };
        let from = stream.peer_addr().ok().map(|peer| peer.ip());
        stream.set_nodelay(true).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let mut session = None;
        if writer
            .write_all(b"{\"service\":\"bank\",\"protocol\":1,\"connection\":\"toy\"}\n")
            .is_err()
        {
            return;
        }
        for line in BufReader::new(stream).lines() {
            let Ok(Ok(request)) = line.map(|line| serde_json::from_str::<Value>(&line)) else {
                return;
            };
            let Some(outcome) = self.answer(&request, &mut session, from, life) else {
                return;
            };
            let time = {
                let mut state = self.state.lock().unwrap();
                state.time = state.time.max(request["lamport"].as_u64().unwrap_or(0)) + 2;
                state.time
            };
            let reply = match outcome {
                Ok(ok) => json!({"lamport": time, "id": request["id"], "ok": ok}),
                Err(code) => {
                    json!({"lamport": time, "id": request["id"], "error": {"code": code, "message": "no"}})
                }
            };
            if writer.write_all(format!("{reply}\n").as_bytes()).is_err() {
                return;
            }
        }
    }

    /// The answer; nothing when the connection is of an earlier life.
    fn answer(
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
        if wrong_before >= WRONG_PINS_MAX && self.plant != Plant::NeverLimits {
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
        let mut state = self.alive(life)?;
        let key = request["key"].as_str().map(|key| format!("{account}/{key}"));
        if let Some(known) = key.as_ref().and_then(|key| state.books.keys.get(key)) {
            match self.plant {
                Plant::ForgetsKeys => {}
                Plant::AnswersAnew => {
                    let balance = money(state.books.balances[account]);
                    return Some(Ok(json!({"balance": balance, "entry": known["entry"]})));
                }
                _ => return Some(Ok(known.clone())),
            }
        }
        let before = state.books.balances[account];
        let signed = if op == "deposit" { amount } else { -amount };
        if before + signed < 0 {
            return Some(Err("insufficient_funds"));
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
        state.books.keys.extend(key.map(|key| (key, ok.clone())));
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

impl Books {
    fn post(&mut self, account: &str, entry: u64, kind: &str, amount: i64, balance: i64, with: Option<&str>) {
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
    fn tear(&mut self) {
        let torn = self
            .lines
            .iter_mut()
            .find(|(_, lines)| lines.last().is_some_and(|line| line["kind"] == "received"));
        let Some((account, lines)) = torn else { return };
        let line = lines.pop().unwrap();
        let back = super::line::cents(&line["balance"]) - super::line::cents(&line["amount"]);
        self.balances.insert(account.clone(), back);
    }
}
