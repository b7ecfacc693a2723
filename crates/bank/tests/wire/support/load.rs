//! Loads: workers that send changes through their own accounts and note what they were told.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::bank::{Address, Opening};
use super::history::{Attempt, Change, Fate};
use super::line::Wire;
use super::random::Random;

/// Requests on their way on each connection.
const WINDOW: usize = 16;

/// Numbers the changes of a whole test: each moves an amount that no other moves.
#[derive(Debug, Default)]
pub(crate) struct Serials(AtomicI64);

impl Serials {
    /// A random change from `account`, under a key of its own.
    pub(crate) fn attempt(&self, opening: &Opening, account: &str, random: &mut Random) -> Attempt {
        let cents = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let change = match random.below(10) {
            0 => Change::Deposit,
            1 => Change::Withdrawal,
            _ => Change::TransferTo(another(opening, account, random)),
        };
        Attempt {
            key: format!("k{cents}"),
            account: account.to_owned(),
            change,
            cents,
            fate: Fate::Unknown,
        }
    }
}

/// Another account than that.
pub(crate) fn another(opening: &Opening, account: &str, random: &mut Random) -> String {
    loop {
        let other = &opening.accounts[random.below(opening.accounts.len())];
        if other != account {
            return other.clone();
        }
    }
}

/// A connection for each account, logged in.
pub(crate) fn connect_all(address: &Address, opening: &Opening) -> io::Result<BTreeMap<String, Wire>> {
    opening
        .accounts
        .iter()
        .map(|account| Ok((account.clone(), Wire::login(address.get(), account)?)))
        .collect()
}

/// Sends changes on `wire` until it breaks or `stop` is set, and notes what became of each.
pub(crate) fn work(
    mut wire: Wire,
    account: &str,
    opening: &Opening,
    serials: &Serials,
    random: &mut Random,
    stop: &AtomicBool,
) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let mut waiting: VecDeque<usize> = VecDeque::new();
    let mut broken = false;
    loop {
        while waiting.len() < WINDOW && !broken && !stop.load(Ordering::Relaxed) {
            let attempt = serials.attempt(opening, account, random);
            let sent = wire.send(attempt.op(), &attempt.fields());
            waiting.push_back(attempts.len());
            // What could not be sent may have been sent in part, or wholly.
            attempts.push(attempt);
            // A bank that ends takes nothing more; what it has answered can still be read.
            broken = sent.is_err();
        }
        let Some(first) = waiting.pop_front() else {
            return attempts;
        };
        match wire.answer() {
            Ok(answer) => attempts[first].fate = Fate::of(&answer),
            Err(_) => return attempts,
        }
    }
}
