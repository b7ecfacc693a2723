//! The rules of the multicast.

use super::*;

/// P1 sends; P2 answers; P3, which has seen both, sends; then P1 and P2 send at the same time.
pub(super) const CAST: &str = "
    P1 1  local   -    start   order=ORDER
    P2 1  local   -    start   order=ORDER
    P3 1  local   -    start   order=ORDER
    P1 2  send    P1@2 sent    act=broadcast origin=P1 sequence=1 delivered=1
    P2 3  receive P1@2 deliver act=deliver origin=P1 sequence=1
    P2 4  send    P2@4 sent    act=broadcast origin=P2 sequence=1 delivered=1
    P3 3  receive P1@2 deliver act=deliver origin=P1 sequence=1
    P3 5  receive P2@4 deliver act=deliver origin=P2 sequence=1
    P3 6  send    P3@6 sent    act=broadcast origin=P3 sequence=1 delivered=1
    P1 5  receive P2@4 deliver act=deliver origin=P2 sequence=1
    P1 7  receive P3@6 deliver act=deliver origin=P3 sequence=1
    P2 7  receive P3@6 deliver act=deliver origin=P3 sequence=1
    P1 8  send    P1@8 sent    act=broadcast origin=P1 sequence=2
    P2 8  send    P2@8 sent    act=broadcast origin=P2 sequence=2
    P1 9  receive P2@8 arrived
    P2 9  receive P1@8 arrived
    P3 9  receive P1@8 arrived
    P3 10 receive P2@8 arrived
    P1 10 local   -    deliver act=deliver origin=P1 sequence=2
    P1 11 local   -    deliver act=deliver origin=P2 sequence=2
    P2 10 local   -    deliver act=deliver origin=P1 sequence=2
    P2 11 local   -    deliver act=deliver origin=P2 sequence=2
    P3 11 local   -    deliver act=deliver origin=P1 sequence=2
    P3 12 local   -    deliver act=deliver origin=P2 sequence=2";

#[track_caller]
pub(super) fn check_cast(order: &str, from: &str, to: &str, rule: Rule, events: usize) {
    let script = doctor(&CAST.replace("ORDER", order), from, to);
    check_broken(
        &script,
        Service::Multicast,
        Options {
            settled: true,
            ..Options::default()
        },
        rule,
        events,
    );
}

#[test]
fn an_origin_must_number_one_by_one() {
    let script = CAST
        .replace("origin=P2 sequence=2", "origin=P2 sequence=3")
        .replace("ORDER", "none");
    let options = Options::default();
    check_broken(
        &script,
        Service::Multicast,
        options.clone(),
        Rule::CastNumbered,
        2,
    );
    let script =
        format!("{CAST}\nP2 12 send P2@12 sent act=broadcast origin=P2 sequence=2").replace("ORDER", "none");
    check_broken(&script, Service::Multicast, options, Rule::CastNumbered, 2);
}

#[test]
fn a_message_must_be_delivered_once() {
    for order in ["none", "fifo", "causal", "total"] {
        let again = "P3 12 local   -    deliver act=deliver origin=P2 sequence=2\nP3 13 local - deliver act=deliver origin=P2 sequence=2";
        check_cast(
            order,
            "P3 12 local   -    deliver act=deliver origin=P2 sequence=2",
            again,
            Rule::CastOnce,
            2,
        );
    }
}

#[test]
fn only_what_was_broadcast_must_be_delivered() {
    let forged = "\n P3 13 local - deliver act=deliver origin=P2 sequence=3";
    let script = format!("{CAST}{forged}").replace("ORDER", "causal");
    check_broken(
        &script,
        Service::Multicast,
        Options::default(),
        Rule::CastBroadcast,
        1,
    );
    // A life of the origin that never was.
    let forged = "\n P3 13 local - deliver act=deliver origin=P2 incarnation=7 sequence=1";
    let script = format!("{CAST}{forged}").replace("ORDER", "total");
    check_broken(
        &script,
        Service::Multicast,
        Options::default(),
        Rule::CastBroadcast,
        1,
    );
}

#[test]
fn what_one_delivers_all_must_deliver() {
    for order in ["none", "fifo", "causal", "total"] {
        check_cast(
            order,
            "P2 11 local   -    deliver act=deliver origin=P2 sequence=2",
            "",
            Rule::CastAgreed,
            2,
        );
    }
    check_cast(
        "none",
        "P2 3  receive P1@2 deliver act=deliver origin=P1 sequence=1",
        "P2 3 receive P1@2 arrived",
        Rule::CastAgreed,
        2,
    );
    // Unless the run is said to have settled, the last messages may have been on their way.
    let script = doctor(
        CAST,
        "P2 11 local   -    deliver act=deliver origin=P2 sequence=2",
        "",
    )
    .replace("ORDER", "total");
    assert!(run(&script, Service::Multicast, Options::default()).is_ok());
    // A member that was told of its loss is excused.
    let told = doctor(
        CAST,
        "P2 11 local   -    deliver act=deliver origin=P2",
        "P2 11 local - missed act=miss origin=P2",
    );
    let settled = Options {
        settled: true,
        ..Options::default()
    };
    assert!(run(&told.replace("ORDER", "total"), Service::Multicast, settled).is_ok());
}

#[test]
fn fifo_must_not_skip() {
    for order in ["fifo", "causal", "total"] {
        let skipped = "P3 3  receive P1@2 arrived";
        let script = doctor(
            CAST,
            "P3 3  receive P1@2 deliver act=deliver origin=P1 sequence=1",
            skipped,
        );
        let script = script.replace("ORDER", order);
        let rule = run(&script, Service::Multicast, Options::default())
            .unwrap_err()
            .rule;
        // Under causal order the missing message is noticed earlier, as a cause of P2's.
        assert_eq!(
            rule,
            if order == "fifo" {
                Rule::CastFifo
            } else {
                Rule::CastCausal
            }
        );
    }
    let script = "
        P1 1 local - start order=fifo
        P1 2 send P1@2 sent act=broadcast origin=P1 sequence=1
        P1 3 send P1@3 sent act=broadcast origin=P1 sequence=2
        P2 4 receive P1@3 deliver act=deliver origin=P1 sequence=2
        P2 5 receive P1@2 deliver act=deliver origin=P1 sequence=1";
    check_broken(script, Service::Multicast, Options::default(), Rule::CastFifo, 2);
    assert!(
        run(
            &script.replace("fifo", "none"),
            Service::Multicast,
            Options::default()
        )
        .is_ok()
    );
}

#[test]
fn an_effect_must_not_come_before_its_cause() {
    let swapped = CAST
        .replace("P3 3  receive P1@2 deliver act=deliver origin=P1 sequence=1", "P3 3 receive P1@2 arrived")
        .replace("P3 5  receive P2@4 deliver act=deliver origin=P2 sequence=1", "P3 5 receive P2@4 deliver act=deliver origin=P2 sequence=1\nP3 5.5 local - deliver act=deliver origin=P1 sequence=1")
        .replace("P3 5.5", "P3 6")
        .replace("P3 6  send    P3@6", "P3 7 send P3@6")
        .replace("P1 7  receive P3@6", "P1 8 receive P3@6")
        .replace("P2 7  receive P3@6", "P2 8 receive P3@6")
        .replace("P1 8  send    P1@8", "P1 9 send P1@8")
        .replace("P2 8  send    P2@8", "P2 9 send P2@8")
        .replace("P1 9  receive P2@8", "P1 10 receive P2@8")
        .replace("P2 9  receive P1@8", "P2 10 receive P1@8")
        .replace("P3 9  receive P1@8", "P3 10 receive P1@8")
        .replace("P3 10 receive P2@8", "P3 11 receive P2@8")
        .replace("P1 11 local", "P1 12 local").replace("P1 10 local", "P1 11 local")
        .replace("P2 11 local", "P2 12 local").replace("P2 10 local", "P2 11 local")
        .replace("P3 12 local", "P3 13 local").replace("P3 11 local", "P3 12 local");
    let causal = swapped.replace("ORDER", "causal");
    check_broken(
        &causal,
        Service::Multicast,
        Options::default(),
        Rule::CastCausal,
        3,
    );
    assert!(
        run(
            &swapped.replace("ORDER", "fifo"),
            Service::Multicast,
            Options::default()
        )
        .is_ok()
    );
}

#[test]
fn concurrent_messages_must_have_one_order() {
    let first = "P3 11 local   -    deliver act=deliver origin=P1 sequence=2";
    let second = "P3 12 local   -    deliver act=deliver origin=P2 sequence=2";
    let swapped = doctor(
        CAST,
        first,
        "P3 11 local - deliver act=deliver origin=P2 sequence=2",
    );
    let swapped = doctor(
        &swapped,
        second,
        "P3 12 local - deliver act=deliver origin=P1 sequence=2",
    );
    let total = swapped.replace("ORDER", "total");
    check_broken(
        &total,
        Service::Multicast,
        Options {
            settled: true,
            ..Options::default()
        },
        Rule::CastTotal,
        3,
    );
    assert!(
        run(
            &swapped.replace("ORDER", "causal"),
            Service::Multicast,
            Options::default()
        )
        .is_ok()
    );
}

#[test]
fn a_member_that_starts_anew_owes_only_what_comes_after() {
    let restarted = "
        P3 20 local - start order=causal
        P2 21 send P2@21 sent act=broadcast origin=P2 sequence=3 delivered=1
        P3 22 receive P2@21 deliver act=deliver origin=P2 sequence=3
        P1 22 receive P2@21 deliver act=deliver origin=P2 sequence=3";
    let script = format!("{CAST}{restarted}").replace("ORDER", "causal");
    run(
        &script,
        Service::Multicast,
        Options {
            settled: true,
            ..Options::default()
        },
    )
    .unwrap();
    // One that says it remembers does not get a message a second time.
    let again = "
        P3 20 local - start order=causal resumed=1
        P3 22 receive P2@8 deliver act=deliver origin=P2 sequence=2";
    let script = format!("{CAST}{again}").replace("ORDER", "causal");
    assert_eq!(
        run(&script, Service::Multicast, Options::default())
            .unwrap_err()
            .rule,
        Rule::CastOnce
    );
}

#[test]
fn the_clock_of_a_member_may_stand_still_at_its_start_only() {
    let check = |event: &str, service, expected: Option<Rule>| {
        let script = format!("P3 11 local - work\nP3 12 local - work\n{event}");
        let broken = run(&script, service, Options::default()).err();
        assert_eq!(broken.map(|violation| violation.rule), expected, "{event}");
    };
    check("P3 12 local - begins order=causal", Service::Multicast, None);
    check("P3 0 local - begins order=causal", Service::Multicast, None);
    check(
        "P3 11 local - begins order=causal",
        Service::Multicast,
        Some(Rule::TimesGrow),
    );
    check("P3 12 local - start", Service::Multicast, Some(Rule::TimesGrow));
    check("P3 12 local - start", Service::Other, Some(Rule::TimesGrow));
    check(
        "P3 12 local - begins order=causal",
        Service::Other,
        Some(Rule::TimesGrow),
    );
}
