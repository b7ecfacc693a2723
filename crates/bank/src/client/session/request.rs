//! What is asked for, as often as it takes.

use proto::LineWriter;

use super::TypedPin;
use crate::client::key::Key;
use crate::client::pursuit::Goal;

/// A request that can be sent any number of times.
pub(super) struct Request<'a> {
    pub(super) goal: Goal,
    pub(super) op: &'static str,
    pub(super) fields: &'a [Field<'a>],
    pub(super) key: Option<&'a Key>,
    pub(super) new_pin: Option<&'a TypedPin>,
}

/// A field of a request.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Text(&'static str, &'a str),
    Number(&'static str, u64),
}

/// Writes the fields into a request's line.
pub(super) fn write_fields<'b>(line: LineWriter<'b>, fields: &[Field<'_>]) -> LineWriter<'b> {
    fields.iter().fold(line, |line, field| match *field {
        Field::Text(key, value) => line.text(key, value),
        Field::Number(key, value) => line.number(key, value),
    })
}
