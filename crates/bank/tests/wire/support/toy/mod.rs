//! A toy bank that speaks the wire, with one fault planted: what the checkers must find.
//!
//! It keeps its books under one lock and in memory. "Durable" is what a crash leaves; the sound toy loses nothing.

mod answers;
mod books;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use self::books::Books;
use super::bank::{Address, Opening, Subject};

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
    /// A key that was refused may be used again.
    ForgetsRefusals,
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
    /// A request that is received does not move the clock.
    SkipsReceives,
    /// A crash sets the clock back to zero.
    RepeatsStamps,
    /// Wrong PINs are never limited.
    NeverLimits,
    /// Moving money takes as long as checking a PIN, and wrong ones are never limited.
    LetsTransfersWaitForPins,
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
        if self.shared.plant == Plant::RepeatsStamps {
            state.time = 0;
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
                let _ = writer.shutdown(Shutdown::Both);
                return;
            };
            let Some(outcome) = self.answer(&request, &mut session, from, life) else {
                return;
            };
            let ticks = if self.plant == Plant::SkipsReceives { 1 } else { 2 };
            let time = {
                let mut state = self.state.lock().unwrap();
                state.time = state.time.max(request["lamport"].as_u64().unwrap_or(0)) + ticks;
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
}
