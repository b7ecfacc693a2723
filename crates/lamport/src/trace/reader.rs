//! Reading a trace back, record by record, in bounded memory.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::canonical;
use super::event::{Kind, Record, Service, Summary, TraceEvent};
use super::facts::{Fact, Value};
use super::limits::LINE_BYTES_MAX;
use crate::clock::TIME_MAX;
use crate::process::{self, ProcessIdError};

/// Reads the records of a trace, one line at a time.
///
/// [`read`](Reader::read) lends records out of the line buffer and is what goes fast; the iterator gives records with
/// texts of their own. After an error the next call goes on with the next line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    line_number: u64,
    bytes: u64,
}

/// A line that is no record.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ReadError {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    #[source]
    pub problem: ReadProblem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// The input failed.
    #[error("cannot be read")]
    Io(#[from] io::Error),
    /// The line is too long for a trace.
    #[error("longer than {LINE_BYTES_MAX} bytes; hint: is this a trace?")]
    TooLong,
    /// The line has no newline: whoever wrote it was stopped in the middle.
    #[error("cut off in the middle; hint: its process was killed while writing, remove this last line")]
    CutOff,
    /// The line is no JSON object of the form of a trace.
    #[error("no record of a trace: {0}; hint: give the files that the services wrote with --trace")]
    Json(#[from] serde_json::Error),
    /// A key that an event must have is missing.
    #[error("an event needs {0:?}")]
    Missing(&'static str),
    /// The process has an impossible name.
    #[error("{0}")]
    Process(#[from] ProcessIdError),
    /// The Lamport time is larger than a clock can show.
    #[error("the time {0} is beyond the end of the clock, {TIME_MAX}")]
    Time(u64),
    /// The kind is not one of the three.
    #[error("an event is a send, a receive or local, not {0:?}")]
    Kind(String),
}

impl Reader<BufReader<File>> {
    /// Reads the trace in a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::new(BufReader::with_capacity(128 * 1024, File::open(path)?)))
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the trace that `input` gives.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            line_number: 0,
            bytes: 0,
        }
    }

    /// The number of the line read last, from 1.
    pub fn line_number(&self) -> u64 {
        self.line_number
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next record, `None` at the end. Blank lines are skipped.
    ///
    /// # Errors
    ///
    /// [`ReadError`] names the line and what is wrong with it; the next call goes on after it.
    pub fn read(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        if self.advance()? {
            self.record().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Goes to the next line that is not blank; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            self.line_number += 1;
            match self.next_line() {
                Ok(false) => {
                    self.line_number -= 1;
                    return Ok(false);
                }
                Ok(true) if self.line.iter().all(u8::is_ascii_whitespace) => {}
                Ok(true) => return Ok(true),
                Err(problem) => {
                    return Err(ReadError {
                        line: self.line_number,
                        problem,
                    });
                }
            }
        }
    }

    /// The record on the line that `advance` went to.
    pub(crate) fn record(&self) -> Result<Record<'_>, ReadError> {
        parse(&self.line).map_err(|problem| ReadError {
            line: self.line_number,
            problem,
        })
    }

    /// The Lamport time on that line, found without parsing the rest; `None` if it is no event as we write it.
    pub(crate) fn time(&self) -> Option<u64> {
        const KEY: &[u8] = b"\",\"lamport\":";
        // In our own lines the time stands right after the process.
        let head = &self.line[..self
            .line
            .len()
            .min(KEY.len() + 16 + process::PROCESS_ID_BYTES_MAX * 6)];
        let start = memchr::memmem::find(head, KEY)? + KEY.len();
        let digits = self.line[start..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.copied().try_fold(0u64, |time, digit| {
            time.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
    }

    /// Reads a line without its newline into `self.line`; false at the end.
    fn next_line(&mut self) -> Result<bool, ReadProblem> {
        self.line.clear();
        let bound = LINE_BYTES_MAX as u64 + 1;
        let count = self
            .input
            .by_ref()
            .take(bound)
            .read_until(b'\n', &mut self.line)?;
        self.bytes += count as u64;
        if count == 0 {
            return Ok(false);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(true);
        }
        if count as u64 == bound {
            self.bytes += self.input.skip_until(b'\n')? as u64;
            return Err(ReadProblem::TooLong);
        }
        // The last line of a file that somebody edited may well lack its newline; half an object may not.
        let whole = || serde_json::from_slice::<serde::de::IgnoredAny>(&self.line).is_ok();
        if self.line.iter().all(u8::is_ascii_whitespace) || whole() {
            return Ok(true);
        }
        Err(ReadProblem::CutOff)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record<'static>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read()
            .map(|record| record.map(Record::into_owned))
            .transpose()
    }
}

fn parse(line: &[u8]) -> Result<Record<'_>, ReadProblem> {
    let Some(event) = canonical::parse(line) else {
        return general(line);
    };
    process::validate(&event.process)?;
    if event.lamport > TIME_MAX {
        return Err(ReadProblem::Time(event.lamport));
    }
    Ok(Record::Event(event))
}

/// Any JSON of the form of a record.
pub(super) fn general(line: &[u8]) -> Result<Record<'_>, ReadProblem> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::facts::{ROOM, SEQ, fact};

    fn read(text: &str) -> Vec<Result<Record<'static>, String>> {
        Reader::new(text.as_bytes())
            .map(|record| record.map_err(|error| error.to_string()))
            .collect()
    }

    fn event() -> TraceEvent<'static> {
        TraceEvent {
            process: "P1".into(),
            lamport: 4,
            kind: Kind::Receive,
            message: Some("P2@3".into()),
            label: "olá \"\u{1b}".into(),
            at_us: 1_795_226_542_001_250,
            service: Service::Multicast,
            facts: vec![
                fact(ROOM, "a"),
                fact(SEQ, -1i64),
                fact(ROOM, "b\n"),
                fact(SEQ, 2u64),
            ],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let records = [
            Record::Event(event()),
            Record::Dropped(17),
            Record::Closed(Summary {
                written: 1,
                dropped: 17,
            }),
        ];
        let mut text = Vec::new();
        records.iter().for_each(|record| record.write(&mut text));
        let back: Vec<_> = read(std::str::from_utf8(&text).unwrap())
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(back, records);
    }

    #[test]
    fn errors_name_the_line_and_reading_goes_on() {
        let good = r#"{"process":"P1","lamport":1,"kind":"local"}"#;
        let long = format!(r#"{{"label":"{}"}}"#, "x".repeat(LINE_BYTES_MAX));
        let text = format!(
            "{good}\n\nnot json\n{long}\n{}\n{}\n{}\n{}\n{}\n{good}\n{{\"process\":\"P",
            r#"{"process":"P 1","lamport":1,"kind":"local"}"#,
            r#"{"process":"P1","lamport":1,"kind":"sent"}"#,
            r#"{"process":"P1","lamport":9007199254740992,"kind":"local"}"#,
            r#"{"lamport":1,"kind":"local"}"#,
            r#"{"process":"P1","lamport":1,"lamport":2,"kind":"local"}"#,
        );
        let read = read(&text);
        let errors: Vec<&str> = read
            .iter()
            .filter_map(|line| line.as_ref().err())
            .map(String::as_str)
            .collect();
        assert_eq!(read.len() - errors.len(), 2, "the good lines are read");
        for (error, expected) in errors.iter().zip([
            "line 3: no record of a trace: expected",
            "line 4: longer than 16384 bytes",
            "line 5: a process identity holds no white space",
            "line 6: an event is a send, a receive or local, not \"sent\"",
            "line 7: the time 9007199254740992 is beyond",
            "line 8: an event needs \"process\"",
            "line 9: no record of a trace: duplicate field `lamport`",
            "line 11: cut off in the middle",
        ]) {
            assert!(
                error.starts_with(expected),
                "{error} should start with {expected}"
            );
        }
        assert_eq!(errors.len(), 8);
    }

    #[test]
    fn texts_without_escapes_are_borrowed_from_the_line() {
        let line = r#"{"process":"P1","lamport":1,"kind":"send","message":"P1@1","label":"a\nb"}"#;
        let Record::Event(event) = parse(line.as_bytes()).unwrap() else {
            panic!("an event")
        };
        assert!(matches!(event.message, Some(Cow::Borrowed("P1@1"))));
        assert!(matches!(event.label, Cow::Owned(_)));
    }
}
