//! Members with a journal are killed again and again while everybody sends: what any of them was told to be sent is delivered at
//! all, exactly once by number.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use multicast::client::MessageName;

use crate::checker::Order;
use crate::ear::Numbered;
use crate::peers::{Group, PATIENCE, Setting};
use crate::random::{Random, is_slow};

/// How long what is broken is looked at, in case it heals.
const BROKEN_FOR: Duration = Duration::from_secs(5);
/// Time between two messages of one member.
const PACE: Duration = Duration::from_millis(2);
/// Between two looks at what the members told.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is broken, if anything is: of each member what it told by numbers.
fn judge(told: &[Numbered], order: Order) -> Result<(), String> {
    let acknowledged: BTreeSet<&MessageName> = told.iter().flat_map(|member| &member.acknowledged).collect();
    for (n, member) in told.iter().enumerate() {
        let n = n + 1;
        if let Some(why) = &member.misnumbered {
            return Err(format!("P{n}: {why}"));
        }
        let gap = (1..)
            .zip(member.numbers.keys())
            .find(|(place, number)| place != *number);
        if let Some((place, number)) = gap {
            return Err(format!("P{n}: number {number} stands where {place} should"));
        }
        let delivered: BTreeSet<&MessageName> = member.numbers.values().collect();
        if delivered.len() < member.numbers.len() {
            return Err(format!("P{n} delivered a message under two numbers"));
        }
        if let Some(lost) = acknowledged.iter().find(|message| !delivered.contains(*message)) {
            return Err(format!("P{n} lacks {lost}, which its sender was told to be sent"));
        }
        if member.numbers.len() != told[0].numbers.len() {
            return Err(format!(
                "P{n} delivered {}, P1 {}",
                member.numbers.len(),
                told[0].numbers.len()
            ));
        }
        if order == Order::Total && member.numbers != told[0].numbers {
            return Err(format!("P{n} delivered in another order than P1"));
        }
    }
    Ok(())
}

fn told(group: &Group) -> Vec<Numbered> {
    (0..3).map(|member| group.numbered(member)).collect()
}

/// Kills and starts members under load.
fn play(group: &mut Group, cycles: usize, random: &mut Random) {
    for _ in 0..cycles {
        group.load(&[], PACE, Duration::from_millis(30 + random.below(120)));
        // Now and then two at once, or all three.
        let victims = [1, 1, 1, 2, 3][random.below(5) as usize];
        let first = random.below(3) as usize;
        let victims: Vec<usize> = (0..victims).map(|next| (first + next) % 3).collect();
        victims.iter().for_each(|&victim| group.kill(victim));
        group.load(&[], PACE, Duration::from_millis(random.below(200)));
        victims.iter().for_each(|&victim| group.start(victim));
    }
}

/// Lets the members come to rest, and judges.
fn rest(group: &mut Group, patience: Duration) -> Result<(), String> {
    group.load(&[], PACE, Duration::from_millis(50));
    let healed = Instant::now();
    loop {
        let verdict = judge(&told(group), group.setting.order);
        let all_typed = group.agree_between(&[0, 1, 2], LOOK_EVERY);
        if (verdict.is_ok() && all_typed) || healed.elapsed() > patience {
            return verdict;
        }
    }
}

fn cycles(order: Order, test: &str) {
    let mut random = Random::announced(test);
    let cycles = if is_slow() { 100 } else { 5 };
    let mut group = Group::started(Setting {
        durable: true,
        ..Setting::loopback(order)
    });
    play(&mut group, cycles, &mut random);
    rest(&mut group, PATIENCE).unwrap_or_else(|broken| panic!("{broken}"));
    let told = told(&group);
    let sent: usize = told.iter().map(|member| member.acknowledged.len()).sum();
    assert!(sent > 100, "there was too little to judge");
    let again: usize = told.iter().map(|member| member.again).sum();
    println!(
        "{cycles} cycles, {sent} messages acknowledged, {} deliveries each, {again} told again",
        told[0].numbers.len()
    );
}

#[test]
fn a_journal_keeps_what_was_acknowledged_without_order() {
    cycles(Order::None, "a_journal_keeps_what_was_acknowledged_without_order");
}

#[test]
fn a_journal_keeps_what_was_acknowledged_in_fifo_order() {
    cycles(Order::Fifo, "a_journal_keeps_what_was_acknowledged_in_fifo_order");
}

#[test]
fn a_journal_keeps_what_was_acknowledged_in_causal_order() {
    cycles(
        Order::Causal,
        "a_journal_keeps_what_was_acknowledged_in_causal_order",
    );
}

#[test]
fn a_journal_keeps_what_was_acknowledged_in_total_order() {
    cycles(
        Order::Total,
        "a_journal_keeps_what_was_acknowledged_in_total_order",
    );
}

#[test]
fn without_a_journal_the_same_run_is_found_broken() {
    let mut group = Group::started(Setting::loopback(Order::Causal));
    group.load(&[], PACE, Duration::from_millis(100));
    for member in 0..3 {
        assert!(group.delivers(member, 1, PATIENCE), "the members deliver");
    }
    // All forget what had the first number.
    (0..3).for_each(|member| group.kill(member));
    (0..3).for_each(|member| group.start(member));
    let broken = rest(&mut group, BROKEN_FOR);
    assert!(broken.is_err(), "the judge was awake");
}
