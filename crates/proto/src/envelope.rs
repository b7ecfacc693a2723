//! The envelope around a service's own fields: reading requests on a server, replies and events on a client.
//!
//! A service describes its requests as one flat struct with borrowed fields ([`Text`]), all optional, that includes
//! [`StampField`] and [`IdField`]; [`parse`] fills it in one pass over the line without building a tree. Serde's
//! internally tagged enums would buffer every request first and cost two to three times as much.

use std::borrow::Cow;
use std::fmt;

use lamport::TIME_MAX;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{ToldError, WireError, codes};
use crate::limits::DEPTH_MAX;

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
        (StampField::Invalid, _) => Err(Refusal::of(
            &request,
            WireError::new(
                codes::INVALID_STAMP,
                "the stamp is not an integer from 0 to 2^53 - 1",
            ),
        )),
        (_, IdField::Invalid) => Err(Refusal::of(
            &request,
            WireError::new(
                codes::INVALID_FIELD,
                "the id is not an integer from 0 to 2^64 - 1",
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
    serde_json::from_str(text).map_err(|error| refuse_unreadable(text, &error))
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
fn checked_text(line: &[u8]) -> Result<&str, Refusal> {
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

fn not_json(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::framing(
        WireError::new(codes::INVALID_JSON, message)
            .with_hint("send one JSON object a line: {\"id\":1,\"op\":…}"),
    )
}

/// Why serde could not fill the request, with the id if the line still shows one. This path may be slow.
fn refuse_unreadable(text: &str, error: &serde_json::Error) -> Refusal {
    if !error.is_data() {
        return not_json(format!("the line is not JSON: {error}"));
    }
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        lamport: StampField,
        #[serde(default)]
        id: IdField,
    }
    let envelope = serde_json::from_str(text).unwrap_or(Envelope {
        lamport: StampField::Invalid,
        id: IdField::Absent,
    });
    let message = error.to_string();
    // Serde's own words in `de::Error::duplicate_field` and `missing_field`; tests hold it to them.
    let code = if message.starts_with("duplicate field") {
        codes::DUPLICATE_FIELD
    } else if message.starts_with("missing field") {
        codes::MISSING_FIELD
    } else {
        codes::INVALID_FIELD
    };
    // A line whose stamp is fine was a message all the same: its refusal happens after its sending.
    Refusal {
        id: envelope.id.get(),
        lamport: envelope.lamport.get(),
        framing: false,
        error: WireError::new(code, message),
    }
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

/// The field `lamport`: a Lamport time, 0 if it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StampField {
    /// There is no such field.
    #[default]
    Absent,
    /// The time, at most [`TIME_MAX`].
    Time(u64),
    /// Something else: negative, fractional, too large, no number.
    Invalid,
}

impl StampField {
    /// The time, 0 for a missing one, nothing for an invalid one.
    #[must_use]
    pub fn get(self) -> Option<u64> {
        match self {
            Self::Absent => Some(0),
            Self::Time(time) => Some(time),
            Self::Invalid => None,
        }
    }
}

/// The field `id`, by which a client tells its replies apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdField {
    /// There is no such field.
    #[default]
    Absent,
    /// The id.
    Id(u64),
    /// Something else than a u64.
    Invalid,
}

impl IdField {
    /// The id, if there is a valid one.
    #[must_use]
    pub fn get(self) -> Option<u64> {
        match self {
            Self::Id(id) => Some(id),
            Self::Absent | Self::Invalid => None,
        }
    }
}

/// Takes any JSON value: a u64, or nothing. What is wrong with it is for [`parse`] to say, with the right code.
struct AnyU64;

impl<'de> Visitor<'de> for AnyU64 {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de> Deserialize<'de> for StampField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = deserializer.deserialize_any(AnyU64)?;
        Ok(time
            .filter(|&time| time <= TIME_MAX)
            .map_or(Self::Invalid, Self::Time))
    }
}

impl<'de> Deserialize<'de> for IdField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(deserializer
            .deserialize_any(AnyU64)?
            .map_or(Self::Invalid, Self::Id))
    }
}

/// A text of a line, borrowed from it unless it holds escapes.
///
/// A `Cow<str>` within an `Option` would always be copied: serde borrows only what stands directly in a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<'a>(pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// The first line of every server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Greeting {
    /// Which service this is: `chat`, `bank`, `multicast`.
    pub service: String,
    /// The version of the wire.
    pub protocol: u32,
    /// The version of the program.
    #[serde(default)]
    pub version: String,
    /// A text unique to this connection, over restarts of the server too; names the client's messages in traces.
    #[serde(default)]
    pub connection: String,
    /// The process whose clock stamps what the server sends, where the service alone does not say it: `P1.clients` is the
    /// client port of the multicast member P1. Names it in traces.
    #[serde(default)]
    pub process: Option<String>,
}

impl Greeting {
    /// The server's process: its name in traces.
    #[must_use]
    pub fn process(&self) -> &str {
        self.process.as_deref().unwrap_or(&self.service)
    }
}

/// What a client receives after the greeting.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// The reply to request `id`, with its stamp.
    Reply {
        /// The stamp of its sending.
        lamport: u64,
        /// The request's id.
        id: u64,
        /// What came of it.
        outcome: Result<&'a RawValue, ToldError>,
    },
    /// An event with its stamp and its name.
    Event {
        /// The stamp of its sending.
        lamport: u64,
        /// `said`, `error`, …
        event: Text<'a>,
    },
    /// The server asks whether we are still there; the answer is `{"op":"pong"}`.
    Ping,
}

/// Why a request brought no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The connection ended before the reply came: nobody knows whether the request was carried out.
    #[error("the connection ended before the reply")]
    Lost,
}

/// Reads one line as a reply or an event.
///
/// # Errors
///
/// What is wrong with the line: the server does not speak this protocol.
pub fn parse_incoming(line: &[u8]) -> Result<Incoming<'_>, WireError> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(default)]
        lamport: StampField,
        #[serde(default)]
        id: IdField,
        #[serde(borrow)]
        ok: Option<&'a RawValue>,
        error: Option<ToldError>,
        #[serde(borrow)]
        event: Option<Text<'a>>,
    }
    let text = checked_text(line).map_err(|refusal| refusal.error)?;
    let fields: Fields<'_> =
        serde_json::from_str(text).map_err(|error| WireError::new(codes::INVALID_JSON, error.to_string()))?;
    let no_message = || WireError::new(codes::INVALID_JSON, "the line is neither a reply nor an event");
    let lamport = fields.lamport.get().ok_or_else(no_message)?;
    match (fields.event, fields.id, fields.ok, fields.error) {
        (Some(event), IdField::Absent, ..) if &*event == "ping" => Ok(Incoming::Ping),
        (Some(event), IdField::Absent, ..) => Ok(Incoming::Event { lamport, event }),
        (None, IdField::Id(id), Some(ok), None) => Ok(Incoming::Reply {
            lamport,
            id,
            outcome: Ok(ok),
        }),
        (None, IdField::Id(id), None, Some(error)) => Ok(Incoming::Reply {
            lamport,
            id,
            outcome: Err(error),
        }),
        _ => Err(no_message()),
    }
}
