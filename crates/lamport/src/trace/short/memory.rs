//! Reading: the latest event of each number, and what a short line makes of it.

use std::borrow::Cow;

use super::super::event::TraceEvent;
use super::super::facts::Value;
use super::super::limits::NUMBERS_MAX;
use super::super::read_error::ReadProblem;
use crate::clock::TIME_MAX;

/// The latest event of each number.
#[derive(Debug, Default)]
pub(in crate::trace) struct Memory {
    events: Vec<Option<Box<TraceEvent<'static>>>>,
    /// The integers of the last short line.
    integers: Vec<i64>,
    /// The number on the line before, if that was a short one of integers only.
    repeatable: Option<usize>,
}

impl Memory {
    /// Forgets all numbers: something that was to be remembered could not be read.
    pub(in crate::trace) fn clear(&mut self) {
        self.events.clear();
        self.repeatable = None;
    }

    /// Keeps an event as the latest of a number.
    ///
    /// # Errors
    ///
    /// If the number is larger than any that we give.
    pub(in crate::trace) fn keep(
        &mut self,
        number: usize,
        event: TraceEvent<'static>,
    ) -> Result<(), ReadProblem> {
        if number >= NUMBERS_MAX {
            return Err(ReadProblem::NumberTooLarge(number as u64));
        }
        if self.events.len() <= number {
            self.events.resize_with(number + 1, || None);
        }
        self.events[number] = Some(Box::new(event));
        self.repeatable = None;
        Ok(())
    }

    /// The latest event of a number that was just kept or taken.
    pub(in crate::trace) fn event(&self, number: usize) -> &TraceEvent<'static> {
        let kept = self.events[number].as_deref();
        kept.expect("only unreadable lines make it forget, and they have no number")
    }

    /// Takes a short line: its event becomes the latest of the number returned.
    ///
    /// # Errors
    ///
    /// If it is none, or does not fit the event before it. Nothing here can be relied on then: [`clear`](Self::clear) it.
    pub(in crate::trace) fn take(&mut self, line: &[u8]) -> Result<usize, ReadProblem> {
        self.repeatable = None;
        if integers(line, &mut self.integers).is_some() {
            self.repeatable = Some(self.change_by_integers()?);
            return self.repeatable.ok_or(ReadProblem::Unfit);
        }
        let elements: Vec<Value<'_>> = serde_json::from_slice(line)?;
        let Some((Value::Integer(number), changes)) = elements.split_first() else {
            return Err(ReadProblem::Unfit);
        };
        let number = *number;
        change(
            kept(&mut self.events, number)?,
            changes.iter().map(Value::borrowed),
        )
        .ok_or(ReadProblem::Unfit)?;
        let integers = elements.iter().map(|element| match element {
            Value::Integer(integer) => Some(*integer),
            Value::Text(_) => None,
        });
        let integers: Option<Vec<i64>> = integers.collect();
        if let Some(integers) = integers {
            self.integers = integers;
            self.repeatable = Some(number as usize);
        }
        Ok(number as usize)
    }

    /// What is on the line happens again: its next event becomes the latest of the number returned.
    ///
    /// # Errors
    ///
    /// If the line is no short one of integers only, or does not fit once more; as [`take`](Self::take).
    pub(in crate::trace) fn again(&mut self) -> Result<usize, ReadProblem> {
        self.repeatable.ok_or(ReadProblem::Again)?;
        self.change_by_integers()
    }

    /// Another line than a short one stands between.
    pub(in crate::trace) fn interrupt(&mut self) {
        self.repeatable = None;
    }

    fn change_by_integers(&mut self) -> Result<usize, ReadProblem> {
        let (number, changes) = self.integers.split_first().ok_or(ReadProblem::Unfit)?;
        let number = *number;
        let changes = changes.iter().map(|integer| Value::Integer(*integer));
        change(kept(&mut self.events, number)?, changes).ok_or(ReadProblem::Unfit)?;
        Ok(number as usize)
    }
}

type Events = [Option<Box<TraceEvent<'static>>>];

/// The latest event of a number.
fn kept(events: &mut Events, number: i64) -> Result<&mut TraceEvent<'static>, ReadProblem> {
    let number = u64::try_from(number).map_err(|_| ReadProblem::Unfit)?;
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let event = events.get_mut(place).and_then(Option::as_deref_mut);
    event.ok_or(ReadProblem::Number(number))
}

/// Makes the next event of an event. Nothing if the changes do not fit it.
fn change<'a>(event: &mut TraceEvent<'static>, mut changes: impl Iterator<Item = Value<'a>>) -> Option<()> {
    event.lamport = added(event.lamport, changes.next()).filter(|time| *time <= TIME_MAX)?;
    event.at_us = added(event.at_us, changes.next())?;
    if let Some(message) = &mut event.message {
        match changes.next() {
            None | Some(Value::Integer(0)) => {}
            Some(Value::Integer(by)) => count_on(message.to_mut(), by)?,
            Some(Value::Text(text)) => replace(message, &text),
        }
    }
    for (_, value) in &mut event.facts {
        match (value, changes.next()) {
            (_, None | Some(Value::Integer(0))) => {}
            (Value::Integer(known), Some(Value::Integer(by))) => *known = known.checked_add(by)?,
            (Value::Text(known), Some(Value::Text(text))) => replace(known, &text),
            _ => return None,
        }
    }
    match changes.next() {
        None | Some(Value::Integer(0)) => {}
        Some(Value::Text(label)) => replace(&mut event.label, &label),
        Some(Value::Integer(_)) => return None,
    }
    changes.next().is_none().then_some(())
}

fn added(known: u64, by: Option<Value<'_>>) -> Option<u64> {
    match by {
        None => Some(known),
        Some(Value::Integer(by)) => known.checked_add_signed(by),
        Some(Value::Text(_)) => None,
    }
}

/// Adds to the count at the end of a message's identity.
fn count_on(message: &mut String, by: i64) -> Option<()> {
    let start = message.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let count: u64 = message[start..].parse().ok()?;
    let count = count.checked_add_signed(by)?;
    message.truncate(start);
    message.push_str(itoa::Buffer::new().format(count));
    Some(())
}

fn replace(known: &mut Cow<'static, str>, text: &str) {
    let known = known.to_mut();
    known.clear();
    known.push_str(text);
}

/// The quick way through a line that holds nothing but whole numbers of at most 18 digits, as we write it.
fn integers(line: &[u8], values: &mut Vec<i64>) -> Option<()> {
    values.clear();
    let inside = line.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (mut integer, mut digits, mut negative) = (0i64, 0u32, false);
    for byte in inside.iter().chain(b",") {
        match byte {
            b'0'..=b'9' if digits < 18 => {
                // Never a 0 in front, which is no number to JSON.
                if digits == 1 && integer == 0 {
                    return None;
                }
                integer = integer * 10 + i64::from(byte - b'0');
                digits += 1;
            }
            b'-' if digits == 0 && !negative => negative = true,
            b',' if digits > 0 && !(negative && integer == 0) => {
                values.push(if negative { -integer } else { integer });
                (integer, digits, negative) = (0, 0, false);
            }
            _ => return None,
        }
    }
    Some(())
}
