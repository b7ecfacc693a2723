//! Reading a trace back, record by record, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::event::Record;
use super::limits::AGAIN_MAX;
use super::lines::Lines;
use super::read_error::{ReadError, ReadProblem};
use super::short::{self, Memory};
use super::{canonical, general};
use crate::clock::TIME_MAX;
use crate::process;

/// Reads the records of a trace, one line at a time.
///
/// [`read`](Reader::read) lends records out of the line buffer and is what goes fast; the iterator gives records with
/// texts of their own. After an error the next call goes on with the next line.
#[derive(Debug)]
pub struct Reader<R> {
    lines: Lines<R>,
    memory: Memory,
    /// The number of the event on the line, if it is one that is remembered.
    number: Option<usize>,
    /// Which of the line's events it is, from 0, and how many follow on the line.
    nth: u32,
    left: u32,
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
            lines: Lines::new(input),
            memory: Memory::default(),
            number: None,
            nth: 0,
            left: 0,
        }
    }

    /// The number of the line read last, from 1.
    pub fn line_number(&self) -> u64 {
        self.lines.number()
    }

    /// Which of the events on that line was read last, from 0; a line that says that something happened again tells many.
    pub fn nth(&self) -> u32 {
        self.nth
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes()
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

    /// Goes to the next event of the line, or else to the next line that is not blank, and leaves it to
    /// [`record`](Reader::record) to turn it into a record: for who wants one of many in a trace that was read before. False at
    /// the end.
    ///
    /// # Errors
    ///
    /// As [`read`](Reader::read), but a line is looked into only if others are told against it.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        self.number = None;
        let next = if self.left > 0 {
            (self.left, self.nth) = (self.left - 1, self.nth + 1);
            self.repeat().map(|()| true)
        } else {
            self.nth = 0;
            match self.lines.advance() {
                Ok(true) => self.remember().map(|()| true),
                end => end,
            }
        };
        next.map_err(|problem| unreadable(&mut self.memory, self.lines.number(), problem))
    }

    /// The record on the line that [`advance`](Reader::advance) went to; it has gone to one.
    ///
    /// # Errors
    ///
    /// As [`read`](Reader::read).
    pub fn record(&mut self) -> Result<Record<'_>, ReadError> {
        match self.number {
            Some(number) => Ok(Record::Event(self.memory.event(number).borrowed())),
            None => parse(self.lines.line())
                .map_err(|problem| unreadable(&mut self.memory, self.lines.number(), problem)),
        }
    }

    /// Keeps the event on the line in mind if others are told by what is new against it.
    fn remember(&mut self) -> Result<(), ReadProblem> {
        let line = self.lines.line();
        if line.first() == Some(&b'[') {
            self.number = Some(self.memory.take(line)?);
        } else if let Some(count) = again(line) {
            let too_often = || ReadProblem::TooOften(String::from_utf8_lossy(line).into_owned());
            let count = count.filter(|count| (1..=AGAIN_MAX).contains(count));
            self.left = count.ok_or_else(too_often)? - 1;
            self.repeat()?;
        } else {
            self.memory.interrupt();
            if let Some(number) = number(line) {
                let Record::Event(event) = parse(line)? else {
                    return Ok(());
                };
                self.memory.keep(number, event.into_owned())?;
                self.number = Some(number);
            }
        }
        Ok(())
    }

    /// What is on the line happens again.
    fn repeat(&mut self) -> Result<(), ReadProblem> {
        self.number = Some(self.memory.again().inspect_err(|_| self.left = 0)?);
        Ok(())
    }

    /// The Lamport time on that line, found without parsing the rest; `None` if it is no event as we write it.
    pub(crate) fn time(&self) -> Option<u64> {
        if let Some(number) = self.number {
            return Some(self.memory.event(number).lamport);
        }
        const KEY: &[u8] = b"\",\"lamport\":";
        // In our own lines the time stands right after the process.
        let line = self.lines.line();
        let head = &line[..line.len().min(KEY.len() + 16 + process::PROCESS_ID_BYTES_MAX * 6)];
        let start = memchr::memmem::find(head, KEY)? + KEY.len();
        let digits = line[start..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.copied().try_fold(0u64, |time, digit| {
            time.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
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

/// What becomes of a line that could not be read: it may have been one that later lines refer to, so that none of what is
/// remembered can be relied on.
fn unreadable(memory: &mut Memory, line: u64, problem: ReadProblem) -> ReadError {
    memory.clear();
    ReadError { line, problem }
}

/// How often the change before the line happened again, if it tells that; nothing inside if that cannot be read.
fn again(line: &[u8]) -> Option<Option<u32>> {
    let rest = line.strip_prefix(short::AGAIN)?;
    let digits = rest.strip_suffix(b"}");
    Some(digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()))
}

/// The number that a full line gives itself.
fn number(line: &[u8]) -> Option<usize> {
    let rest = line.strip_prefix(b"{\"as\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

fn parse(line: &[u8]) -> Result<Record<'_>, ReadProblem> {
    let Some(event) = canonical::parse(line) else {
        return general::parse(line);
    };
    process::validate(&event.process)?;
    if event.lamport > TIME_MAX {
        return Err(ReadProblem::Time(event.lamport));
    }
    Ok(Record::Event(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::facts::{ROOM, SEQ, fact};
    use crate::trace::limits::LINE_BYTES_MAX;
    use crate::trace::{Kind, Service, Summary, TraceEvent};
    use std::borrow::Cow;

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
