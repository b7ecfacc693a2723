//! Whatever is written short is read as what was recorded.

use proptest::prelude::*;

use super::{Context, Numbers, Shortener};
use crate::trace::facts::fact;
use crate::trace::json::Frame;
use crate::trace::{Event, Kind, Message, Reader, Record, Service, TraceEvent, Value};

fn context(source: u32) -> Context {
    Context {
        source,
        frame: Frame::new(&format!("P{source}"), "other"),
    }
}

fn read(lines: &[u8]) -> Vec<Result<Record<'static>, String>> {
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

/// What an event says of itself.
#[derive(Debug, Clone)]
struct Told {
    source: u32,
    kind: Kind,
    form: u8,
    number: u64,
    later: u64,
    text: String,
    label: String,
    facts: Vec<(&'static str, Value<'static>)>,
}

fn told() -> impl Strategy<Value = Told> {
    let value = prop_oneof![
        (-3i64..20).prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Integer),
        "[a-c\"é\n]{0,2}".prop_map(|text: String| Value::Text(text.into())),
    ];
    let facts = prop::collection::vec((prop::sample::select(vec!["a", "b"]), value), 0..3);
    let number = prop_oneof![0..20u64, any::<u64>()];
    let later = prop_oneof![0..30u64, Just(20_000u64), Just(500_000u64)];
    (
        0..2u32,
        0..2usize,
        0..5u8,
        number,
        later,
        "[ab9]{1,2}",
        "[lé9\"]{0,2}",
        facts,
    )
        .prop_map(|(source, kind, form, number, later, text, label, facts)| Told {
            source,
            kind: [Kind::Send, Kind::Receive][kind],
            form,
            number,
            later,
            text,
            label,
            facts,
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read(run in prop::collection::vec(told(), 1..120)) {
        let mut shortener = Shortener::new(Numbers::default());
        let (mut lines, mut at_us, mut expected) = (Vec::new(), 0, Vec::new());
        for (time, told) in run.iter().enumerate() {
            let time = time as u64 + 1;
            at_us += told.later;
            let message = match told.form {
                0 => Message::None,
                1 => Message::Own,
                2 => Message::Sent { process: &told.text, time: told.number },
                3 => Message::Request { connection: &told.text, number: told.number },
                _ => Message::Text(&told.text),
            };
            let facts: Vec<_> = told.facts.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
            let event = Event { kind: told.kind, label: &told.label, message, facts: &facts };
            shortener.write(&mut lines, &context(told.source), time, at_us, &event);
            expected.push(Ok(Record::Event(TraceEvent {
                process: format!("P{}", told.source).into(),
                lamport: time,
                kind: told.kind,
                message: match told.form {
                    0 => None,
                    1 => Some(format!("P{}@{time}", told.source).into()),
                    2 => Some(format!("{}@{}", told.text, told.number).into()),
                    3 => Some(format!("{}/{}", told.text, told.number).into()),
                    _ => Some(told.text.clone().into()),
                },
                label: told.label.clone().into(),
                at_us,
                service: Service::Other,
                facts,
            })));
        }
        prop_assert_eq!(read(&lines), expected, "{}", String::from_utf8_lossy(&lines));
    }
}
