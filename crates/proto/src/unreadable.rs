//! Why a line could not be read as the object that was expected: with which code it is refused, and which field is at fault.
//!
//! The hot path stops at serde's first complaint, which knows a column and no field. Only here, on a line that is refused
//! anyway, the line is read once more to learn what its sender needs.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::envelope::{Refusal, not_json};
use crate::error::{Code, WireError, codes};
use crate::fields::{IdField, StampField, Text};
use crate::limits::QUOTE_CHARS_MAX;

/// What the sender of `text` is told, when serde could not fill an object from it because of `error`.
pub(crate) fn refuse(text: &str, error: &serde_json::Error) -> Refusal {
    if error.is_data() {
        refuse_object(text, error).unwrap_or_else(|error| no_json(&error))
    } else {
        no_json(error)
    }
}

fn no_json(error: &serde_json::Error) -> Refusal {
    not_json(format!("the line is not JSON: {error}"))
}

fn refuse_object(text: &str, error: &serde_json::Error) -> serde_json::Result<Refusal> {
    let entries: Entries<'_> = serde_json::from_str(text)?;
    let (code, message) = explain(text, &entries, error);
    // A line whose stamp is fine was a message all the same: its refusal happens after its sending.
    Ok(Refusal {
        id: entries.only("id")?.and_then(IdField::get),
        lamport: entries.only("lamport")?.and_then(StampField::get),
        framing: false,
        error: WireError::new(code, message),
    })
}

/// The code of what serde said, and what it said without its place in the line.
fn explain(text: &str, entries: &Entries<'_>, error: &serde_json::Error) -> (Code, String) {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    // Serde's own words in `de::Error::duplicate_field` and `missing_field`; tests hold it to them.
    if said.starts_with("duplicate field") {
        return (codes::DUPLICATE_FIELD, said.to_owned());
    }
    if said.starts_with("missing field") {
        return (codes::MISSING_FIELD, said.to_owned());
    }
    let field = entries.field_at(text, offset(text, error));
    let message = match (field, said.rsplit_once(", expected ")) {
        (Some(field), Some((found, expected))) => {
            let found = shorten(found);
            format!(
                "the field {field} is wrong: {found}, expected {}",
                in_words(expected)
            )
        }
        (Some(field), None) => format!("the field {field} is wrong: {}", shorten(said)),
        (None, _) => shorten(said),
    };
    (codes::INVALID_FIELD, message)
}

/// How many bytes of `text` had been read when serde gave up: from those before the wrong value to one beyond it.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    lines_before.map(str::len).sum::<usize>() + error.column()
}

/// What a peer sent is repeated to it only in part: the rest says nothing, and an answer has to fit a line.
fn shorten(found: &str) -> String {
    match found.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &found[..end]),
        None => found.to_owned(),
    }
}

/// What serde expects, where it names a type of Rust's.
fn in_words(expected: &str) -> &str {
    match expected {
        "u64" => "an integer from 0 to 2^64 - 1",
        "u32" => "an integer from 0 to 2^32 - 1",
        other => other,
    }
}

/// The fields of an object with their values as they stand in the line.
struct Entries<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'a> Entries<'a> {
    /// The value of a field, its default if it is missing; what stands there twice says nothing.
    fn only<T: Deserialize<'a> + Default>(&self, name: &str) -> serde_json::Result<Option<T>> {
        let mut values = self.0.iter().filter(|(key, _)| &**key == name);
        Ok(match (values.next(), values.next()) {
            (None, _) => Some(T::default()),
            (Some((_, value)), None) => Some(serde_json::from_str(value.get())?),
            (Some(_), Some(_)) => None,
        })
    }

    /// The field whose value was being read at `offset` of `text`, from which all of this is borrowed: the last one whose
    /// value had begun.
    fn field_at(&self, text: &str, offset: usize) -> Option<&str> {
        let begin = |value: &RawValue| value.get().as_ptr().addr() - text.as_ptr().addr();
        let begun = self.0.iter().take_while(|(_, value)| begin(value) <= offset);
        begun.last().map(|(key, _)| &**key)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::parse_object;

    #[derive(Debug, Deserialize)]
    struct Known<'a> {
        #[serde(borrow)]
        #[expect(dead_code, reason = "read by nobody")]
        text: Option<Text<'a>>,
        #[expect(dead_code, reason = "read by nobody")]
        limit: Option<u64>,
        #[expect(dead_code, reason = "read by nobody")]
        pairs: Option<Vec<(u32, bool)>>,
    }

    fn told(line: &str) -> String {
        let refusal = parse_object::<Known<'_>>(line.as_bytes()).expect_err(line);
        assert_eq!(refusal.error.code, codes::INVALID_FIELD, "{line}");
        refusal.error.message.into_owned()
    }

    fn check(line: &str, expected: &str) {
        assert_eq!(told(line), expected, "{line}");
    }

    #[test]
    fn the_message_names_the_field_and_what_was_expected() {
        check(
            r#"{"text":7}"#,
            "the field text is wrong: invalid type: integer `7`, expected a string",
        );
        check(
            r#"{"limit":-1}"#,
            "the field limit is wrong: invalid value: integer `-1`, expected an integer from 0 to 2^64 - 1",
        );
        check(
            r#"{"pairs":[[1,true],[2,"x"]],"text":"a"}"#,
            "the field pairs is wrong: invalid type: string \"x\", expected a boolean",
        );
        check(
            r#"{"pairs":[[1]]}"#,
            "the field pairs is wrong: invalid length 1, expected a tuple of size 2",
        );
    }

    #[test]
    fn the_field_is_found_wherever_it_stands() {
        let wrong = [
            ("text", "7"),
            ("text", "-0.5"),
            ("text", "true"),
            ("text", "[]"),
            ("text", r#"{"limit":1}"#),
            ("limit", r#""a, expected b""#),
            ("limit", "1.5"),
            ("limit", "-1"),
            ("limit", "18446744073709551616"),
            ("limit", "[1]"),
            ("pairs", "5"),
            ("pairs", "[5]"),
            ("pairs", r#"[[1,{"text":1}]]"#),
            ("pairs", "[[1]]"),
        ];
        let around = ["", r#""other":"text""#, r#""é":[1,2],"a":{"b":{}}"#];
        for (field, value) in wrong {
            for before in around {
                for after in around {
                    for space in ["", " ", "\t ", "\n\n"] {
                        let wrong = format!(r#""{field}"{space}:{space}{value}"#);
                        let fields = [before, &wrong, after]
                            .into_iter()
                            .filter(|field| !field.is_empty());
                        let fields = fields.collect::<Vec<_>>().join(&format!("{space},{space}"));
                        let line = format!("{space}{{{space}{fields}{space}}}");
                        let told = told(&line);
                        assert!(
                            told.starts_with(&format!("the field {field} is wrong: ")),
                            "{line}: {told}"
                        );
                        assert!(!told.contains("column"), "{told}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_peer_sent_is_not_repeated_at_length() {
        let message = told(&format!(r#"{{"limit":"{}"}}"#, "é".repeat(10_000)));
        assert!(message.chars().count() < 200, "{message}");
        assert!(
            message.ends_with("expected an integer from 0 to 2^64 - 1"),
            "{message}"
        );
    }
}
