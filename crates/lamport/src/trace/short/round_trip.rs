//! Whatever is written short is read as what was recorded.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::tests::{context, read};
use super::{Numbers, Shortener};
use crate::trace::facts::fact;
use crate::trace::{Event, Fact, Kind, Message, Record, Service, TraceEvent};

/// What events of a sort have in common.
#[derive(Debug, Clone)]
struct Shape {
    source: u32,
    kind: Kind,
    form: u8,
    facts: Vec<(&'static str, Type)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Type {
    Text,
    Integer,
}

/// What an event of a shape says of itself, and how often that happens again.
#[derive(Debug, Clone)]
struct Told {
    again: u32,
    /// What is added to all integers each time.
    step: i64,
    shape: usize,
    ticks: u64,
    later: u64,
    count: u64,
    text: String,
    label: String,
    values: [(i64, String); FACTS_MAX],
    /// A fact that is of the other type, for once.
    odd: Option<usize>,
}

const FACTS_MAX: usize = 3;

/// Some more shapes than sorts are known at once, so that they give way to each other.
fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let name = prop::sample::select(vec!["a", "b", "a long name"]);
    let kind = prop::sample::select(vec![Kind::Send, Kind::Receive, Kind::Local]);
    let of_type = prop::sample::select(vec![Type::Text, Type::Integer]);
    let facts = prop::collection::vec((name, of_type), 0..=FACTS_MAX);
    let shape = (0..2u32, kind, 0..5u8, facts).prop_map(|(source, kind, form, facts)| Shape {
        source,
        kind,
        form,
        facts,
    });
    prop::collection::vec(shape, 12..=15)
}

fn told() -> impl Strategy<Value = Told> {
    let text = || prop_oneof![Just("a".to_owned()), "[a-c9\"é\n]{0,20}"];
    let value = || (prop_oneof![8 => -3i64..20, 1 => any::<i64>()], text());
    (
        // Some shapes much more often than others, as it is in a service.
        prop_oneof![6 => 0..6usize, 1 => 0..15usize],
        prop_oneof![20 => 1..4u64, 1 => 0..1u64 << 40],
        prop_oneof![40 => 0..30u64, 1 => Just(20_000u64), 1 => Just(500_000u64)],
        prop_oneof![8 => 0..20u64, 1 => any::<u64>()],
        text(),
        "[lé9\"]{0,16}",
        [value(), value(), value()],
        prop::option::weighted(0.05, 0..FACTS_MAX),
        (prop_oneof![2 => Just(0), 1 => 0..9u32], -2..3i64),
    )
        .prop_map(
            |(shape, ticks, later, count, text, label, values, odd, (again, step))| Told {
                again,
                step,
                shape,
                ticks,
                later,
                count,
                text,
                label,
                values,
                odd,
            },
        )
}

impl Told {
    /// All that happens, each time with whether it is sure to change the last event as that changed the one before.
    fn events(&self) -> impl Iterator<Item = (Self, bool)> {
        let next = |told: &Self| {
            let mut told = told.clone();
            told.count = told.count.checked_add_signed(told.step)?;
            for (integer, _) in &mut told.values {
                *integer = integer.checked_add(told.step)?;
            }
            Some(told)
        };
        let all = std::iter::successors(Some(self.clone()), next).take(1 + self.again as usize);
        all.enumerate().map(|(nth, told)| (told, nth > 1))
    }

    fn facts<'a>(&'a self, shape: &'a Shape) -> Vec<Fact<'a>> {
        let facts = shape.facts.iter().zip(&self.values).enumerate();
        facts
            .map(|(place, ((name, of_type), (integer, text)))| {
                let as_text = (*of_type == Type::Text) != (self.odd == Some(place));
                match as_text {
                    true => fact(name, text.as_str()),
                    false => fact(name, *integer),
                }
            })
            .collect()
    }

    fn message(&self, shape: &Shape) -> Message<'_> {
        let (text, count) = (&*self.text, self.count);
        match shape.form {
            0 => Message::None,
            1 => Message::Own,
            2 => Message::Sent {
                process: text,
                time: count,
            },
            3 => Message::Request {
                connection: text,
                number: count,
            },
            _ => Message::Text(text),
        }
    }

    /// How the message is called when it is read.
    fn identity(&self, shape: &Shape, time: u64) -> Option<String> {
        let Self { text, count, .. } = self;
        match shape.form {
            0 => None,
            1 => Some(format!("P{}@{time}", shape.source)),
            2 => Some(format!("{text}@{count}")),
            3 => Some(format!("{text}/{count}")),
            _ => Some(text.clone()),
        }
    }
}

/// Writes the events as an owner of its own does, in runs, or one by one as others do.
fn write(
    shapes: &[Shape],
    events: &[(Told, bool)],
    in_runs: bool,
) -> (String, Vec<Result<Record<'static>, String>>) {
    let mut shortener = Shortener::new(Numbers::default());
    let (mut text, mut time, mut at_us, mut expected) = (Vec::new(), 0, 0, Vec::new());
    for (told, is_like_before) in events {
        let shape = &shapes[told.shape % shapes.len()];
        time += told.ticks;
        at_us += told.later;
        let facts = told.facts(shape);
        let event = Event {
            kind: shape.kind,
            label: &told.label,
            message: told.message(shape),
            facts: &facts,
        };
        let context = context(shape.source);
        let again = in_runs && *is_like_before && shortener.again(!told.label.is_empty());
        if !(again || in_runs && shortener.goes_on(&context, time, at_us, &event)) {
            shortener.tell_run(&mut text);
            shortener.write(&mut text, &context, time, at_us, &event);
        }
        let event = TraceEvent {
            process: format!("P{}", shape.source).into(),
            lamport: time,
            kind: shape.kind,
            message: told.identity(shape, time).map(Into::into),
            label: told.label.clone().into(),
            at_us,
            service: Service::Other,
            facts,
        };
        expected.push(Ok(Record::Event(event.into_owned())));
    }
    shortener.end_run(&mut text);
    (String::from_utf8(text).expect("JSON is UTF-8"), expected)
}

#[test]
fn what_is_written_is_read_and_much_of_it_is_short() {
    let (all, short, again) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let runs = (shapes(), prop::collection::vec(told(), 1..100), any::<bool>());
    let outcome = TestRunner::new(Config::with_source_file(file!())).run(&runs, |(shapes, run, in_runs)| {
        let events: Vec<_> = run.iter().flat_map(Told::events).collect();
        let (text, expected) = write(&shapes, &events, in_runs);
        all.set(all.get() + events.len());
        short.set(short.get() + text.lines().filter(|line| line.starts_with('[')).count());
        again.set(again.get() + text.lines().filter(|line| line.starts_with("{\"again")).count());
        prop_assert_eq!(read(text.as_bytes()), expected, "{}", text);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let told = format!("{short:?} of {all:?} events are short, {again:?} lines tell that it happened again");
    assert!(
        4 * short.get() > all.get() && 100 * again.get() > all.get(),
        "{told}"
    );
}
