//! The envelope around a service's own fields: reading requests.
//!
//! A service describes its requests as one flat struct with borrowed fields ([`Text`]), all optional, that includes
//! [`StampField`] and [`IdField`]; [`parse`] fills it in one pass over the line without building a tree. Serde's
//! internally tagged enums would buffer every request first and cost two to three times as much.

use std::borrow::Cow;

use serde::Deserialize;

use crate::error::{WireError, codes};
use crate::fields::{IdField, StampField, Text};
use crate::frame::FrameError;
use crate::limits::DEPTH_MAX;
use crate::unreadable;

/// A request that is refused before its operation is looked at, or because of what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The request's id, where it could be read: the answer is then a reply, otherwise an error event.
    pub id: Option<u64>,
    /// The request's stamp, where it is one: the line was then a message, and receiving it moves the clock.
    pub lamport: Option<u64>,
    /// Whether the line broke the framing, which a connection may do only
    /// [a few times](crate::limits::FRAME_ERRORS_MAX).
    pub framing: bool,
    /// What the peer is told.
    pub error: WireError,
}

impl Refusal {
    fn framing(error: WireError) -> Self {
        Self {
            id: None,
            lamport: None,
            framing: true,
            error,
        }
    }

    /// The refusal of a request whose envelope was read.
    #[must_use]
    pub fn of(request: &impl OpenRequest, error: WireError) -> Self {
        Self {
            id: request.id().get(),
            lamport: request.lamport().get(),
            framing: false,
            error,
        }
    }
}

/// A line that could not be cut.
impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        Self::framing(error.into())
    }
}

/// A service's flat request, as far as the envelope goes.
pub trait OpenRequest {
    /// The field `lamport`.
    fn lamport(&self) -> StampField;
    /// The field `id`.
    fn id(&self) -> IdField;
}

/// Reads one line as a request.
///
/// The envelope is checked too: what comes back has an id and a valid stamp. Nothing comes back for a line of
/// connection upkeep (`{"op":"pong"}`), which is no request.
///
/// # Errors
///
/// A [`Refusal`] with the first of these codes that applies: `invalid_utf8`, `too_deep`, `invalid_json`,
/// `duplicate_field`, `invalid_field`, `invalid_stamp`, `missing_field` (no `id`).
pub fn parse<'a, T: Deserialize<'a> + OpenRequest>(line: &'a [u8]) -> Result<Option<T>, Refusal> {
    let text = checked_text(line)?;
    let request: T = read(text)?;
    match (request.lamport(), request.id()) {
        (_, IdField::Invalid) => Err(Refusal::of(
            &request,
            WireError::new(
                codes::INVALID_FIELD,
                "the id is not an integer from 0 to 2^64 - 1",
            ),
        )),
        (StampField::Invalid, _) => Err(Refusal::of(
            &request,
            WireError::new(
                codes::INVALID_STAMP,
                "the stamp is not an integer from 0 to 2^53 - 1",
            ),
        )),
        (_, IdField::Absent) if is_pong(text) => Ok(None),
        (_, IdField::Absent) => Err(Refusal::of(
            &request,
            WireError::new(codes::MISSING_FIELD, "the request has no id")
                .with_hint("number your requests: {\"id\":1,\"op\":…}"),
        )),
        (StampField::Absent | StampField::Time(_), IdField::Id(_)) => Ok(Some(request)),
    }
}

/// Reads one line as a flat object of another kind than a request, such as what the members of a group say to each other.
///
/// # Errors
///
/// A [`Refusal`] with the first of these codes that applies: `invalid_utf8`, `too_deep`, `invalid_json`,
/// `duplicate_field`, `invalid_field`, `missing_field`.
pub fn parse_object<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Refusal> {
    read(checked_text(line)?)
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| unreadable::refuse(text, &error))
}

fn is_pong(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Upkeep<'a> {
        #[serde(borrow)]
        op: Text<'a>,
    }
    serde_json::from_str::<Upkeep<'_>>(text).is_ok_and(|upkeep| &*upkeep.op == "pong")
}

/// The line as text, once it is known to be UTF-8, not nested too deeply, and to begin like an object.
pub(crate) fn checked_text(line: &[u8]) -> Result<&str, Refusal> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(Refusal::framing(WireError::new(
            codes::INVALID_UTF8,
            "the line is not UTF-8",
        )));
    };
    if deeper_than(text, DEPTH_MAX) {
        return Err(Refusal::framing(WireError::new(
            codes::TOO_DEEP,
            format!("the line nests objects and arrays more than {DEPTH_MAX} deep"),
        )));
    }
    // Serde would also fill a struct from an array.
    if !text.trim_start().starts_with('{') {
        return Err(not_json("the line is not a JSON object"));
    }
    Ok(text)
}

pub(crate) fn not_json(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::framing(
        WireError::new(codes::INVALID_JSON, message)
            .with_hint("send one JSON object a line: {\"id\":1,\"op\":…}"),
    )
}

/// Whether objects and arrays in `json` are nested more than `depth_max` deep. serde_json's own recursion limit does
/// not cover values that are skipped because nobody asked for their field.
fn deeper_than(json: &str, depth_max: usize) -> bool {
    // Nearly every line has fewer opening brackets than that altogether, and these are found at memory speed.
    if memchr::memchr2_iter(b'{', b'[', json.as_bytes())
        .nth(depth_max)
        .is_none()
    {
        return false;
    }
    let mut depth = 0usize;
    let mut in_text = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => drop(bytes.next()),
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > depth_max {
            return true;
        }
    }
    false
}
