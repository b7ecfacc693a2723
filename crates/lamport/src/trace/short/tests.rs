//! What short lines look like, and what becomes of those that cannot be read.

use super::{Context, Numbers, Shortener};
use crate::trace::facts::fact;
use crate::trace::json::Frame;
use crate::trace::limits::LINE_BYTES_MAX;
use crate::trace::{Event, Reader, Record};

pub(super) fn context(source: u32) -> Context {
    Context {
        source,
        frame: Frame::new(&format!("P{source}"), "other"),
    }
}

pub(super) fn read(lines: &[u8]) -> Vec<Result<Record<'static>, String>> {
    Reader::new(lines)
        .map(|record| record.map_err(|error| error.to_string()))
        .collect()
}

/// Four events a few microseconds apart, as text.
fn said() -> String {
    let mut shortener = Shortener::new(Numbers::default());
    let mut lines = Vec::new();
    for (n, name) in ["Ana", "Ana", "Ana", "Antonio \"x\""].into_iter().enumerate() {
        let n = n as u64;
        let facts = [fact("room", "lobby"), fact("seq", 41 + n), fact("name", name)];
        shortener.write(
            &mut lines,
            &context(1),
            12 + 3 * n,
            1000 + 40 * n,
            &Event::send("said", &facts),
        );
    }
    String::from_utf8(lines).unwrap()
}

#[test]
fn the_second_gives_itself_a_number_and_the_third_is_short() {
    let full = r#""process":"P1","lamport":12,"kind":"send","message":"P1@12","label":"said","at_us":1000,"service":"other","facts":[{"room":"lobby","seq":41,"name":"Ana"}]}"#;
    let second = full
        .replace("12", "15")
        .replace("1000", "1040")
        .replace("41", "42");
    let expected =
        format!("{{{full}\n{{\"as\":0,{second}\n[0,3,40,3,0,1]\n[0,3,40,3,0,1,\"Antonio \\\"x\\\"\"]\n");
    assert_eq!(said(), expected);
}

#[test]
fn events_far_apart_stand_in_full_lines() {
    let mut shortener = Shortener::new(Numbers::default());
    let mut lines = Vec::new();
    for time in 1..20 {
        shortener.write(
            &mut lines,
            &context(1),
            time,
            time * 10_001,
            &Event::local("a", &[]),
        );
    }
    assert!(
        lines
            .split(|byte| *byte == b'\n')
            .all(|line| line.is_empty() || line.starts_with(b"{\"process\""))
    );
}

#[test]
fn a_number_is_given_anew_now_and_then() {
    let mut shortener = Shortener::new(Numbers::default());
    let mut lines = Vec::new();
    for time in 1..=3000 {
        shortener.write(
            &mut lines,
            &context(1),
            time,
            time * 1000,
            &Event::local("a", &[]),
        );
    }
    let text = String::from_utf8(lines).unwrap();
    assert_eq!(text.matches("{\"as\":0,").count(), 3);
}

#[test]
fn a_short_line_tells_a_long_label_in_part_unless_it_is_known() {
    let mut shortener = Shortener::new(Numbers::default());
    let mut lines = Vec::new();
    let labels = ["a".repeat(100), "b".repeat(100)];
    for (time, label) in [0, 0, 0, 1, 1, 0]
        .into_iter()
        .zip(1..)
        .map(|(label, time)| (time, &labels[label]))
    {
        shortener.write(&mut lines, &context(1), time, time, &Event::local(label, &[]));
    }
    let text = String::from_utf8(lines).unwrap();
    let short = |letter: &str| format!("[0,1,1,\"{}…\"]", letter.repeat(29));
    let expected = ["[0,1,1]".to_owned(), short("b"), "[0,1,1]".to_owned(), short("a")];
    assert_eq!(text.lines().skip(2).collect::<Vec<_>>(), expected);
    assert_eq!(text.matches(&labels[0]).count(), 2);
}

#[test]
fn what_cannot_be_read_takes_the_short_lines_with_it_that_follow() {
    let broken = said().replacen("\"kind\":\"send\",\"message\":\"P1@15\"", "\"kind\":\"?\"", 1);
    let told: Vec<_> = read(broken.as_bytes());
    assert!(told[0].is_ok());
    assert!(
        told[1]
            .as_ref()
            .unwrap_err()
            .contains("line 2: an event is a send")
    );
    for short in &told[2..] {
        assert!(
            short
                .as_ref()
                .unwrap_err()
                .contains("no line before it has the number 0"),
            "{short:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_may_have_been_any_number() {
    let said = said();
    let lines: Vec<&str> = said.lines().collect();
    for damaged in ["[0,3,", "not json", "{\"as\":0,", &"x".repeat(LINE_BYTES_MAX + 1)] {
        let text = [lines[0], lines[1], damaged, lines[2], lines[1], lines[2], ""].join("\n");
        let told: Vec<bool> = read(text.as_bytes()).iter().map(Result::is_ok).collect();
        assert_eq!(told, [true, true, false, false, true, true], "{damaged:.20}");
    }
}

#[test]
fn a_short_line_that_does_not_fit_is_told() {
    let first = said()
        .lines()
        .take(2)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    for (line, expected) in [
        ("[0,-16]", "does not fit"),
        ("[0,1,0,\"x\",1]", "does not fit"),
        ("[0,1,0,1,0,0,0,\"label\",1]", "does not fit"),
        ("[0,9007199254740992]", "does not fit"),
        ("[\"0\"]", "does not fit"),
        ("[3,1]", "no line before it has the number 3"),
        ("[0,01]", "no record of a trace"),
        ("[0,1.5]", "no record of a trace"),
        ("[0,1", "no record of a trace"),
    ] {
        let told = read(format!("{first}{line}\n").as_bytes());
        assert!(
            told[2].as_ref().unwrap_err().contains(expected),
            "{line}: {:?}",
            told[2]
        );
    }
}

#[test]
fn a_number_that_is_not_given_as_it_must_be_is_told() {
    let event = r#""process":"P1","lamport":1,"kind":"local"}"#;
    for (head, expected) in [
        (r#"{"as":999,"#, None),
        (
            r#"{"as":1000,"#,
            Some("a line cannot be number 1000: a number is below 1000"),
        ),
        (r#"{"as": 999,"#, Some("no line before it has the number 999")),
        (
            r#"{"at_us":0,"as":999,"#,
            Some("no line before it has the number 999"),
        ),
    ] {
        let told = read(format!("{head}{event}\n[999,1]\n").as_bytes());
        let error = told.into_iter().find_map(Result::err);
        match (&error, expected) {
            (None, None) => {}
            (Some(error), Some(expected)) => assert!(error.contains(expected), "{head}: {error}"),
            _ => panic!("{head}: {error:?}"),
        }
    }
}
