//! Stamps over crashes: what a bank has sent once it never sends again, not even when nothing was written in between.

use std::collections::BTreeSet;

use lamport::HORIZON_AT_START;
use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::Wire;
use crate::support::toy::{Plant, Toy};

/// How many stamps come twice over some lives, each of which only tells balances before it is killed.
fn repeated(bank: &mut impl Subject, opening: &Opening, leap: bool) -> usize {
    let (mut seen, mut repeated) = (BTreeSet::<u64>::new(), 0);
    for life in 1..=4 {
        // A new customer: its clock knows nothing of the lives before.
        let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
        if leap && life == 2 {
            wire.time += 1 << 31;
        }
        for _ in 0..300 {
            wire.send("balance", &json!({})).unwrap();
            let stamp = wire.read().unwrap()["lamport"].as_u64().unwrap();
            repeated += usize::from(!seen.insert(stamp));
        }
        bank.crash();
    }
    repeated
}

#[test]
fn no_stamp_of_a_killed_bank_comes_back() {
    let opening = Opening::new(1, 10_000);
    assert_eq!(repeated(&mut RealBank::start(&opening), &opening, false), 0);
    assert_eq!(
        repeated(&mut RealBank::start(&opening), &opening, true),
        0,
        "after a leap"
    );
}

/// The journal knows of no time that a balance was told at, so the recovery goes beyond what stamps can have moved the
/// clock by.
#[test]
fn no_stamp_comes_back_after_the_file_that_reserved_them_is_lost_and_recovered() {
    let opening = Opening::new(1, 10_000);
    let mut bank = RealBank::start(&opening);
    let mut before = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    before.time += 1 << 31;
    let told_before = before.ask("balance", &json!({})).unwrap();
    assert!(told_before.is_ok());
    bank.crash_and(|data| {
        std::fs::remove_file(data.join("stamps")).unwrap();
        bank::recover_stamps(data).unwrap();
    });
    let mut after = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    after.send("balance", &json!({})).unwrap();
    let first_after = after.read().unwrap()["lamport"].as_u64().unwrap();
    assert!(first_after > before.time, "{first_after} after {}", before.time);
    // Who remembers the life before is not taken for a leap.
    after.time = before.time;
    assert!(after.ask("balance", &json!({})).unwrap().is_ok());
}

#[test]
fn control_of_stamps() {
    let opening = Opening::new(1, 10_000);
    let found = |plant| repeated(&mut Toy::start(&opening, plant), &opening, false);
    assert_eq!(found(Plant::Nothing), 0);
    assert!(found(Plant::RepeatsStamps) > 300);
}

/// Leap after leap, each of which may be believed, does not use up the times, and needs no login to try.
#[test]
fn leap_after_leap_does_not_use_up_the_times() {
    const LEAP: u64 = (1 << 32) - 1024;
    let opening = Opening::new(1, 10_000);
    let bank = RealBank::start(&opening);
    let mut stranger = Wire::open(bank.address().get()).unwrap();
    let codes: Vec<Value> = (1..=100)
        .map(|n| {
            stranger.time = n * LEAP;
            stranger.send("balance", &json!({})).unwrap();
            stranger.read().unwrap()["error"]["code"].clone()
        })
        .collect();
    let believed = codes.iter().take_while(|code| *code == "not_logged_in").count();
    assert_eq!(believed as u64, HORIZON_AT_START / LEAP);
    assert!(
        codes[believed..].iter().all(|code| code == "clock_leap"),
        "{codes:?}"
    );

    let mut customer = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
    assert!(customer.time < HORIZON_AT_START + LEAP);
    assert!(customer.ask("balance", &json!({})).unwrap().is_ok());
}

/// A bank that ends in order goes on where it was: people see no jump.
#[test]
fn an_end_in_order_leaves_the_clock_where_it_was() {
    let opening = Opening::new(1, 10_000);
    let mut bank = RealBank::start(&opening);
    // Two requests a life: 1 → 2, 3 → 4 and 5 → 6, 7 → 8; then 1 → 8, 9 → 10 and 11 → 12, 13 → 14; and so on.
    for last in [7, 13, 19] {
        let mut wire = Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
        wire.send("balance", &json!({})).unwrap();
        assert_eq!(wire.read().unwrap()["lamport"], last);
        drop(wire);
        bank.stop().unwrap();
    }
}
