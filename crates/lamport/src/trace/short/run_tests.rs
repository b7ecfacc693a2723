//! What is told of events that change alike, and what is read of it.

use super::tests::{context, read};
use super::{Numbers, Shortener};
use crate::trace::facts::fact;
use crate::trace::limits::{AGAIN_MAX, LABELLED_MAX};
use crate::trace::{Event, Kind, Message, Reader, Record};

/// Five events of which each changes the one before by the same, told in runs as far as that goes.
fn told_again() -> String {
    let (mut shortener, mut lines) = (Shortener::new(Numbers::default()), Vec::new());
    for time in 1..=5 {
        let facts = [fact("seq", 40 + time)];
        let event = Event::send("said", &facts);
        if !shortener.goes_on(&context(1), time, 1000, &event) {
            shortener.tell_run(&mut lines);
            shortener.write(&mut lines, &context(1), time, 1000, &event);
        }
    }
    shortener.end_run(&mut lines);
    String::from_utf8(lines).unwrap()
}

#[test]
fn what_happens_again_is_counted() {
    let text = told_again();
    assert_eq!(
        text.lines().skip(2).collect::<Vec<_>>(),
        ["[0,1,0,1,1]", "{\"again\":2}"]
    );
    let mut reader = Reader::new(text.as_bytes());
    let mut places = Vec::new();
    while let Some(Record::Event(event)) = reader.read().unwrap() {
        let lamport = event.lamport;
        places.push((lamport, reader.line_number(), reader.nth()));
    }
    assert_eq!(places, [(1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0), (5, 4, 1)]);
}

#[test]
fn what_cannot_have_happened_again_is_told() {
    let text = told_again();
    let lines: Vec<&str> = text.lines().collect();
    let again = |before: &str, again: &str| {
        let told = read(
            [lines[0], lines[1], before, again, "[0,1]", ""]
                .join("\n")
                .as_bytes(),
        );
        // However often it was to happen: one error for the line, and one for what was told against it.
        let errors: Vec<String> = told.into_iter().filter_map(Result::err).collect();
        assert_eq!(errors.len(), 2, "{before} {again}: {errors:?}");
        errors[0].clone()
    };
    for (before, line, expected) in [
        ("[0,1,0,1,1]", "{\"again\":0}", "is not from 1 to 4000 times"),
        ("[0,1,0,1,1]", "{\"again\":4001}", "is not from 1 to 4000 times"),
        ("[0,1,0,1,1]", "{\"again\":-1}", "is not from 1 to 4000 times"),
        ("[0,1,0,1,1]", "{\"again\":2", "is not from 1 to 4000 times"),
        (
            "[0,1,0,1,1,\"new\"]",
            "{\"again\":2}",
            "nothing before it could happen again",
        ),
        (lines[1], "{\"again\":2}", "nothing before it could happen again"),
        (
            "{\"dropped\":1}",
            "{\"again\":2}",
            "nothing before it could happen again",
        ),
        ("[0,1,0,1,9223372036854775000]", "{\"again\":2}", "does not fit"),
        ("[0,4503599627370496]", "{\"again\":9}", "does not fit"),
        ("[0,3002399751580330]", "{\"again\":9}", "does not fit"),
    ] {
        let error = again(before, line);
        assert!(error.contains(expected), "{before} {line}: {error}");
    }
}

#[test]
fn an_event_that_differs_in_anything_ends_the_run() {
    let sent = |process, time| Message::Sent { process, time };
    let facts = |name, count: i64, text| [fact(name, count), fact("text", text)];
    let goes_on = |source, time, at_us, event: &Event<'_>| {
        let (mut shortener, mut lines) = (Shortener::new(Numbers::default()), Vec::new());
        for n in 1..=3 {
            let facts = facts("seq", n as i64, "t");
            let event = Event::receive("said", sent("P2", 10 * n), &facts);
            shortener.write(&mut lines, &context(1), n, 1000 + n, &event);
        }
        shortener.goes_on(&context(source), time, at_us, event)
    };
    let next = facts("seq", 4, "t");
    let event = Event::receive("said", sent("P2", 40), &next);
    assert!(goes_on(1, 4, 1004, &event));
    for (source, time, at_us) in [(2, 4, 1004), (1, 5, 1004), (1, 4, 1005)] {
        assert!(!goes_on(source, time, at_us, &event), "{source} {time} {at_us}");
    }
    for (label, message, facts) in [
        ("say", event.message, next.clone()),
        ("said", sent("P3", 40), next.clone()),
        ("said", sent("P2", 41), next.clone()),
        ("said", Message::Text("P2@40"), next.clone()),
        ("said", event.message, facts("sea", 4, "t")),
        ("said", event.message, facts("seq", 5, "t")),
        ("said", event.message, facts("seq", 4, "u")),
    ] {
        let other = Event::receive(label, message, &facts);
        assert!(!goes_on(1, 4, 1004, &other), "{other:?}");
    }
    let fewer = &next[..1];
    assert!(!goes_on(
        1,
        4,
        1004,
        &Event::receive("said", event.message, fewer)
    ));
    assert!(!goes_on(
        1,
        4,
        1004,
        &Event {
            kind: Kind::Send,
            ..event
        }
    ));
}

#[test]
fn labels_of_a_long_run_are_left_out() {
    // Whether each event is looked at, or is known to be like the one before.
    for known in [false, true] {
        labels_are_left_out(known);
    }
}

fn labels_are_left_out(known: bool) {
    let (mut shortener, mut lines) = (Shortener::new(Numbers::default()), Vec::new());
    for time in 1..=200u64 {
        let label = format!("text {time}");
        let event = Event::local(&label, &[]);
        let again = known && time > 2 && shortener.again(true);
        if !again && !shortener.goes_on(&context(1), time, 1000, &event) {
            shortener.tell_run(&mut lines);
            shortener.write(&mut lines, &context(1), time, 1000, &event);
        }
    }
    shortener.end_run(&mut lines);
    let labels: Vec<String> = read(&lines)
        .into_iter()
        .map(|record| match record {
            Ok(Record::Event(event)) => event.label.into_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    // The first two are full lines, the third says by how much the run goes on.
    let told = 3 + LABELLED_MAX as usize - 1;
    let expected = (1..=200).map(|time| match time <= told {
        true => format!("text {time}"),
        false => "…".to_owned(),
    });
    assert_eq!(labels, expected.collect::<Vec<_>>());
    assert!(
        lines.ends_with(b"\"\xe2\x80\xa6\"]\n[0,1]\n{\"again\":132}\n"),
        "{:?}",
        String::from_utf8_lossy(&lines)
    );
}

#[test]
fn an_event_known_to_be_like_the_one_before_is_told_where_that_is_not_enough() {
    let (mut shortener, mut lines) = (Shortener::new(Numbers::default()), Vec::new());
    assert!(!shortener.again(false), "there is none before");
    let mut record = |time, at_us, label: &str, lines: &mut Vec<u8>| {
        let event = Event::local(label, &[]);
        shortener.goes_on(&context(1), time, at_us, &event);
        shortener.tell_run(lines);
        shortener.write(lines, &context(1), time, at_us, &event);
        (shortener.again(false), shortener.again(true))
    };
    assert_eq!(record(1, 1000, "", &mut lines), (false, false), "a full line");
    assert_eq!(
        record(2, 1000, "", &mut lines),
        (false, false),
        "and another, with its number"
    );
    assert_eq!(record(3, 1000, "", &mut lines), (true, false), "a label is told");
    assert_eq!(
        record(5, 1001, "", &mut lines),
        (false, false),
        "the wall time goes on"
    );
    assert_eq!(
        record(6, 1001, "a", &mut lines),
        (false, false),
        "not without the label"
    );
    // Longer than a line may count.
    assert_eq!(
        record(7, 1001, "", &mut lines),
        (false, false),
        "a text is not repeated"
    );
    assert!(record(8, 1001, "", &mut lines).0);
    let again = std::iter::repeat_with(|| shortener.again(false)).take_while(|again| *again);
    assert_eq!(again.count(), AGAIN_MAX as usize - 1);
}
