//! The checker of the fault tests finds what it is there to find: for every rule a run that breaks only that one.

use multicast::client::MessageName;

use crate::checker::{End, Order, Said, View, Violation, check};

/// `P1: s1 d1 d2/1` is P1 that sends its message 1, delivers it, and delivers P2's message 1. A life other than the first is
/// written `1'`; `forgot` begins one without the state of the former.
fn run(lines: &[&str]) -> Vec<View> {
    let view = |line: &&str| {
        let (member, words) = line.split_once(": ").unwrap();
        let said = words.split(' ').map(|word| {
            if word == "forgot" {
                return Said::Forgot;
            }
            let (kind, name) = word.split_at(1);
            let (origin, number) = match name.split_once('/') {
                Some((origin, number)) => (format!("P{origin}"), number),
                None => (member.to_owned(), name),
            };
            let incarnation = if number.ends_with('\'') { 2 } else { 1 };
            let sequence = number.trim_end_matches(['\'', '?']);
            let message: MessageName = format!("{origin}/{incarnation}/{sequence}").parse().unwrap();
            let data = if number.ends_with('?') {
                "nobody's".to_owned()
            } else {
                format!("{origin}: {sequence}")
            };
            if kind == "s" {
                Said::Sent(message, data)
            } else {
                Said::Delivered(message, data)
            }
        });
        View {
            member: member.to_owned(),
            said: said.collect(),
        }
    };
    lines.iter().map(view).collect()
}

#[track_caller]
fn finds(order: Order, lines: &[&str], expected: &str) {
    let views = run(lines);
    let found = check(order, &views, End::Whole);
    let rule = found.as_ref().err().map(Violation::to_string).unwrap_or_default();
    assert!(
        rule.starts_with(expected) && rule.is_empty() == expected.is_empty(),
        "{order:?} {lines:?}: {found:?}"
    );
}

/// P2 answers P1's first message; P3 sends nothing.
const SOUND: [&str; 3] = [
    "P1: s1 d1 s2 d2 d2/1",
    "P2: d1/1 s1 d1 d1/2",
    "P3: d1/1 d2/1 d1/2",
];

#[test]
fn a_sound_run_breaks_no_rule() {
    for order in [Order::None, Order::Fifo, Order::Causal] {
        finds(order, &SOUND, "");
    }
    let total = [
        "P1: s1 d1 s2 d2/1 d2",
        "P2: d1/1 s1 d1 d1/2",
        "P3: d1/1 d2/1 d1/2",
    ];
    finds(Order::Total, &total, "");
}

#[test]
fn every_rule_is_found_broken() {
    finds(
        Order::None,
        &["P1: s1 d1 d1", "P2: d1/1"],
        "integrity: P1 delivered P1/1/1 twice",
    );
    finds(
        Order::None,
        &["P1: s1 d1", "P2: d1/1?"],
        "integrity: P2 delivered P1/1/1 as \"nobody's\"",
    );
    finds(
        Order::None,
        &["P1: s1 d1 s2 d2", "P2: d1/1"],
        "agreement: P2 lacks 1 messages that others delivered, first P1/1/2",
    );
    finds(Order::None, &["P1: s1 s2 d2", "P2: d1/2"], "validity: P1/1/1");
    finds(
        Order::Fifo,
        &["P1: s1 d1 s2 d2", "P2: d1/2 d1/1"],
        "FIFO order: P2 delivered P1/1/1 after number 2",
    );
    finds(
        Order::Causal,
        &["P1: s1 d1 d2/1", "P2: d1/1 s1 d1", "P3: d2/1 d1/1"],
        "causal order: P3 delivered P2/1/1 before P1/1/1",
    );
    finds(
        Order::Total,
        &["P1: s1 d1 d2/1", "P2: s1 d1 d1/1", "P3: d1/1 d2/1"],
        "total order: P2 delivered P2/1/1 in another order than P1",
    );
}

#[test]
fn a_stronger_order_finds_what_a_weaker_one_allows() {
    finds(Order::None, &["P1: s1 d1 s2 d2", "P2: d1/2 d1/1"], "");
    finds(
        Order::Fifo,
        &["P1: s1 d1 d2/1", "P2: d1/1 s1 d1", "P3: d2/1 d1/1"],
        "",
    );
    finds(
        Order::Causal,
        &["P1: s1 d1 d2/1", "P2: s1 d1 d1/1", "P3: d1/1 d2/1"],
        "",
    );
}

#[test]
fn a_second_life_counts_from_one_again() {
    finds(Order::Fifo, &["P1: s1 d1 s1' d1'", "P2: d1/1 d1/1'"], "");
    finds(
        Order::Fifo,
        &["P1: s1 d1 s1' d1'", "P2: d1/1 d1/1' d1/1'"],
        "integrity: P2 delivered P1/2/1 twice",
    );
}

#[test]
fn what_died_with_its_sender_may_be_missing_everywhere_but_not_somewhere() {
    let died = run(&["P1: s1 d1 s2", "P2: d1/1"]);
    assert_eq!(check(Order::Fifo, &died, End::LostWithItsSender), Ok(()));
    assert!(matches!(
        check(Order::Fifo, &died, End::Whole),
        Err(Violation::Validity { .. })
    ));
    let half = run(&["P1: s1 d1 s2", "P2: d1/1 d1/2"]);
    assert!(matches!(
        check(Order::Fifo, &half, End::LostWithItsSender),
        Err(Violation::Agreement { .. })
    ));
}

#[test]
fn a_life_without_state_may_repeat_its_former_self_but_not_itself() {
    let again = ["P1: s1 d1 s2 d2", "P2: d1/1 d1/2 forgot d1/1 d1/2"];
    for order in [Order::None, Order::Fifo, Order::Causal, Order::Total] {
        finds(order, &again, "");
    }
    let twice = ["P1: s1 d1 s2 d2", "P2: d1/1 forgot d1/1 d1/2 d1/2"];
    finds(Order::None, &twice, "integrity: P2 delivered P1/1/2 twice");
    let back = ["P1: s1 d1 s2 d2", "P2: d1/1 forgot d1/2 d1/1"];
    finds(
        Order::Fifo,
        &back,
        "FIFO order: P2 delivered P1/1/1 after number 2",
    );
    let other = ["P1: s1 d1 d2/1", "P2: s1 d1/1 d1", "P3: d2/1 forgot d1/1 d2/1"];
    finds(
        Order::Total,
        &other,
        "total order: P3 delivered P2/1/1 in another order than P1",
    );
}

#[test]
fn a_killed_life_may_leave_its_last_deliveries_untold_but_the_next_leaves_no_gap() {
    finds(
        Order::Fifo,
        &["P1: s1 d1 forgot s1' d1'", "P2: d1/1 d1/2 d1/1'"],
        "",
    );
    finds(
        Order::Fifo,
        &["P1: d2/1 forgot d2/3", "P2: s1 d1 s2 d2 s3 d3"],
        "",
    );
    finds(
        Order::Fifo,
        &["P1: d2/1 forgot d2/3 d2/5", "P2: s1 d1 s2 d2 s3 d3 s4 d4 s5 d5"],
        "agreement: P1 lacks 1",
    );
    finds(
        Order::Fifo,
        &["P1: d2/2 forgot d2/3", "P2: s1 d1 s2 d2 s3 d3"],
        "agreement: P1 lacks 1",
    );
    finds(
        Order::Fifo,
        &["P1: s1 d1 s2", "P2: d1/1 d1/2"],
        "agreement: P1 lacks 1",
    );
    finds(
        Order::Fifo,
        &["P1: s1 d1 forgot s1'", "P2: d1/1 d1/1'"],
        "agreement: P1 lacks 1",
    );
    let many: Vec<String> = (1..=200).map(|n| format!("s{n} d{n}")).collect();
    let many = format!("P2: {}", many.join(" "));
    finds(
        Order::Fifo,
        &["P1: d2/1 forgot d2/200", &many],
        "agreement: P1 lacks 198",
    );
}
