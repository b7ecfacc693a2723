//! What concurrent clients may see: opposing transfers never stuck, a total that never moves (Jepsen's bank test), and
//! one account as if its operations came one after the other.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::{Wire, cents, money};
use crate::support::linear::{Op, Recording, Ret};
use crate::support::load::{another, connect_all};
use crate::support::random::Random;
use crate::support::toy::{Plant, Toy};
use crate::support::{alone, slow};

/// How long no opposing transfer may be answered before they count as stuck.
const STUCK: Duration = Duration::from_secs(5);

/// Sends `transfers` between two accounts in both directions at once, 8 connections with 64 on their way each. How many
/// were answered with success until all were, or nothing came any more.
fn oppose(bank: &impl Subject, opening: &Opening, transfers: usize) -> usize {
    const CONNECTIONS: usize = 8;
    const WINDOW: usize = 64;
    let (done, finished) = mpsc::channel();
    let progress = std::sync::Arc::new(AtomicUsize::new(0));
    for connection in 0..CONNECTIONS {
        let (from, to) = (
            opening.accounts[connection % 2].clone(),
            opening.accounts[1 - connection % 2].clone(),
        );
        let (address, done, progress) = (bank.address(), done.clone(), progress.clone());
        // Not scoped: where transfers are stuck, so are these threads.
        thread::spawn(move || {
            let mut wire = Wire::login(address.get(), &from).unwrap();
            let fields = json!({"to": to, "amount": "0.01"});
            let share = transfers / CONNECTIONS;
            let mut sent = 0;
            for answered in 0..share {
                while sent < share.min(answered + WINDOW) {
                    wire.send("transfer", &fields).unwrap();
                    sent += 1;
                }
                match wire.answer() {
                    Ok(Ok(_)) => progress.fetch_add(1, Ordering::Relaxed),
                    _ => break,
                };
            }
            let _ = done.send(());
        });
    }
    let (mut seen, mut ended) = (0, 0);
    while ended < CONNECTIONS {
        match finished.recv_timeout(STUCK) {
            Ok(()) => ended += 1,
            Err(_) => {
                let now = progress.load(Ordering::Relaxed);
                if now == seen {
                    break;
                }
                seen = now;
            }
        }
    }
    progress.load(Ordering::Relaxed)
}

#[test]
fn a_hundred_thousand_opposing_transfers_are_never_stuck() {
    let _alone = alone();
    let opening = Opening::new(2, 10_000_000);
    let bank = RealBank::start(&opening);
    assert_eq!(oppose(&bank, &opening, 100_000), 100_000);
    let mut wires = connect_all(&bank.address(), &opening).unwrap();
    let total: i64 = wires
        .values_mut()
        .map(|wire| cents(&wire.ask("balance", &json!({})).unwrap().unwrap()["balance"]))
        .sum();
    assert_eq!(total, opening.total());
}

#[test]
fn control_of_opposing_transfers() {
    let opening = Opening::new(2, 10_000_000);
    assert_eq!(
        oppose(&Toy::start(&opening, Plant::Nothing), &opening, 4_000),
        4_000
    );
    assert!(oppose(&Toy::start(&opening, Plant::Deadlocks), &opening, 4_000) < 4_000);
}

/// Jepsen's bank test: while transfers of up to 5 move between 8 accounts, every consistent reading of all of them adds
/// up to the same. How many readings were wrong.
///
/// A session reads only its own account, so a reading takes one connection for each account: first what every account
/// holds and since which entry, then, from the statements, what each held at the latest of these entries. That is a
/// state the bank was in, if its entries are what it says they are.
fn wrong_totals(
    bank: &impl Subject,
    opening: &Opening,
    readings: usize,
    random: &mut Random,
) -> io::Result<usize> {
    let stop = AtomicBool::new(false);
    let (left, wrong) = (AtomicUsize::new(readings), AtomicUsize::new(0));
    thread::scope(|scope| {
        // From every account, or all the money would soon lie where nobody takes it from.
        for account in &opening.accounts {
            let (mut random, stop, address) = (random.fork(), &stop, bank.address());
            scope.spawn(move || {
                let mut wire = Wire::login(address.get(), account).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let to = another(opening, account, &mut random);
                    let amount = money(100 * (1 + random.below(5) as i64));
                    let _ = wire
                        .ask("transfer", &json!({"to": to, "amount": amount}))
                        .unwrap();
                }
            });
        }
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (left, wrong, address) = (&left, &wrong, bank.address());
                scope.spawn(move || -> io::Result<()> {
                    let mut wires = connect_all(&address, opening)?;
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                            left.checked_sub(READINGS_PER_STATEMENT)
                        })
                        .is_ok()
                    {
                        let found = wrong_readings(&mut wires, READINGS_PER_STATEMENT, opening.total())?;
                        wrong.fetch_add(found, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let read = readers.into_iter().try_for_each(|reader| reader.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        read?;
        Ok(wrong.load(Ordering::Relaxed))
    })
}

/// Readings whose statements are asked for together.
const READINGS_PER_STATEMENT: usize = 20;

/// Takes `count` readings one after the other; how many of them do not add up to `total`, or say of an account what its
/// statement does not.
///
/// The statements are what costs, so those of each account are asked for after a few readings, and reach back to all of
/// them.
fn wrong_readings(wires: &mut BTreeMap<String, Wire>, count: usize, total: i64) -> io::Result<usize> {
    let none = json!({});
    let mut readings = Vec::new();
    for _ in 0..count {
        wires
            .values_mut()
            .try_for_each(|wire| wire.send("balance", &none))?;
        let mut told = Vec::new();
        for wire in wires.values_mut() {
            let holds = wire.answer()?.map_err(io::Error::other)?;
            told.push((holds["entry"].as_u64().unwrap_or(0), cents(&holds["balance"])));
        }
        readings.push(told);
    }
    wires
        .values_mut()
        .try_for_each(|wire| wire.send("statement", &json!({"limit": 40})))?;
    let mut pages = Vec::new();
    for (wire, &(oldest, _)) in wires.values_mut().zip(&readings[0]) {
        let latest = wire.answer()?.map_err(io::Error::other)?;
        pages.push(back_to(oldest, latest, wire)?);
    }
    let adds_up = |told: &Vec<(u64, i64)>| {
        let held = pages.iter().map(|page| held_at(page, latest_of(told)));
        let as_stated = told
            .iter()
            .zip(&pages)
            .all(|(&(entry, balance), page)| held_at(page, entry) == Some(balance));
        as_stated && held.sum::<Option<i64>>() == Some(total)
    };
    Ok(readings.iter().filter(|told| !adds_up(told)).count())
}

/// The latest entry that a reading knows of.
fn latest_of(told: &[(u64, i64)]) -> u64 {
    told.iter().map(|&(entry, _)| entry).max().unwrap_or(0)
}

/// The entries of a statement and of those before it, back to `oldest`: whoever was kept waiting has much to catch up with.
fn back_to(oldest: u64, mut page: Value, wire: &mut Wire) -> io::Result<Vec<Value>> {
    let mut lines = Vec::new();
    loop {
        if let Value::Array(entries) = page["entries"].take() {
            lines.extend(entries);
        }
        if page["more"] != true || held_at(&lines, oldest).is_some() {
            return Ok(lines);
        }
        let before = lines.last().map_or(Value::Null, |line| line["entry"].clone());
        let older = wire.ask("statement", &json!({"before": before, "limit": 300}))?;
        page = older.map_err(io::Error::other)?;
    }
}

/// What the statement says the account held at that entry.
fn held_at(lines: &[Value], latest: u64) -> Option<i64> {
    let mut lines = lines.iter();
    let line = lines.find(|line| line["entry"].as_u64().is_some_and(|entry| entry <= latest))?;
    Some(cents(&line["balance"]))
}

#[test]
fn every_reading_of_all_accounts_adds_up() {
    let _alone = alone();
    let opening = Opening::new(8, 10_000);
    let bank = RealBank::start(&opening);
    let readings = if slow() { 10_000 } else { 2_000 };
    let wrong = wrong_totals(&bank, &opening, readings, &mut Random::of_test("every_reading")).unwrap();
    assert_eq!(wrong, 0, "of {readings}");
}

#[test]
fn control_of_readings_a_transfer_shown_by_halves_is_found() {
    let opening = Opening::new(8, 10_000);
    let mut random = Random::of_test("control_of_readings");
    let wrong = |plant, random: &mut Random| {
        let toy = Toy::start(&opening, plant);
        warm_up(&toy, &opening);
        wrong_totals(&toy, &opening, 300, random).unwrap()
    };
    assert_eq!(wrong(Plant::Nothing, &mut random), 0);
    assert!(wrong(Plant::ShowsHalves, &mut random) > 0);
    assert!(wrong(Plant::LosesUpdates, &mut random) > 0);
}

/// The toy has no opening entries; gives each account a first line.
fn warm_up(toy: &Toy, opening: &Opening) {
    for (n, account) in opening.accounts.iter().enumerate() {
        let to = &opening.accounts[(n + 1) % opening.accounts.len()];
        let mut wire = Wire::login(toy.address().get(), account).unwrap();
        wire.ask("transfer", &json!({"to": to, "amount": "0.01"}))
            .unwrap()
            .unwrap();
    }
}

/// Runs short histories of reads, deposits and withdrawals on one account from three connections, and counts those
/// that no order of one after the other explains.
fn illegal_histories(bank: &impl Subject, opening: &Opening, histories: usize, random: &mut Random) -> usize {
    const THREADS: usize = 3;
    const OPERATIONS: usize = 8;
    let account = &opening.accounts[0];
    let mut wires: Vec<Wire> = (0..THREADS)
        .map(|_| Wire::login(bank.address().get(), account).unwrap())
        .collect();
    let mut illegal = 0;
    for _ in 0..histories {
        let now = cents(&wires[0].ask("balance", &json!({})).unwrap().unwrap()["balance"]);
        let recording = Recording::new(now);
        thread::scope(|scope| {
            for (number, wire) in wires.iter_mut().enumerate() {
                let (mut random, recording) = (random.fork(), &recording);
                scope.spawn(move || {
                    for _ in 0..OPERATIONS {
                        let op = match random.below(4) {
                            0 => Op::Deposit(1 + random.below(500) as i64),
                            1 => Op::Withdraw(1 + random.below(500) as i64),
                            _ => Op::Read,
                        };
                        recording.operation(number, op, |op| operate(wire, op));
                    }
                });
            }
        });
        illegal += usize::from(!recording.is_linearizable());
    }
    illegal
}

fn operate(wire: &mut Wire, op: &Op) -> Option<Ret> {
    let answer = match *op {
        Op::Read => wire.ask("balance", &json!({})),
        Op::Deposit(cents) => wire.ask("deposit", &json!({"amount": money(cents)})),
        Op::Withdraw(cents) => wire.ask("withdraw", &json!({"amount": money(cents)})),
    };
    match answer.unwrap() {
        Ok(ok) => Some(Ret::Balance(cents(&ok["balance"]))),
        Err(code) if code == "insufficient_funds" => Some(Ret::Insufficient),
        Err(code) => panic!("{op:?} was refused: {code}"),
    }
}

#[test]
fn one_account_is_linearizable() {
    let _alone = alone();
    // So little that withdrawals are refused now and then.
    let opening = Opening::new(1, 500);
    let bank = RealBank::start(&opening);
    let histories = if slow() { 2_000 } else { 100 };
    assert_eq!(
        illegal_histories(&bank, &opening, histories, &mut Random::of_test("one_account")),
        0
    );
}

#[test]
fn control_of_linearizability() {
    let opening = Opening::new(1, 500);
    let mut random = Random::of_test("control_of_linearizability");
    let mut illegal = |plant| illegal_histories(&Toy::start(&opening, plant), &opening, 60, &mut random);
    assert_eq!(illegal(Plant::Nothing), 0);
    assert!(illegal(Plant::ReadsOldCopies) > 0);
    assert!(illegal(Plant::LosesUpdates) > 0);
}
