//! The general way through a line: any JSON object of the form of a record, whoever wrote it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::event::{Kind, Record, Service, Summary, TraceEvent};
use super::facts::{Fact, Value};
use super::read_error::ReadProblem;
use crate::clock::TIME_MAX;
use crate::process;

/// Any JSON of the form of a record.
pub(super) fn parse(line: &[u8]) -> Result<Record<'_>, ReadProblem> {
    let raw: Raw<'_> = serde_json::from_slice(line)?;
    if raw.closed == Some(true) {
        return Ok(Record::Closed(Summary {
            written: raw.written.unwrap_or_default(),
            dropped: raw.dropped.unwrap_or_default(),
        }));
    }
    if let (Some(count), None) = (raw.dropped, &raw.process) {
        return Ok(Record::Dropped(count));
    }
    let process = raw.process.ok_or(ReadProblem::Missing("process"))?.0;
    process::validate(&process)?;
    let lamport = raw.lamport.ok_or(ReadProblem::Missing("lamport"))?;
    if lamport > TIME_MAX {
        return Err(ReadProblem::Time(lamport));
    }
    let kind = raw.kind.ok_or(ReadProblem::Missing("kind"))?.0;
    Ok(Record::Event(TraceEvent {
        process,
        lamport,
        kind: Kind::from_word(&kind).ok_or_else(|| ReadProblem::Kind(kind.into_owned()))?,
        message: raw.message.map(|text| text.0),
        label: raw.label.unwrap_or_default().0,
        at_us: raw.at_us.unwrap_or_default(),
        service: raw
            .service
            .map_or(Service::Other, |word| Service::from_word(&word.0)),
        facts: raw.facts.0,
    }))
}

/// A line as JSON gives it: all keys that any record may have.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    process: Option<Text<'a>>,
    lamport: Option<u64>,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    #[serde(borrow)]
    label: Option<Text<'a>>,
    at_us: Option<u64>,
    #[serde(borrow)]
    service: Option<Text<'a>>,
    #[serde(borrow, default)]
    facts: Facts<'a>,
    dropped: Option<u64>,
    closed: Option<bool>,
    written: Option<u64>,
}

/// A string borrowed from the line unless it holds an escape. serde borrows a bare `Cow` field, but none in an option.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

/// The groups of facts, flattened.
#[derive(Default)]
struct Facts<'a>(Vec<Fact<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData)).map(Text)
    }
}

struct TextVisitor<'a>(PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

struct ValueVisitor<'a>(PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for ValueVisitor<'a> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an integer")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        i64::try_from(number)
            .map(Value::Integer)
            .map_err(|_| E::custom("a fact's number is at most 2^63 - 1"))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Facts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FactsVisitor(PhantomData))
    }
}

struct FactsVisitor<'a>(PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for FactsVisitor<'a> {
    type Value = Facts<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut groups: A) -> Result<Self::Value, A::Error> {
        let mut facts = Vec::new();
        while groups.next_element_seed(Group(&mut facts))?.is_some() {}
        Ok(Facts(facts))
    }
}

/// Appends the facts of one object.
struct Group<'f, 'a>(&'f mut Vec<Fact<'a>>);

impl<'de: 'a, 'a> serde::de::DeserializeSeed<'de> for Group<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Group<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of facts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            self.0.push((key, map.next_value()?));
        }
        Ok(())
    }
}
