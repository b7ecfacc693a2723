//! Members are killed, stopped and started again in random order while everybody sends; after every healing all have
//! delivered the same, each life exactly once and in the group's order.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::checker::{End, Order, Said, Violation, check};
use crate::peers::{Group, PATIENCE, Setting};
use crate::random::{Random, is_slow};

/// Time between two messages of one member.
const PACE: Duration = Duration::from_millis(4);

/// What happens to a member in a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Stop,
}

fn cycles(order: Order, test: &str) {
    let mut random = Random::announced(test);
    let cycles = if is_slow() { 100 } else { 4 };
    let mut group = Group::started(Setting::loopback(order));
    assert!(group.agree(PATIENCE).is_some());
    let mut slowest = Duration::ZERO;
    for cycle in 0..cycles {
        let first = random.below(3) as usize;
        // One cycle in four takes two members away.
        let victims = if random.below(4) == 0 {
            vec![first, (first + 1) % 3]
        } else {
            vec![first]
        };
        let faults: Vec<(usize, Fault)> = victims
            .into_iter()
            .map(|victim| (victim, [Fault::Kill, Fault::Stop][random.below(2) as usize]))
            .collect();
        group.load(&[], PACE, Duration::from_millis(50 + random.below(150)));
        for &(victim, fault) in &faults {
            match fault {
                Fault::Kill => group.kill(victim),
                Fault::Stop => group.signal(victim, Signal::STOP),
            }
        }
        let away: Vec<usize> = faults.iter().map(|&(victim, _)| victim).collect();
        group.load(
            &away,
            PACE,
            Duration::from_millis(50 + random.below(if cycle % 5 == 4 { 2000 } else { 400 })),
        );
        for &(victim, fault) in &faults {
            match fault {
                Fault::Kill => group.start(victim),
                Fault::Stop => group.signal(victim, Signal::CONT),
            }
        }
        let healed = Instant::now();
        group.load(&[], PACE, Duration::from_millis(50));
        if group.agree(PATIENCE).is_none() {
            let found = check(order, &group.views(), End::LostWithItsSender);
            panic!(
                "cycle {cycle}, {faults:?}: the members do not agree {PATIENCE:?} after healing: {found:?}"
            );
        }
        slowest = slowest.max(healed.elapsed());
    }
    judge(&group, order);
    let lives: u32 = group.members.iter().map(|member| member.lives).sum();
    println!(
        "{cycles} cycles, {lives} lives, {} messages, slowest agreement {slowest:?} after a healing",
        group.delivered(0)
    );
}

fn judge(group: &Group, order: Order) {
    let views = group.views();
    assert!(
        views.iter().all(|view| view.delivered().count() > 100),
        "there was too little to judge"
    );
    if let Err(violation) = check(order, &views, End::LostWithItsSender) {
        panic!("{violation}");
    }
    // The same views with one delivery taken out of the middle of a life, or told twice, must not pass: the judge was awake.
    let place = in_the_middle(&views[1].said);
    let mut doctored = views.clone();
    let taken = doctored[1].said.remove(place);
    assert!(matches!(
        check(order, &doctored, End::LostWithItsSender),
        Err(Violation::Agreement { .. })
    ));
    let mut doctored = views;
    doctored[1].said.insert(place, taken);
    assert!(matches!(
        check(order, &doctored, End::LostWithItsSender),
        Err(Violation::IntegrityTwice { .. })
    ));
}

/// A delivery that has others of the same sender before and after it in the member's last life.
fn in_the_middle(said: &[Said]) -> usize {
    let began = said
        .iter()
        .rposition(|said| *said == Said::Forgot)
        .map_or(0, |forgot| forgot + 1);
    let stream = |said: &Said| match said {
        Said::Delivered(message, _) => Some((message.origin.clone(), message.incarnation)),
        Said::Sent(..) | Said::Forgot => None,
    };
    let candidates = began..said.len();
    let middle = candidates.clone().find(|&place| {
        let of = stream(&said[place]);
        // A life without state may repeat what its former self told: that would still be there.
        let once = said.iter().filter(|other| **other == said[place]).count() == 1;
        of.is_some()
            && once
            && said[began..place].iter().any(|said| stream(said) == of)
            && said[place + 1..].iter().any(|said| stream(said) == of)
    });
    middle.expect("a life under load tells several messages of each sender")
}

#[test]
fn a_member_that_stays_away_is_noticed() {
    let mut group = Group::started(Setting::loopback(Order::Causal));
    group.signal(2, Signal::STOP);
    group.load(&[2], PACE, Duration::from_millis(50));
    assert_eq!(
        group.agree(Duration::from_secs(1)),
        None,
        "the negative control: P3 sleeps and has nothing"
    );
    group.signal(2, Signal::CONT);
    assert!(group.agree(PATIENCE).is_some(), "P3 is awake again");
}

#[test]
fn killed_and_stopped_members_agree_without_order() {
    cycles(Order::None, "killed_and_stopped_members_agree_without_order");
}

#[test]
fn killed_and_stopped_members_agree_in_fifo_order() {
    cycles(Order::Fifo, "killed_and_stopped_members_agree_in_fifo_order");
}

#[test]
fn killed_and_stopped_members_agree_in_causal_order() {
    cycles(Order::Causal, "killed_and_stopped_members_agree_in_causal_order");
}

#[test]
fn killed_and_stopped_members_agree_in_total_order() {
    cycles(Order::Total, "killed_and_stopped_members_agree_in_total_order");
}
