//! Numbers as members write them: refused where they are read when no member can have counted so far.
//!
//! All that frames count, lives, sequences, times, statuses, begins at 0 or 1 and goes up to 2^53 - 1 like stamps, the largest number
//! that every JSON parser keeps exactly. So one more than any of them is still a number here.

use std::fmt;

use lamport::TIME_MAX;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// A number from 0 on.
pub(super) type Number = Counted<0>;

/// A number that counts from 1: a life of a member, a place in its sequence.
pub(super) type Count = Counted<1>;

/// A number from `LEAST` to 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Counted<const LEAST: u64>(u64);

impl<const LEAST: u64> Counted<LEAST> {
    /// A number of this peer's own, to be written.
    pub(super) const fn own(number: u64) -> Self {
        Self(number)
    }

    /// The number, if it is within the bounds.
    pub(super) fn new(number: u64) -> Option<Self> {
        (LEAST..=TIME_MAX).contains(&number).then_some(Self(number))
    }

    pub(super) const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const LEAST: u64> Deserialize<'de> for Counted<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<const LEAST: u64>;

        impl<const LEAST: u64> Visitor<'_> for Bounded<LEAST> {
            type Value = Counted<LEAST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from {LEAST} to 2^53 - 1")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Counted::new(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Err(E::invalid_value(Unexpected::Signed(number), &self))
            }
        }

        deserializer.deserialize_u64(Bounded)
    }
}
