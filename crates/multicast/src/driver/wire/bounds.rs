//! Every number and every list of every frame, larger and smaller than a member can mean it.

use bytes::Bytes;
use lamport::TIME_MAX;
use proto::{Code, WireError, codes};
use serde_json::{Value, json};

use super::Reader;
use crate::core::frame::Frame;
use crate::group_file::Members;
use crate::limits::{GAPS_TOLD_MAX, LOST_TOLD_MAX, STREAMS_MAX};

/// One of each, with everything that it may contain.
fn frames() -> [Value; 4] {
    [
        json!({"lamport": 9, "event": "message", "from": "P3", "incarnation": 5, "sequence": 6, "after": [[0, 7, 8]], "data": "x"}),
        json!({"event": "promise", "incarnation": 5, "clock": 6, "sent": 7}),
        json!({"event": "status", "status": {
            "incarnation": 5, "number": 6, "hears": 7, "wants": 0,
            "members": [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]],
            "streams": [{"of": [0, 7], "at": [1, 2, 3, 4, 5, 6], "lost": [[1, 2]], "beyond": [[3, 4]], "ended": [8, 9]}],
        }}),
        json!({"event": "welcome", "welcome": {
            "incarnation": 5, "from": 6, "clock": 7, "delivered": [[0, 8, 9]], "former": [[10, 11]],
        }}),
    ]
}

fn read(frame: &Value) -> Result<Option<Frame>, WireError> {
    read_line(&frame.to_string())
}

fn read_line(line: &str) -> Result<Option<Frame>, WireError> {
    let members = Members::builtin();
    Reader::default().read(line.as_bytes(), Bytes::copy_from_slice, &members)
}

fn is_read(frame: &Value) {
    let read = read(frame);
    assert!(matches!(read, Ok(Some(_))), "{frame}: {read:?}");
}

fn is_refused(frame: &Value, code: Code) {
    let error = read(frame).expect_err(&frame.to_string());
    assert_eq!(error.code, code, "{frame}: {}", error.message);
    assert!(error.hint.is_some(), "{frame}");
}

/// Where the numbers of a frame stand, as JSON pointers.
fn numbers(frame: &Value) -> Vec<String> {
    match frame {
        Value::Number(_) => vec![String::new()],
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(at, item)| below(&at.to_string(), item))
                .collect()
        }
        Value::Object(fields) => fields.iter().flat_map(|(name, item)| below(name, item)).collect(),
        _ => Vec::new(),
    }
}

fn below(step: &str, frame: &Value) -> Vec<String> {
    numbers(frame)
        .into_iter()
        .map(|rest| format!("/{step}{rest}"))
        .collect()
}

/// Numbers that count from 1: lives, sequences of messages, statuses, both ends of a range.
const COUNTS: [&str; 15] = [
    "/incarnation",
    "/sequence",
    "/after/0/1",
    "/status/incarnation",
    "/status/number",
    "/status/streams/0/of/1",
    "/status/streams/0/lost/0/0",
    "/status/streams/0/lost/0/1",
    "/status/streams/0/beyond/0/0",
    "/status/streams/0/beyond/0/1",
    "/status/streams/0/ended/0",
    "/welcome/incarnation",
    "/welcome/from",
    "/welcome/delivered/0/1",
    "/welcome/former/0/0",
];

#[test]
fn no_number_is_larger_or_smaller_than_it_can_be_meant() {
    let mut seen = 0;
    for frame in frames() {
        is_read(&frame);
        for place in numbers(&frame) {
            seen += 1;
            let with = |value: Value| {
                let mut frame = frame.clone();
                *frame.pointer_mut(&place).unwrap() = value;
                frame
            };
            let is_set = ["/status/hears", "/status/wants"].contains(&place.as_str());
            let is_member =
                place.ends_with("/of/0") || place == "/after/0/0" || place == "/welcome/delivered/0/0";
            let code = if place == "/lamport" {
                codes::INVALID_STAMP
            } else {
                codes::INVALID_FIELD
            };
            for wrong in [
                json!(-1),
                json!(1.5),
                json!(1e30),
                json!("1"),
                json!([1]),
                json!(true),
            ] {
                is_refused(&with(wrong), code);
            }
            if is_set {
                is_read(&with(json!(u64::MAX)));
                continue;
            }
            for large in [TIME_MAX + 1, 9_999_999_999_999_999, u64::MAX - 1, u64::MAX] {
                is_refused(&with(json!(large)), code);
            }
            if is_member {
                is_read(&with(json!(2)));
                is_refused(&with(json!(3)), code);
                is_refused(&with(json!(255)), code);
                continue;
            }
            // The start of a range may not lie behind its end.
            if !place.contains("/lost/0/0") && !place.contains("/beyond/0/0") {
                is_read(&with(json!(TIME_MAX)));
            }
            if COUNTS.contains(&place.as_str()) {
                is_refused(&with(json!(0)), code);
            } else {
                is_read(&with(json!(0)));
            }
        }
    }
    assert_eq!(seen, 50, "numbers in one of each frame");
}

#[test]
fn the_two_ways_to_read_a_line_have_the_same_bounds() {
    let promise = |incarnation: u64, clock: u64, sent: u64| {
        format!(r#"{{"event":"promise","incarnation":{incarnation},"clock":{clock},"sent":{sent}}}"#)
    };
    let message = |stamp: u64, incarnation: u64, sequence: u64, after: u64| {
        format!(
            r#"{{"lamport":{stamp},"event":"message","from":"P3","incarnation":{incarnation},"sequence":{sequence},"after":[[0,{after},8]],"data":"x"}}"#
        )
    };
    let check = |line: String, expected: bool| {
        // Read without serde as it stands, and by serde with a space.
        for line in [line.clone(), line.replace("\":", "\": ")] {
            assert_eq!(read_line(&line).is_ok(), expected, "{line}");
        }
    };
    let large = TIME_MAX + 1;
    check(promise(TIME_MAX, TIME_MAX, TIME_MAX), true);
    check(message(TIME_MAX, TIME_MAX, TIME_MAX, TIME_MAX), true);
    for line in [
        promise(large, 1, 1),
        promise(1, large, 1),
        promise(1, 1, large),
        promise(0, 1, 1),
    ] {
        check(line, false);
    }
    for line in [
        message(large, 1, 1, 1),
        message(1, large, 1, 1),
        message(1, 1, large, 1),
        message(1, 1, 1, large),
        message(1, 0, 1, 1),
        message(1, 1, 0, 1),
        message(1, 1, 1, 0),
    ] {
        check(line, false);
    }
}

/// `frame` with `list` at `place` is read if it has `most` items and refused with one more.
fn check_length(frame: &Value, place: &str, most: usize, item: impl Fn(usize) -> Value) {
    let with = |length: usize| {
        let mut frame = frame.clone();
        *frame.pointer_mut(place).unwrap() = (0..length).map(&item).collect();
        frame
    };
    is_read(&with(most));
    is_refused(&with(most + 1), codes::INVALID_FIELD);
}

#[test]
fn no_list_is_longer_than_a_member_can_know() {
    let [message, _, status, welcome] = frames();
    let streams = 3 * STREAMS_MAX;
    let have = |life: usize| json!({"of": [0, life + 1], "at": [0, 0, 0, 0, 0, 0]});
    let every_other = |at: usize| json!([2 * at + 1, 2 * at + 1]);
    check_length(&message, "/after", streams, |life| json!([0, life + 1, 1]));
    check_length(&status, "/status/streams", streams, have);
    check_length(&status, "/status/streams/0/lost", LOST_TOLD_MAX, every_other);
    check_length(&status, "/status/streams/0/beyond", GAPS_TOLD_MAX, every_other);
    check_length(&welcome, "/welcome/delivered", streams, |life| {
        json!([0, life + 1, 1])
    });
    check_length(&welcome, "/welcome/former", STREAMS_MAX, |life| {
        json!([life + 1, 1])
    });
    check_length(&status, "/status/members", 3, |_| json!([0, 0, 0, 0, 0]));
    let mut few = status.clone();
    few["status"]["members"] = json!([[0, 0, 0, 0, 0]]);
    is_refused(&few, codes::INVALID_FIELD);
}

#[test]
fn what_ascends_is_read_only_so() {
    let [_, _, status, _] = frames();
    let check = |place: &str, wrong: Value| {
        let mut frame = status.clone();
        *frame.pointer_mut(place).unwrap() = wrong;
        is_refused(&frame, codes::INVALID_FIELD);
    };
    for place in ["/status/streams/0/lost", "/status/streams/0/beyond"] {
        for wrong in [
            json!([[2, 1]]),
            json!([[3, 4], [1, 2]]),
            json!([[1, 3], [3, 4]]),
            json!([[1, 2], [1, 2]]),
        ] {
            check(place, wrong);
        }
    }
    let have = |of: [u64; 2]| json!({"of": of, "at": [0, 0, 0, 0, 0, 0]});
    check("/status/streams", json!([have([0, 7]), have([0, 7])]));
    check("/status/streams", json!([have([1, 7]), have([0, 7])]));
    check("/status/streams", json!([have([0, 8]), have([0, 7])]));
}
