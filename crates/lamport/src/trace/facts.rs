//! What the services tell about their events, by name: the contract between those who record and the checks.
//!
//! Facts are a short ordered list of names and values. Where an event concerns several rooms or accounts, the list
//! holds several groups: the name that opens the list opens each further group when it comes again.
//!
//! ```
//! use lamport::trace::facts::{self, ACCOUNT, AMOUNT, fact};
//!
//! let transfer = [fact(ACCOUNT, "1111111111"), fact(AMOUNT, -2000i64), fact(ACCOUNT, "0000000000"), fact(AMOUNT, 2000i64)];
//! assert_eq!(facts::groups(&transfer).count(), 2);
//! ```
//!
//! # Chat
//!
//! | Event | Facts |
//! | --- | --- |
//! | the hub's send of a broadcast (said, entered, left, renamed) | [`ROOM`], [`SEQ`], [`NAME`] (who did it) |
//! | a member's receive of that broadcast, live or replayed | [`ROOM`], [`SEQ`], [`NAME`] |
//! | a member's receive of the reply to its own `say` | [`ROOM`], [`SEQ`], [`NAME`] (itself), [`OWN`] = 1 |
//! | … to its own `rename` | a group [`ROOM`], [`SEQ`], [`NAME`] (the old one), [`OWN`] = 1 for each room |
//! | … to its own `join` or `enter` | [`ROOM`], [`SEQ`], [`NAME`], [`JOINED`] = 1, and [`SINCE`] if it asked to resume |
//! | … to its own `exit` or `leave` | [`ROOM`], [`SEQ`], [`NAME`], [`LEFT`] = 1, a group for each room |
//! | a member's receive of `lagged` | [`ROOM`], [`MISSED`] |
//!
//! The hub puts none of these on the replies it sends, nor anybody on private messages and on history that was asked
//! for. A member process is one that holds at most one membership of a room at a time: a client that reconnects is
//! the same process, a client with two connections is two.
//!
//! # Bank
//!
//! | Event | Facts |
//! | --- | --- |
//! | the bank applies an operation (local, or the reply's send) | a group [`ACCOUNT`], [`AMOUNT`] (signed, minor units), [`BALANCE`] (after it), [`ENTRY`] for each leg |
//! | the bank answers with a balance | [`ACCOUNT`], [`BALANCE`] |
//! | the bank repeats the answer to a known key | [`ACCOUNT`], [`BALANCE`], [`ENTRY`], [`REPEATED`] = 1 |
//! | a client's receive of a reply | [`ACCOUNT`], [`BALANCE`], and [`ENTRY`] if there was one |
//!
//! The legs of one event sum to zero. The counter-entry of a deposit or withdrawal goes to the account
//! [`CASH`], the only one that may be negative; its [`BALANCE`] may be left out. An operation and its facts are recorded while
//! its account locks are held, so that the order in the trace is the order of the ledger.
//!
//! # Multicast
//!
//! | Event | Facts |
//! | --- | --- |
//! | a member starts (local) | [`ORDER`], and [`RESUMED`] = 1 if it remembers what it had delivered |
//! | a member broadcasts (its send) | [`ACT`] = [`BROADCAST`], [`ORIGIN`], [`INCARNATION`], [`SEQUENCE`] |
//! | a member delivers, its own messages too (the receive, or a local event later) | [`ACT`] = [`DELIVER`], [`ORIGIN`], [`INCARNATION`], [`SEQUENCE`] |
//! | a member is told what it will never get | [`ACT`] = [`MISS`], [`ORIGIN`], [`INCARNATION`], [`SEQUENCE`] (first), [`THROUGH`] (last) |
//!
//! The text of a message is the label of its send only; views show it at the deliveries too.
//!
//! A start with [`ORDER`] may repeat the time before it, or stand at 0: the member has found its clock where it was, or has
//! none yet, and nothing happened that would move it.
//!
//! A send may at once be the delivery of the member's own message: then [`ACT`] = [`BROADCAST`] and [`DELIVERED`] = 1.
//! Relays and repetitions of a message are no events: they do not move the clock.

use std::borrow::Cow;

/// Chat: the room. Opens a group.
pub const ROOM: &str = "room";
/// Chat: the event's number in its room, without gaps from 1.
pub const SEQ: &str = "seq";
/// Chat: the name of the member who did it.
pub const NAME: &str = "name";
/// Chat: 1 where a member learns the number of its own event from a reply instead of the broadcast.
pub const OWN: &str = "own";
/// Chat: 1 where this process's membership of the room begins.
pub const JOINED: &str = "joined";
/// Chat: beside [`JOINED`], the last number the process holds from before; it gets everything after it.
pub const SINCE: &str = "since";
/// Chat: 1 where this process's membership of the room ends.
pub const LEFT: &str = "left";
/// Chat: how many of the room's events the process was told it has missed.
pub const MISSED: &str = "missed";

/// Bank: the account. Opens a group.
pub const ACCOUNT: &str = "account";
/// Bank: what the operation adds to the account, in minor units, negative if it takes.
pub const AMOUNT: &str = "amount";
/// Bank: what the account holds afterwards, in minor units.
pub const BALANCE: &str = "balance";
/// Bank: the journal entry's number.
pub const ENTRY: &str = "entry";
/// Bank: 1 on an answer given again for the same idempotency key.
pub const REPEATED: &str = "repeated";
/// Bank: the value of [`ACCOUNT`] for the counter-entries of deposits and withdrawals.
pub const CASH: &str = "cash";

/// Multicast: what the member does with the message: [`BROADCAST`], [`DELIVER`] or [`MISS`].
pub const ACT: &str = "act";
/// Multicast: a value of [`ACT`].
pub const BROADCAST: &str = "broadcast";
/// Multicast: a value of [`ACT`].
pub const DELIVER: &str = "deliver";
/// Multicast: a value of [`ACT`].
pub const MISS: &str = "miss";
/// Multicast: who broadcast it.
pub const ORIGIN: &str = "origin";
/// Multicast: which life of the origin, growing with every restart; 0 if left out.
pub const INCARNATION: &str = "incarnation";
/// Multicast: the message's number in that life, without gaps from 1.
pub const SEQUENCE: &str = "sequence";
/// Multicast: beside [`MISS`], the last number missed.
pub const THROUGH: &str = "through";
/// Multicast: 1 where a broadcast is at once delivered at its origin.
pub const DELIVERED: &str = "delivered";
/// Multicast: 1 where a member that starts again remembers what it had delivered; otherwise it begins anew.
pub const RESUMED: &str = "resumed";
/// Multicast: the group's order: `none`, `fifo`, `causal` or `total`.
pub const ORDER: &str = "order";

/// A name and its value.
pub type Fact<'a> = (Cow<'a, str>, Value<'a>);

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A name.
    Text(Cow<'a, str>),
    /// A number, at most 2^53 - 1 either way if other languages are to read it exactly.
    Integer(i64),
}

/// A fact for [`Event::facts`](super::Event::facts).
pub fn fact<'a>(key: &'a str, value: impl Into<Value<'a>>) -> Fact<'a> {
    (Cow::Borrowed(key), value.into())
}

/// The groups of a list of facts: each begins where the name that opens the list comes again.
pub fn groups<'f, 'a>(facts: &'f [Fact<'a>]) -> impl Iterator<Item = &'f [Fact<'a>]> {
    let mut rest = facts;
    std::iter::from_fn(move || {
        let ((opening, _), tail) = rest.split_first()?;
        let end = tail
            .iter()
            .position(|(key, _)| key == opening)
            .map_or(rest.len(), |found| found + 1);
        let (group, after) = rest.split_at(end);
        rest = after;
        Some(group)
    })
}

impl Value<'_> {
    /// The name, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn integer(&self) -> Option<i64> {
        match self {
            Self::Text(_) => None,
            Self::Integer(number) => Some(*number),
        }
    }

    /// The same value with the text of this one.
    pub(super) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Integer(number) => Value::Integer(*number),
        }
    }

    /// The same value with a text of its own.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::Integer(number) => Value::Integer(number),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for Value<'_> {
    /// Numbers beyond `i64::MAX` count nothing that happens; they are held at it.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(facts: &[Fact<'_>], expected: &[usize]) {
        assert_eq!(groups(facts).map(<[_]>::len).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_opening_name_opens_each_group() {
        check(&[], &[]);
        check(&[fact(ROOM, "lobby")], &[1]);
        check(&[fact(ROOM, "lobby"), fact(SEQ, 1u64)], &[2]);
        check(
            &[
                fact(ROOM, "a"),
                fact(SEQ, 1u64),
                fact(ROOM, "b"),
                fact(SEQ, 2u64),
                fact(LEFT, 1u64),
            ],
            &[2, 3],
        );
    }
}
