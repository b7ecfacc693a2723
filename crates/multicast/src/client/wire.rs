//! What a peer says to a client, as types.

use std::fmt;
use std::str::FromStr;

use lamport::{ProcessId, ProcessIdError};
use serde::{Deserialize, Deserializer};

/// A message's name on the wire: `P1/2/17`, its origin, which life of it, and the number in that life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageName {
    /// Who sent it.
    pub origin: ProcessId,
    /// Which life of the origin.
    pub incarnation: u64,
    /// The number in that life, from 1.
    pub sequence: u64,
}

/// Why a text names no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageNameError {
    /// Not three parts, or the last two are no numbers.
    #[error("{0:?} is no message; hint: a message is called ORIGIN/INCARNATION/NUMBER, such as P1/1/17")]
    Form(String),
    /// The origin has an impossible name.
    #[error("the origin is no process: {0}")]
    Origin(#[from] ProcessIdError),
}

impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.origin, self.incarnation, self.sequence)
    }
}

impl FromStr for MessageName {
    type Err = MessageNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // From the right: an origin may hold a slash.
        let parsed = text.rsplit_once('/').and_then(|(rest, sequence)| {
            let (origin, incarnation) = rest.rsplit_once('/')?;
            Some((origin, incarnation.parse().ok()?, sequence.parse().ok()?))
        });
        let Some((origin, incarnation, sequence)) = parsed else {
            return Err(MessageNameError::Form(text.to_owned()));
        };
        Ok(Self {
            origin: ProcessId::new(origin)?,
            incarnation,
            sequence,
        })
    }
}

impl<'de> Deserialize<'de> for MessageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The peer took a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sent {
    /// Its name.
    pub message: MessageName,
    /// The Lamport time of its sending.
    pub stamp: u64,
}

/// The peer lets the client watch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Watching {
    /// The peer's process.
    pub process: String,
    /// Which life of the peer.
    #[serde(default)]
    pub incarnation: u64,
    /// The group's order.
    #[serde(default)]
    pub order: String,
}

/// The peer delivered a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Delivered {
    /// Its name.
    pub message: MessageName,
    /// Who sent it.
    pub from: String,
    /// What it says.
    pub data: String,
    /// The Lamport time of its sending.
    pub stamp: u64,
    /// The peer's Lamport time at the delivery.
    #[serde(default)]
    pub received: u64,
    /// When the peer delivered it, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub at: u64,
    /// Its place in what the peer delivers and misses, from 1 without gaps; for a durable peer over all its lives.
    #[serde(default)]
    pub number: u64,
}

/// The peer will never deliver these: it was away for too long, and nobody keeps them any more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Missed {
    /// Whose messages.
    pub from: String,
    /// Which life of the sender.
    pub incarnation: u64,
    /// The first that is missing.
    pub first: u64,
    /// The last that is missing.
    pub last: u64,
    /// Its place, as that of a delivery.
    #[serde(default)]
    pub number: u64,
}

/// How a peer is. What an older peer does not tell is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its process.
    pub process: String,
    /// The group's order.
    pub order: Option<String>,
    /// Which life it is.
    pub incarnation: Option<u64>,
    /// Its Lamport time.
    pub lamport: Option<u64>,
    /// Messages of its own.
    pub sent: Option<u64>,
    /// Messages delivered, its own too.
    pub delivered: Option<u64>,
    /// Messages received that wait for their turn.
    pub undelivered: Option<u64>,
    /// Messages kept for members that lack them.
    pub retained: Option<u64>,
    /// Their bytes.
    pub retained_bytes: Option<u64>,
    /// Copies that were dropped.
    pub duplicates: Option<u64>,
    /// Clients that watch.
    pub watchers: Option<u64>,
    /// Members that total order waits for.
    pub waiting: Vec<String>,
    /// What went over its links.
    pub frames: Option<Frames>,
    /// The group.
    pub members: Vec<MemberStatus>,
}

/// Frames on a peer's links since its start; one to two receivers counts twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Frames {
    /// Messages sent, relayed ones too.
    pub payload_sent: u64,
    /// Messages received, copies too.
    pub payload_received: u64,
    /// Statuses, promises and welcomes sent.
    pub control_sent: u64,
    /// Statuses, promises and welcomes received.
    pub control_received: u64,
}

/// What a peer knows of a member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct MemberStatus {
    /// Its identity.
    pub id: String,
    /// Where it listens.
    pub address: Option<String>,
    /// `self`, `up`, `suspected` or `down`.
    pub state: Option<String>,
    /// Which life of it is known.
    pub incarnation: Option<u64>,
    /// Why there is no link to it, if one of the two refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Milliseconds since something was heard of it.
    pub heard_ms: Option<u64>,
    /// Messages kept here that it is not known to have.
    pub lacks: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, u64, u64)>) {
        let name = text.parse::<MessageName>();
        let parts = name
            .as_ref()
            .ok()
            .map(|name| (name.origin.as_str(), name.incarnation, name.sequence));
        assert_eq!(parts, expected, "{text}: {name:?}");
        if let Ok(name) = name {
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        check("P1/2/17", Some(("P1", 2, 17)));
        check("rack/7/1/1", Some(("rack/7", 1, 1)));
        for nonsense in [
            "",
            "P1",
            "P1/1",
            "P1/1/x",
            "P1/-1/1",
            "/1/1",
            "P1/1/18446744073709551616",
        ] {
            check(nonsense, None);
        }
    }
}
