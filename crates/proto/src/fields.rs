//! The fields of a line that every service reads alike: the stamp, the id, and texts that are borrowed.
//!
//! A stamp or an id that is wrong does not stop the reading: the other fields are needed for a good answer. What is wrong
//! is kept as `Invalid`, for [`parse`](crate::parse) to say with the right code.

use std::borrow::Cow;
use std::fmt;

use lamport::TIME_MAX;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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

/// Takes any JSON value: a u64, or nothing. What is wrong with it is for [`parse`](crate::parse) to say, with the right code.
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
