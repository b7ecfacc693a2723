//! Reading: the latest event of each number, and what a short line makes of it.

use std::borrow::Cow;

use super::super::event::TraceEvent;
use super::super::facts::Value;
use super::super::limits::NUMBERS_MAX;
use super::super::reader::ReadProblem;
use crate::clock::TIME_MAX;

/// The latest event of each number.
#[derive(Debug, Default)]
pub(in crate::trace) struct Memory {
    events: Vec<Option<Box<TraceEvent<'static>>>>,
}

impl Memory {
    /// Forgets all numbers: something that was to be remembered could not be read.
    pub(in crate::trace) fn clear(&mut self) {
        self.events.clear();
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
        let mut changes = elements(line)?.into_iter();
        let number = match changes.next() {
            Some(Value::Integer(number)) => u64::try_from(number).map_err(|_| ReadProblem::Unfit)?,
            _ => return Err(ReadProblem::Unfit),
        };
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let kept = self.events.get_mut(place).and_then(Option::as_mut);
        let Some(event) = kept else {
            return Err(ReadProblem::Number(number));
        };
        change(event, changes).ok_or(ReadProblem::Unfit)?;
        Ok(place)
    }
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

/// The elements of a short line.
fn elements(line: &[u8]) -> Result<Vec<Value<'_>>, ReadProblem> {
    match integers(line) {
        Some(integers) => Ok(integers),
        None => Ok(serde_json::from_slice(line)?),
    }
}

/// The quick way through a line that holds nothing but whole numbers of at most 18 digits, as we write it.
fn integers(line: &[u8]) -> Option<Vec<Value<'_>>> {
    let inside = line.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut values = Vec::with_capacity(12);
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
                values.push(Value::Integer(if negative { -integer } else { integer }));
                (integer, digits, negative) = (0, 0, false);
            }
            _ => return None,
        }
    }
    Some(values)
}
