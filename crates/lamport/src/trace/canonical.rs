//! The quick way through a line as our own recorder writes it: the keys in their order, nothing escaped.
//!
//! It only ever says yes to what the general parser reads as the same event; for any other line it says nothing and
//! the general parser decides. It takes less than half the time, since it need not be ready for anything else.

use std::borrow::Cow;

use super::event::{Kind, Service, TraceEvent};
use super::facts::{Fact, Value};

pub(super) fn parse(line: &[u8]) -> Option<TraceEvent<'_>> {
    if memchr::memchr(b'\\', line).is_some() {
        return None;
    }
    let mut rest = Rest(std::str::from_utf8(line).ok()?);
    rest.eat("{\"")?;
    if rest.eat("as\":").is_some() {
        rest.number()?;
        rest.eat(",\"")?;
    }
    rest.eat("process\":\"")?;
    let process = rest.text()?.into();
    rest.eat(",\"lamport\":")?;
    let lamport = rest.number()?;
    rest.eat(",\"kind\":\"")?;
    let kind = Kind::from_word(rest.text()?)?;
    let message = match rest.eat(",\"message\":\"") {
        Some(()) => Some(Cow::Borrowed(rest.text()?)),
        None => None,
    };
    rest.eat(",\"label\":\"")?;
    let label = rest.text()?.into();
    rest.eat(",\"at_us\":")?;
    let at_us = rest.number()?;
    rest.eat(",\"service\":\"")?;
    let service = Service::from_word(rest.text()?);
    let facts = match rest.eat(",\"facts\":[{\"") {
        Some(()) => rest.facts()?,
        None => Vec::new(),
    };
    (rest.0 == "}").then_some(TraceEvent {
        process,
        lamport,
        kind,
        message,
        label,
        at_us,
        service,
        facts,
    })
}

/// What of the line is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn eat(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A text whose opening quote is eaten; eats the closing one.
    fn text(&mut self) -> Option<&'a str> {
        // Most texts are shorter than what a vectorised search needs to get going.
        let end = self.0.bytes().position(|byte| byte == b'"' || byte < b' ')?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A whole number of at most 18 digits, in its one usual form.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 18 || (digits > 1 && self.0.starts_with('0')) {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        Some(
            number
                .bytes()
                .fold(0, |value, digit| value * 10 + u64::from(digit - b'0')),
        )
    }

    /// The groups, with the first one's brace and first quote eaten.
    fn facts(&mut self) -> Option<Vec<Fact<'a>>> {
        let mut facts = Vec::with_capacity(4);
        loop {
            let key = Cow::Borrowed(self.text()?);
            self.eat(":")?;
            let value = if self.eat("\"").is_some() {
                Value::Text(Cow::Borrowed(self.text()?))
            } else if self.eat("-").is_some() {
                // Never -0, which is no integer to JSON.
                Value::Integer(-i64::try_from(self.number().filter(|number| *number > 0)?).ok()?)
            } else {
                Value::Integer(i64::try_from(self.number()?).ok()?)
            };
            facts.push((key, value));
            if self.eat("}]").is_some() {
                return Some(facts);
            }
            self.eat(",\"").or_else(|| self.eat("},{\""))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::facts::fact;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = super::Value<'static>> {
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            (-9i64..9).prop_map(Value::Integer),
            ".{0,8}".prop_map(|text: String| Value::Text(text.into())),
        ]
    }

    fn event() -> impl Strategy<Value = TraceEvent<'static>> {
        let facts = prop::collection::vec(("[a-c]", value()), 0..6);
        (
            0..1u64 << 53,
            0..3usize,
            prop::option::of(".{0,8}"),
            ".{0,8}",
            0..1u64 << 53,
            facts,
        )
            .prop_map(|(lamport, kind, message, label, at_us, facts)| TraceEvent {
                process: "P1".into(),
                lamport,
                kind: [Kind::Send, Kind::Receive, Kind::Local][kind],
                message: message.map(Into::into),
                label: label.into(),
                at_us,
                service: Service::Bank,
                facts: facts
                    .into_iter()
                    .map(|(key, value)| (key.into(), value))
                    .collect(),
            })
    }

    proptest! {
        /// Whatever the quick way accepts, also of lines changed at one place, the general one reads likewise.
        #[test]
        fn it_agrees_with_the_general_parser(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut line = Vec::new();
            event.write(&mut line);
            line.pop();
            for changed in [false, true] {
                if changed {
                    let at = at.index(line.len());
                    line[at] = byte;
                }
                if let Some(quick) = parse(&line) {
                    let general = crate::trace::general::parse(&line).map_err(|error| error.to_string());
                    prop_assert_eq!(general, Ok(crate::trace::Record::Event(quick)), "{}", String::from_utf8_lossy(&line));
                }
            }
        }
    }

    #[test]
    fn our_own_lines_take_the_quick_way() {
        let mut event = TraceEvent {
            process: "chat".into(),
            lamport: 12,
            kind: Kind::Send,
            message: Some("chat@12".into()),
            label: "said: Olá".into(),
            at_us: 1_795_226_542_001_250,
            service: Service::Chat,
            facts: vec![
                fact("room", "lobby"),
                fact("seq", 41u64),
                fact("room", "dev"),
                fact("seq", -7i64),
            ],
        };
        for _ in 0..2 {
            let mut line = Vec::new();
            event.write(&mut line);
            assert_eq!(parse(&line[..line.len() - 1]), Some(event.clone()));
            (event.message, event.facts) = (None, Vec::new());
        }
    }
}
