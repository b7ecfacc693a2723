//! What those who look on are told, in which order, and once.

use super::*;
use crate::clients::traced::LABEL_BYTES;

fn delivery(from: &str, sequence: u64, stamp: u64, received: u64) -> Delivery {
    Delivery {
        number: 1,
        from: from.parse().unwrap(),
        incarnation: 1,
        sequence,
        data: format!("text {sequence}").into_bytes().into(),
        stamp,
        received,
        at: 0,
        own: from == "P1",
        later: false,
    }
}

fn traces() -> Traces {
    Traces::new("P1".parse().unwrap(), 1, "causal", 0, 0)
}

fn told(traces: &Traces, seen: &mut u64) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(next) = traces.next(seen) {
        told.push(match next {
            Next::Event(number, event) => {
                format!(
                    "{number} {} {} {}",
                    event.kind.as_str(),
                    event.lamport,
                    event.label
                )
            }
            Next::Missed(first, last) => format!("missed {first}-{last}"),
        });
    }
    told
}

#[test]
fn sends_and_deliveries_are_events_once() {
    let mut traces = traces();
    let own = delivery("P1", 1, 1, 1);
    let events = [
        Event::Sent(own.clone()),
        Event::Delivered(own),
        Event::Delivered(delivery("P2", 1, 2, 3)),
        Event::Delivered(Delivery {
            later: true,
            ..delivery("P3", 1, 2, 4)
        }),
    ];
    traces.take(&events, 7);
    let mut seen = traces.after(TraceSince::Start);
    assert_eq!(
        told(&traces, &mut seen),
        [
            "1 local 0 start",
            "2 send 1 text 1",
            "3 receive 3 text 1",
            "4 local 4 text 1"
        ]
    );
    assert!(told(&traces, &mut seen).is_empty());
}

#[test]
fn a_peer_that_does_not_tell_its_sends_tells_them_with_their_delivery() {
    let mut traces = traces();
    traces.take(&[Event::Delivered(delivery("P1", 1, 1, 1))], 7);
    let mut seen = traces.after(TraceSince::Event {
        incarnation: 1,
        number: 1,
    });
    assert_eq!(told(&traces, &mut seen), ["2 send 1 text 1"]);
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let mut traces = traces();
    let long = Delivery {
        data: "é".repeat(LABEL_BYTES).into_bytes().into(),
        ..delivery("P2", 1, 1, 2)
    };
    traces.take(&[Event::Delivered(long)], 7);
    let Some(Next::Event(_, event)) = traces.next(&mut 1) else {
        panic!("one event was told")
    };
    assert_eq!(event.label, "é".repeat(LABEL_BYTES / 2));
}

#[test]
fn what_a_former_life_delivered_is_no_event_of_this_one() {
    let mut traces = Traces::new("P1".parse().unwrap(), 2, "causal", 10, 0);
    let old = delivery("P2", 1, 9, 10);
    let own = delivery("P1", 3, 8, 8);
    let new = delivery("P2", 2, 11, 12);
    traces.take(&[old, own, new].map(Event::Delivered), 7);
    let mut seen = 0;
    assert_eq!(
        told(&traces, &mut seen),
        ["1 local 10 start", "2 receive 12 text 2"]
    );
}

#[test]
fn in_total_order_the_own_delivery_is_an_event_of_its_own() {
    let mut traces = Traces::new("P1".parse().unwrap(), 1, TOTAL, 0, 0);
    let own = delivery("P1", 1, 1, 1);
    let delivered = Delivery {
        received: 2,
        later: true,
        ..own.clone()
    };
    traces.take(&[Event::Sent(own), Event::Delivered(delivered)], 7);
    let mut seen = 1;
    assert_eq!(told(&traces, &mut seen), ["2 send 1 text 1", "3 local 2 text 1"]);
}

#[test]
fn what_is_no_longer_kept_or_comes_too_fast_is_missed_and_told() {
    let mut traces = traces();
    let mut slow = traces.after(TraceSince::Start);
    let count = TRACED_EVENTS_MAX as u64 + 10;
    for sequence in 1..=count {
        traces.take(
            &[Event::Delivered(delivery("P2", sequence, sequence, sequence + 1))],
            7,
        );
    }
    let last = count + 1;
    let told = told(&traces, &mut slow);
    assert_eq!(told[0], format!("missed 1-{}", last - TRACE_BEHIND_MAX / 2));
    assert_eq!(told.len() as u64, 1 + TRACE_BEHIND_MAX / 2);
    assert_eq!(slow, last);
    assert_eq!(traces.events.len(), TRACED_EVENTS_MAX);
}

#[test]
fn another_life_begins_at_its_beginning() {
    let traces = traces();
    let check = |since, expected| assert_eq!(traces.after(since), expected, "{since:?}");
    let at = |incarnation, number| TraceSince::Event { incarnation, number };
    check(TraceSince::Now, 1);
    check(at(1, 1), 1);
    check(at(1, 99), 1);
    check(at(9, 99), 0);
}
