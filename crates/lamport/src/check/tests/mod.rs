//! One honest run per service, and for every rule a doctored one that breaks only that rule: with the rule lifted it
//! passes. Runs are written as lines `process time kind message label fact=value…`; `'7` is a text, `7` a number.

mod bank;
mod chat;
mod clock;
mod multicast;
mod traces;

use super::*;
use crate::trace::Value;
use crate::trace::facts::Fact;
use bank::BANK;
use chat::CHAT;
use multicast::CAST;

fn parse(line: &str, service: Service) -> TraceEvent<'static> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [process, time, kind, message, label, facts @ ..] = &words[..] else {
        panic!("{line:?}")
    };
    let fact = |word: &&str| -> Fact<'static> {
        let (key, value) = word.split_once('=').expect("fact=value");
        let value = match (value.strip_prefix('\''), value.parse()) {
            (None, Ok(number)) => Value::Integer(number),
            (text, _) => Value::Text(text.unwrap_or(value).to_owned().into()),
        };
        (key.to_owned().into(), value)
    };
    TraceEvent {
        process: (*process).to_owned().into(),
        lamport: time.parse().unwrap(),
        kind: Kind::from_word(kind).unwrap(),
        message: (*message != "-").then(|| (*message).to_owned().into()),
        label: (*label).to_owned().into(),
        at_us: 0,
        service,
        facts: facts.iter().map(fact).collect(),
    }
}

/// Runs a script from one source that is closed in good order. A line `dropped` stands for missing events, `closed` or `killed` for the
/// end of the source: what follows is from another one.
fn run(script: &str, service: Service, options: Options) -> Result<Report, Box<Violation>> {
    let mut check = Check::new(options);
    let mut source = 0;
    for (index, line) in script.trim().lines().enumerate() {
        let place = Place::new(source, index as u64 + 1);
        match line.trim() {
            "dropped" => check.dropped(place, 1),
            "closed" => {
                check.closed(place);
                source += 1;
            }
            "killed" => source += 1,
            "" => {}
            line => check.event(place, &parse(line, service))?,
        }
    }
    check.closed(Place::new(source, 0));
    check.finish()
}

/// The run breaks the rule, shown by `events` events the last of which breaks it, and no other.
#[track_caller]
fn check_broken(script: &str, service: Service, options: Options, rule: Rule, events: usize) {
    let violation = run(script, service, options.clone()).expect_err("the doctored run must not pass");
    assert_eq!(violation.rule, rule, "{violation} {:?}", violation.events);
    assert_eq!(violation.events.len(), events, "{:?}", violation.events);
    let lifted = Options {
        lifted: vec![rule],
        ..options
    };
    if let Err(other) = run(script, service, lifted) {
        panic!("the run breaks {other} too: {:?}", other.events);
    }
}

/// Exchanges the one place where `from` stands.
#[track_caller]
fn doctor(script: &str, from: &str, to: &str) -> String {
    assert_eq!(script.matches(from).count(), 1, "{from:?} must stand there once");
    script.replace(from, to)
}

#[test]
fn honest_runs_pass_and_every_rule_set_was_at_work() {
    let complete = Options {
        settled: true,
        complete: true,
        ..Options::default()
    };
    // How often each rule was put to the test, counted by hand.
    let check = |script: &str, service, expected: &[(Rule, u64)]| {
        let report = run(script, service, complete.clone()).unwrap();
        let tested: Vec<_> = (Rule::ALL.iter())
            .map(|rule| (*rule, report.tested(*rule)))
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(tested, expected);
        assert!(report.unproved.is_empty(), "{:?}", report.unproved);
    };
    let chat = [
        (Rule::TimesGrow, 34),
        (Rule::ReceiveAfterSend, 16),
        (Rule::ReceiveHasSend, 16),
        (Rule::SentOnce, 18),
        (Rule::FactsAreWhole, 16),
        (Rule::RoomNumbered, 6),
        (Rule::RoomAgreed, 16),
        (Rule::RoomNoGap, 10),
        (Rule::RoomNoDouble, 10),
        (Rule::RoomMembers, 10),
    ];
    check(CHAT, Service::Chat, &chat);
    let bank = [
        (Rule::TimesGrow, 17),
        (Rule::ReceiveAfterSend, 8),
        (Rule::ReceiveHasSend, 8),
        (Rule::SentOnce, 8),
        (Rule::FactsAreWhole, 12),
        (Rule::BankConserves, 3),
        (Rule::BankOrder, 6),
        (Rule::BankBalance, 5),
        (Rule::BankCovered, 4),
        (Rule::BankAcknowledged, 4),
    ];
    check(BANK, Service::Bank, &bank);
    let cast = [
        (Rule::TimesGrow, 24),
        (Rule::ReceiveAfterSend, 10),
        (Rule::ReceiveHasSend, 10),
        (Rule::SentOnce, 5),
        (Rule::FactsAreWhole, 17),
        (Rule::CastNumbered, 5),
        (Rule::CastOnce, 15),
        (Rule::CastBroadcast, 15),
        (Rule::CastAgreed, 15),
    ];
    let orders = [Rule::CastFifo, Rule::CastCausal, Rule::CastTotal].map(|rule| (rule, 15));
    for (count, order) in ["none", "fifo", "causal", "total"].into_iter().enumerate() {
        let expected = [&cast[..], &orders[..count]].concat();
        check(&CAST.replace("ORDER", order), Service::Multicast, &expected);
    }
}

#[test]
fn every_rule_has_its_doctored_run() {
    let all = [
        include_str!("clock.rs"),
        include_str!("chat.rs"),
        include_str!("bank.rs"),
        include_str!("multicast.rs"),
    ];
    for rule in Rule::ALL {
        let words = format!("Rule::{rule:?},");
        assert!(
            all.iter().any(|tests| tests.contains(&words)),
            "no run breaks {rule}"
        );
        assert!(!rule.says().is_empty());
    }
}
