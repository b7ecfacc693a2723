//! One honest run per service, and for every rule a doctored one that breaks only that rule: with the rule lifted it
//! passes. Runs are written as lines `process time kind message label fact=value…`; `'7` is a text, `7` a number.

use super::*;
use crate::trace::Value;
use crate::trace::facts::Fact;

const CHAT: &str = "
    ana  1  send    a/1     join
    chat 2  receive a/1     join
    chat 3  send    chat@3  entered room=lobby seq=1 name=Ana
    chat 4  send    chat@4  joined
    ana  5  receive chat@4  joined  room=lobby seq=1 name=Ana joined=1
    bia  1  send    b/1     join
    chat 6  receive b/1     join
    chat 7  send    chat@7  entered room=lobby seq=2 name=Bia
    chat 8  send    chat@8  joined
    ana  9  receive chat@7  entered room=lobby seq=2 name=Bia
    bia  9  receive chat@8  joined  room=lobby seq=2 name=Bia joined=1
    ana  10 send    a/2     say
    chat 11 receive a/2     say
    chat 12 send    chat@12 said    room=lobby seq=3 name=Ana
    chat 13 send    chat@13 ok
    ana  14 receive chat@13 ok      room=lobby seq=3 name=Ana own=1
    bia  15 receive chat@12 said    room=lobby seq=3 name=Ana
    ana  16 send    a/3     say
    chat 17 receive a/3     say
    chat 18 send    chat@18 said    room=lobby seq=4 name=Ana
    chat 19 send    chat@19 ok
    ana  20 receive chat@19 ok      room=lobby seq=4 name=Ana own=1
    bia  21 receive chat@18 said    room=lobby seq=4 name=Ana
    bia  22 send    b/2     exit
    chat 23 receive b/2     exit
    chat 24 send    chat@24 left    room=lobby seq=5 name=Bia
    chat 25 send    chat@25 ok
    ana  26 receive chat@24 left    room=lobby seq=5 name=Bia
    bia  27 receive chat@25 ok      room=lobby seq=5 name=Bia left=1
    ana  28 send    a/4     say
    chat 29 receive a/4     say
    chat 30 send    chat@30 said    room=lobby seq=6 name=Ana
    chat 31 send    chat@31 ok
    ana  32 receive chat@31 ok      room=lobby seq=6 name=Ana own=1";

const BANK: &str = "
    atm  1  send    c/1     deposit
    bank 2  receive c/1     deposit
    bank 3  send    bank@3  deposit  account='1 amount=10000 balance=11000 entry=1 account=cash amount=-10000 entry=1
    atm  4  receive bank@3  deposit  account='1 balance=11000 entry=1
    atm  5  send    c/2     transfer
    bank 6  receive c/2     transfer
    bank 7  send    bank@7  transfer account='1 amount=-2000 balance=9000 entry=2 account='2 amount=2000 balance=3000 entry=2
    atm  8  receive bank@7  transfer account='1 balance=9000 entry=2
    atm  9  send    c/3     balance
    bank 10 receive c/3     balance
    bank 11 send    bank@11 balance  account='1 balance=9000
    atm  12 receive bank@11 balance  account='1 balance=9000
    atm  13 send    c/4     transfer
    bank 14 receive c/4     transfer
    bank 15 send    bank@15 repeated account='1 balance=9000 entry=2 repeated=1
    atm  16 receive bank@15 repeated account='1 balance=9000 entry=2
    bank 17 local   -       withdraw account='1 amount=-9000 balance=0 entry=3 account=cash amount=9000 entry=3";

/// P1 sends; P2 answers; P3, which has seen both, sends; then P1 and P2 send at the same time.
const CAST: &str = "
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

/// Runs a script from one source that is closed in good order; a line `dropped` stands for missing events.
fn run(script: &str, service: Service, options: Options) -> Result<Report, Box<Violation>> {
    let mut check = Check::new(options);
    for (index, line) in script.trim().lines().enumerate() {
        let place = Place::new(0, index as u64 + 1);
        match line.trim() {
            "dropped" => check.dropped(place, 1),
            "" => {}
            line => check.event(place, &parse(line, service))?,
        }
    }
    check.closed(Place::new(0, 0));
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

#[track_caller]
fn check_chat(from: &str, to: &str, rule: Rule, events: usize) {
    check_broken(
        &doctor(CHAT, from, to),
        Service::Chat,
        Options::default(),
        rule,
        events,
    );
}

#[track_caller]
fn check_bank(from: &str, to: &str, rule: Rule, events: usize) {
    check_broken(
        &doctor(BANK, from, to),
        Service::Bank,
        Options::default(),
        rule,
        events,
    );
}

#[track_caller]
fn check_cast(order: &str, from: &str, to: &str, rule: Rule, events: usize) {
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
fn honest_runs_pass_and_every_rule_set_was_at_work() {
    let complete = Options {
        settled: true,
        complete: true,
        ..Options::default()
    };
    let chat = run(CHAT, Service::Chat, complete.clone()).unwrap();
    assert_eq!(
        (chat.events, chat.matched, chat.room_events, chat.processes),
        (34, 16, 16, 3)
    );
    let bank = run(BANK, Service::Bank, complete.clone()).unwrap();
    assert_eq!((bank.legs, bank.matched), (12, 8));
    for order in ["none", "fifo", "causal", "total"] {
        let cast = run(
            &CAST.replace("ORDER", order),
            Service::Multicast,
            complete.clone(),
        )
        .unwrap();
        assert_eq!((cast.deliveries, cast.matched), (15, 10), "{order}");
        assert!(cast.unproved.is_empty(), "{:?}", cast.unproved);
    }
    for report in [chat, bank] {
        assert!(report.unproved.is_empty(), "{:?}", report.unproved);
    }
}

#[test]
fn times_must_grow() {
    check_chat("bia  22 send", "bia  21 send", Rule::TimesGrow, 2);
    check_chat("bia  22 send", "bia  2 send", Rule::TimesGrow, 2);
    check_bank("bank 17 local", "bank 14 local", Rule::TimesGrow, 2);
    // The control: the same time at another process is no repetition.
    assert!(
        run(
            &doctor(CHAT, "bia  15 receive", "bia  14 receive"),
            Service::Chat,
            Options::default()
        )
        .is_ok()
    );
}

#[test]
fn a_receive_must_be_later_than_its_send() {
    check_chat("bia  15 receive", "bia  12 receive", Rule::ReceiveAfterSend, 2);
    check_chat("bia  15 receive", "bia  11 receive", Rule::ReceiveAfterSend, 2);
}

#[test]
fn a_receive_must_have_its_send() {
    check_chat("chat 13 send    chat@13 ok", "", Rule::ReceiveHasSend, 1);
    check_bank("atm  9  send    c/3     balance", "", Rule::ReceiveHasSend, 1);
}

#[test]
fn a_message_must_be_sent_once() {
    check_bank(
        "bank 17 local   -      ",
        "bank 17 send bank@15",
        Rule::SentOnce,
        2,
    );
}

#[test]
fn facts_must_be_whole() {
    check_chat(
        "said    room=lobby seq=6",
        "said    room=lobby",
        Rule::FactsAreWhole,
        1,
    );
    check_bank("balance=0 entry=3", "balance=0", Rule::FactsAreWhole, 1);
    let script = doctor(
        CAST,
        "P2 11 local   -    deliver act=deliver origin=P2 sequence=2",
        "P2 11 local - x act=deliver origin=P2",
    );
    let script = script.replace("ORDER", "none");
    check_broken(
        &script,
        Service::Multicast,
        Options::default(),
        Rule::FactsAreWhole,
        1,
    );
}

#[test]
fn the_hub_must_number_a_room_one_by_one() {
    check_chat(
        "chat@30 said    room=lobby seq=6",
        "chat@30 said    room=lobby seq=7",
        Rule::RoomNumbered,
        2,
    );
    check_chat(
        "chat@30 said    room=lobby seq=6",
        "chat@30 said    room=lobby seq=5",
        Rule::RoomNumbered,
        2,
    );
}

#[test]
fn all_members_must_see_one_event_under_a_number() {
    check_chat(
        "bia  15 receive chat@12",
        "bia  15 receive chat@13",
        Rule::RoomAgreed,
        2,
    );
    check_chat(
        "chat@13 ok      room=lobby seq=3 name=Ana",
        "chat@13 ok room=lobby seq=3 name=Bia",
        Rule::RoomAgreed,
        2,
    );
}

#[test]
fn a_member_must_miss_nothing() {
    check_chat(
        "bia  15 receive chat@12 said    room=lobby seq=3 name=Ana",
        "",
        Rule::RoomNoGap,
        3,
    );
    check_chat(
        "ana  20 receive chat@19 ok      room=lobby seq=4 name=Ana own=1",
        "",
        Rule::RoomNoGap,
        3,
    );
    // Missed on the way out is missed too.
    check_chat(
        "bia  21 receive chat@18 said    room=lobby seq=4 name=Ana",
        "",
        Rule::RoomNoGap,
        3,
    );
}

#[test]
fn a_member_must_see_nothing_twice() {
    let again = "bia  21 receive chat@18 said    room=lobby seq=4 name=Ana\nbia 22 receive chat@18 said room=lobby seq=4 name=Ana";
    let script = doctor(
        CHAT,
        "bia  21 receive chat@18 said    room=lobby seq=4 name=Ana",
        again,
    );
    let script = doctor(&script, "bia  22 send ", "bia  23 send ");
    let script = doctor(&script, "chat 23 receive b/2", "chat 23.5 receive b/2").replace("23.5", "24");
    let script = doctor(&script, "chat 24 send    chat@24", "chat 25 send    chat@25x")
        .replace("chat@24 left", "chat@25x left");
    let script = doctor(
        &script,
        "chat 25 send    chat@25 ok",
        "chat 26 send    chat@25 ok",
    );
    check_broken(&script, Service::Chat, Options::default(), Rule::RoomNoDouble, 2);
}

#[test]
fn nobody_must_receive_outside_a_membership() {
    let late = "bia  33 receive chat@30 said    room=lobby seq=6 name=Ana";
    check_broken(
        &format!("{CHAT}\n{late}"),
        Service::Chat,
        Options::default(),
        Rule::RoomMembers,
        2,
    );
}

#[test]
fn a_member_that_resumes_gets_what_it_missed_once() {
    let lost = doctor(
        CHAT,
        "bia  27 receive chat@25 ok      room=lobby seq=5 name=Bia left=1",
        "",
    );
    let resumed = |lines: &str| run(&format!("{lost}\n{lines}"), Service::Chat, Options::default());
    let joined = "chat 33 send chat@33 entered room=lobby seq=7 name=Bia
        chat 34 send chat@34 joined
        bia  35 receive chat@34 joined room=lobby seq=7 name=Bia joined=1 since=4";
    let replay = "bia  36 receive chat@24 left room=lobby seq=5 name=Bia
        bia  37 receive chat@30 said room=lobby seq=6 name=Ana";
    let next = "chat 40 send chat@40 said room=lobby seq=8 name=Ana
        bia  41 receive chat@40 said room=lobby seq=8 name=Ana";
    let own = "bia  38 receive chat@33 entered room=lobby seq=7 name=Bia";
    resumed(&format!("{joined}\n{replay}\n{next}")).unwrap();
    resumed(&format!("{joined}\n{replay}\n{own}\n{next}")).unwrap();

    let broken = |lines: String| resumed(&lines).unwrap_err().rule;
    assert_eq!(broken(format!("{joined}\n{next}")), Rule::RoomNoGap);
    assert_eq!(
        broken(format!(
            "{}\n{replay}\n{next}",
            doctor(joined, "since=4", "since=5")
        )),
        Rule::RoomNoGap
    );
    let twice = format!(
        "{}\nbia 36 receive chat@18 said room=lobby seq=4 name=Ana",
        doctor(joined, "since=4", "since=3")
    );
    assert_eq!(broken(twice), Rule::RoomNoDouble);

    // Told that it missed two, it may go on without them.
    let lagged = "bia 36 receive chat@35 lagged room=lobby missed=2";
    resumed(&format!(
        "{joined}\nchat 35 send chat@35 lagged\n{lagged}\n{next}"
    ))
    .unwrap();
}

#[test]
fn the_legs_must_sum_to_zero() {
    check_bank(
        "account='2 amount=2000 balance=3000",
        "account='2 amount=1999 balance=2999",
        Rule::BankConserves,
        1,
    );
}

#[test]
fn the_entries_of_an_account_must_grow() {
    check_bank("balance=0 entry=3", "balance=0 entry=1", Rule::BankOrder, 2);
}

#[test]
fn a_balance_must_follow_from_the_one_before() {
    check_bank(
        "amount=-9000 balance=0",
        "amount=-9000 balance=1",
        Rule::BankBalance,
        2,
    );
    check_bank(
        "send    bank@11 balance  account='1 balance=9000",
        "send    bank@11 balance  account='1 balance=9001",
        Rule::BankBalance,
        2,
    );
}

#[test]
fn no_account_must_be_overdrawn() {
    let script = doctor(BANK, "amount=-9000 balance=0", "amount=-9001 balance=-1");
    let script = doctor(&script, "account=cash amount=9000", "account=cash amount=9001");
    check_broken(&script, Service::Bank, Options::default(), Rule::BankCovered, 1);
}

#[test]
fn an_acknowledgement_must_be_in_the_journal() {
    check_bank(
        "atm  8  receive bank@7  transfer account='1 balance=9000",
        "atm  8  receive bank@7  transfer account='1 balance=9900",
        Rule::BankAcknowledged,
        2,
    );
    check_bank(
        "atm  16 receive bank@15 repeated account='1 balance=9000 entry=2",
        "atm 16 receive bank@15 repeated account='1 balance=9000 entry=9",
        Rule::BankAcknowledged,
        1,
    );
}

#[test]
fn a_balance_from_before_the_trace_is_unproved() {
    let earlier = doctor(
        BANK,
        "atm  12 receive bank@11 balance  account='1 balance=9000",
        "atm  12 receive bank@11 balance  account='1 balance=9000 entry=0",
    );
    let report = run(&earlier, Service::Bank, Options::default()).unwrap();
    assert_eq!(report.unproved.len(), 1, "{:?}", report.unproved);
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
fn every_rule_has_its_doctored_run() {
    let this = include_str!("tests.rs");
    for rule in Rule::ALL {
        assert!(this.contains(&format!("Rule::{rule:?},")), "no run breaks {rule}");
        assert!(!rule.says().is_empty());
    }
}

#[test]
fn what_is_missing_from_a_trace_is_unproved_and_not_broken() {
    let incomplete = |script: &str, service, gone: &str| {
        run(&doctor(script, gone, "dropped"), service, Options::default()).map(|report| report.unproved.len())
    };
    assert_eq!(
        incomplete(
            CHAT,
            Service::Chat,
            "bia  15 receive chat@12 said    room=lobby seq=3 name=Ana"
        ),
        Ok(0)
    );
    assert_eq!(
        incomplete(CHAT, Service::Chat, "chat 13 send    chat@13 ok"),
        Ok(1)
    );
    assert_eq!(
        incomplete(
            CHAT,
            Service::Chat,
            "bia  9  receive chat@8  joined  room=lobby seq=2 name=Bia joined=1"
        ),
        Ok(0)
    );
    let leg = "bank 7  send    bank@7  transfer account='1 amount=-2000 balance=9000 entry=2 account='2 amount=2000 balance=3000 entry=2";
    assert_eq!(incomplete(BANK, Service::Bank, leg), Ok(2));
    let cast = CAST.replace("ORDER", "causal");
    assert!(
        incomplete(
            &cast,
            Service::Multicast,
            "P3 3  receive P1@2 deliver act=deliver origin=P1 sequence=1"
        )
        .is_ok()
    );

    // A process that was not traced at all: its messages have no send, unless the traces are said to be all.
    let hub: String = CHAT
        .lines()
        .filter(|line| line.trim().starts_with("chat"))
        .map(|line| format!("{line}\n"))
        .collect();
    let report = run(&hub, Service::Chat, Options::default()).unwrap();
    assert_eq!(report.unproved["receives from processes that were not traced"], 6);
    let complete = Options {
        complete: true,
        ..Options::default()
    };
    assert_eq!(
        run(&hub, Service::Chat, complete).unwrap_err().rule,
        Rule::ReceiveHasSend
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
fn traces_of_single_processes_merge_into_the_run() {
    let script = CAST.replace("ORDER", "total");
    let file = |process: &str| {
        let mut out = Vec::new();
        for line in script.lines().filter(|line| line.trim().starts_with(process)) {
            parse(line, Service::Multicast).write(&mut out);
        }
        out.extend_from_slice(b"{\"closed\":true,\"written\":0,\"dropped\":0}\n");
        out
    };
    let files = ["P3", "P1", "P2"].map(file);
    let mut merge = Merge::new();
    files
        .iter()
        .for_each(|bytes| merge.add("trace", &bytes[..]).unwrap());
    let options = Options {
        settled: true,
        complete: true,
        ..Options::default()
    };
    let report = merge.check(Check::new(options)).unwrap().unwrap();
    assert_eq!((report.events, report.deliveries, report.unfinished), (24, 15, 0));
    assert_eq!(merge.bytes(), files.iter().map(Vec::len).sum::<usize>() as u64);

    let mut merge = Merge::new();
    merge.add("good", &files[0][..]).unwrap();
    merge.add("bad", &b"{\"process\":\"P1\"}\n"[..]).unwrap();
    let error = merge.check(Check::new(Options::default())).unwrap_err();
    assert_eq!(error.to_string(), "bad:1: an event needs \"lamport\"");
}
