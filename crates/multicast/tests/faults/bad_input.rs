//! What nobody should say to a peer's port: refused with a code and a log line that names the remedy, while the other
//! members' clocks stand still and the group goes on.
//!
//! P1 and P2 are real peers; the test plays P3, or somebody who claims to be.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::checker::{End, Order, check};
use crate::intruder::Intruder;
use crate::peers::{Group, PATIENCE, SECRET, Setting};

/// P1 and P2 run; P3 is whoever claims to be.
fn two_of_three(secret: bool) -> Group {
    let mut group = Group::new(Setting {
        secret,
        ..Setting::loopback(Order::Causal)
    });
    group.start(0);
    group.start(1);
    assert_eq!(
        exchange(&mut group),
        [1, 3],
        "the stamps of two messages, one after the other"
    );
    group
}

/// P1 sends, P2 delivers, P2 sends, P1 delivers: the stamps with which both were sent.
fn exchange(group: &mut Group) -> [u64; 2] {
    [0, 1].map(|sender| {
        group.say(sender);
        let heard = group.agree_between(&[0, 1], PATIENCE);
        assert!(heard, "the group goes on");
        group.last_stamp(sender)
    })
}

/// Nothing happened to the clocks since the last exchange, whose second message had this stamp.
fn clocks_stood_still(group: &mut Group, last: u64) -> u64 {
    // P1 delivered that message at `last + 1`.
    assert_eq!(exchange(group), [last + 2, last + 4], "a clock moved");
    last + 4
}

fn logged(group: &Group, words: &str) {
    let log = group.log_text(0);
    let found = log
        .lines()
        .any(|line| line.contains("WARN") && line.contains(words) && line.contains("hint: "));
    assert!(found, "no warning with {words:?} and a hint in:\n{log}");
}

#[test]
fn who_does_not_belong_is_refused_with_the_reason() {
    let mut group = two_of_three(false);
    let mut last = 3;
    let cases: [(&str, &str, Value); 9] = [
        ("not_a_member", "id", json!("P9")),
        ("duplicate_peer", "id", json!("P1")),
        ("group_differs", "group", json!("another list of members")),
        ("order_differs", "order", json!("total")),
        ("invalid_field", "incarnation", json!("one")),
        ("invalid_field", "incarnation", json!(0)),
        ("invalid_field", "incarnation", json!(1u64 << 53)),
        ("invalid_field", "incarnation", json!(u64::MAX)),
        ("invalid_field", "nonce", json!(7)),
    ];
    for (code, field, value) in cases {
        let mut intruder = Intruder::connect(&group);
        let mut hello = intruder.hello(1);
        hello[field] = value;
        intruder.say(hello.to_string());
        assert_eq!(intruder.refused(), code, "{field}");
        last = clocks_stood_still(&mut group, last);
        logged(&group, code);
    }
}

#[test]
fn without_the_secret_nobody_is_a_member_and_an_old_proof_proves_nothing() {
    let mut group = two_of_three(true);
    let mut intruder = Intruder::connect(&group);
    intruder.say(intruder.hello(1).to_string());
    intruder.hear().unwrap();
    intruder.say(json!({"op": "proof", "proof": "00"}).to_string());
    assert_eq!(intruder.refused(), "wrong_secret");

    // The control: with the secret the same words make a member.
    let (heard, _) = Intruder::connect(&group).link(1, Some(SECRET.as_bytes()));
    let mut replay = Intruder::connect(&group);
    for line in heard {
        replay.say(line);
    }
    assert_eq!(replay.refused(), "wrong_secret");
    clocks_stood_still(&mut group, 3);
    logged(&group, "wrong_secret");
}

#[test]
fn lines_that_are_no_frames_end_the_link() {
    let mut group = two_of_three(false);
    let mut last = 3;
    let long = format!(
        r#"{{"event":"message","data":"{}"}}"#,
        "x".repeat(2 * 1024 * 1024)
    );
    let message = |field: &str, value: Value| {
        let mut message = json!({"lamport": 9, "event": "message", "from": "P3", "incarnation": 1, "sequence": 1, "data": "P3: x"});
        message[field] = value;
        message.to_string().into_bytes()
    };
    let missing = br#"{"lamport":9,"event":"message","from":"P3","incarnation":1,"data":"P3: x"}"#;
    let twice = br#"{"lamport":9,"lamport":10,"event":"message","from":"P3","incarnation":1,"sequence":1,"data":"P3: x"}"#;
    let deep = |depth: usize| {
        let deep = format!(
            r#"{{"event":"message","x":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        deep.into_bytes()
    };
    let status = |field: &str, value: Value| {
        let mut status =
            json!({"incarnation": 1, "number": 9, "hears": 7, "wants": 0, "members": [], "streams": []});
        status[field] = value;
        json!({"event": "status", "status": status})
            .to_string()
            .into_bytes()
    };
    let promise = br#"{"event":"promise","incarnation":1,"clock":9}"#;
    // Of another life than the link.
    let promise_of_later = br#"{"event":"promise","incarnation":1000,"clock":9,"sent":0}"#;
    let welcome_of_later = br#"{"event":"welcome","welcome":{"incarnation":1,"from":1000,"clock":9,"delivered":[],"former":[]}}"#;
    let large = json!([{"of": [2, 1], "at": [u64::MAX, 0, 0, 0, 0, 0]}]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("line_too_long", long.into_bytes()),
        ("invalid_utf8", b"{\"event\":\"mess\xff\xfe\"}".to_vec()),
        ("too_deep", deep(33)),
        ("too_deep", deep(1_000)),
        ("too_deep", deep(100_000)),
        ("invalid_json", b"hello".to_vec()),
        ("invalid_json", b"[1,2,3]".to_vec()),
        ("invalid_json", br#"{"event":"message""#.to_vec()),
        ("duplicate_field", twice.to_vec()),
        ("missing_field", missing.to_vec()),
        ("missing_field", promise.to_vec()),
        ("missing_field", br#"{"event":"welcome"}"#.to_vec()),
        ("not_a_member", message("from", json!("P9"))),
        ("invalid_stamp", message("lamport", json!(-1))),
        ("invalid_stamp", message("lamport", json!(1.5))),
        ("invalid_stamp", message("lamport", json!("9"))),
        ("invalid_stamp", message("lamport", json!(1u64 << 53))),
        ("invalid_field", message("data", json!(7))),
        ("invalid_field", message("sequence", json!(-1))),
        ("invalid_field", message("after", json!([[9, 1, 1]]))),
        ("invalid_field", status("members", json!([[1, 1, 0, 0, 0]]))),
        ("invalid_field", status("streams", json!("none"))),
        ("invalid_field", status("streams", large)),
        ("invalid_field", status("number", json!(1u64 << 53))),
        ("invalid_field", status("incarnation", json!(1000))),
        ("invalid_field", message("sequence", json!(0))),
        ("invalid_field", message("sequence", json!(1u64 << 53))),
        ("invalid_field", message("incarnation", json!(1000))),
        ("invalid_field", promise_of_later.to_vec()),
        ("invalid_field", welcome_of_later.to_vec()),
    ];
    for (life, (code, line)) in (1..).zip(cases) {
        let mut intruder = Intruder::connect(&group);
        intruder.link(life, None);
        intruder.say(&line);
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert_eq!(intruder.refused(), code, "{shown}");
        last = clocks_stood_still(&mut group, last);
        logged(&group, &format!("code={code}"));
    }
    logged(&group, "is no frame");
}

#[test]
fn forged_and_leaping_messages_move_no_clock() {
    let mut group = two_of_three(false);
    let mut intruder = Intruder::connect(&group);
    let (_, of_one) = intruder.link(1, None);
    let said = |from: &str, incarnation: u64, sequence: u64, lamport: u64| {
        json!({"lamport": lamport, "event": "message", "from": from, "incarnation": incarnation, "sequence": sequence, "data": "P3: forged"})
            .to_string()
    };
    let message = |from: &str, sequence, lamport| {
        let incarnation = if from == "P1" { of_one } else { 1 };
        said(from, incarnation, sequence, lamport)
    };
    intruder.say(message("P1", 1_000_000, 9));
    assert_eq!(intruder.told(), "forged_origin");
    intruder.say(message("P3", 1, 1 << 52));
    assert_eq!(intruder.told(), "clock_leap");
    intruder.say(message("P3", 1, (1 << 53) - 1));
    // The same again is answered once: whoever is not acknowledged sends again.
    intruder.say(message("P1", 1_000_000, 9));
    assert_eq!(intruder.told(), "forged_origin");
    intruder.say(said("P1", of_one + 1, 1, 9));
    assert_eq!(intruder.told(), "superseded");
    let last = clocks_stood_still(&mut group, 3);
    for code in ["forged_origin", "clock_leap", "superseded"] {
        logged(&group, &format!("code={code}"));
    }
    // The control: what P3 may say moves the clocks, and however often it is replayed, once.
    for _ in 0..5 {
        intruder.say(message("P3", 1, 100));
    }
    assert!(group.delivers(0, 5, PATIENCE), "P3's message is delivered");
    assert!(
        group.delivers(1, 5, PATIENCE),
        "and relayed to P2, who has no link to P3"
    );
    let stamps = exchange(&mut group);
    assert!(
        stamps[0] == 102,
        "P1 was at 101 after one receive from P3, and not further: {stamps:?} after {last}"
    );
    // What comes next must be later than what came before.
    intruder.say(message("P3", 2, 100));
    assert_eq!(intruder.told(), "stamp_order");
    logged(&group, "code=stamp_order");
    clocks_stood_still(&mut group, stamps[1]);
    let views = group.views();
    check(Order::Causal, &views[..2], End::Whole).unwrap_or_else(|violation| panic!("{violation}"));
}

#[test]
fn what_a_member_refuses_is_logged_also_when_it_comes_with_the_set_up() {
    let group = two_of_three(false);
    let refusal = |message: &str| {
        json!({"event": "error", "code": "clock_leap", "message": message, "hint": "set the clock"})
            .to_string()
    };
    let mut intruder = Intruder::connect(&group);
    intruder.say(intruder.hello(1).to_string());
    intruder.hear().unwrap();
    // In one write, so that they are read together; the last line ends the link after the others were read.
    let proof = json!({"op": "proof", "proof": ""}).to_string();
    intruder.say([proof, refusal("with the proof"), "no frame".to_owned()].join("\n"));
    assert_eq!(intruder.refused(), "invalid_json");
    logged(&group, "clock_leap: with the proof");

    let mut intruder = Intruder::connect(&group);
    intruder.link(2, None);
    intruder.say([refusal("on the link"), "no frame".to_owned()].join("\n"));
    assert_eq!(intruder.refused(), "invalid_json");
    logged(&group, "clock_leap: on the link");
}

#[test]
fn an_endless_line_and_a_silent_connection_cost_nobody_anything() {
    let mut group = two_of_three(false);
    let mut endless = Intruder::connect(&group);
    let silent = Intruder::connect(&group);
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..64 {
        if endless.stream.get_mut().write_all(&piece).is_err() {
            break;
        }
    }
    clocks_stood_still(&mut group, 3);
    drop((endless, silent));
}
