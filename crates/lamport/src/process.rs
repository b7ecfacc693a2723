//! Who an event belongs to: the identity of a process.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

/// Longest process identity, in bytes of UTF-8.
pub const PROCESS_ID_BYTES_MAX: usize = 64;

/// The identity of a process: `P1`, `chat`, `bank-client-7`.
///
/// One to [`PROCESS_ID_BYTES_MAX`] bytes, without white space or control characters. Identities are ordered by
/// length first and then by their bytes, so that `P2` comes before `P10`: the order that breaks ties between equal
/// Lamport times is the one a person expects. Cloning is cheap: of a
/// short identity it is a copy, without a count that all its holders would share.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProcessId(SmolStr);

/// Why a text is no process identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProcessIdError {
    /// The text is empty.
    #[error("a process identity must not be empty")]
    Empty,
    /// The text is longer than [`PROCESS_ID_BYTES_MAX`].
    #[error("a process identity has at most {PROCESS_ID_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// The length found, in bytes.
        bytes: usize,
    },
    /// The text holds white space or a control character.
    #[error("a process identity holds no white space and no control characters")]
    BadCharacter,
}

impl ProcessId {
    /// Checks `text` and makes it an identity.
    ///
    /// # Errors
    ///
    /// [`ProcessIdError`] names what is wrong with the text.
    pub fn new(text: &str) -> Result<Self, ProcessIdError> {
        validate(text)?;
        Ok(Self(text.into()))
    }

    /// The identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that `text` is an identity without making it one.
pub(crate) fn validate(text: &str) -> Result<(), ProcessIdError> {
    if text.is_empty() {
        return Err(ProcessIdError::Empty);
    }
    if text.len() > PROCESS_ID_BYTES_MAX {
        return Err(ProcessIdError::TooLong { bytes: text.len() });
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain && text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(ProcessIdError::BadCharacter);
    }
    Ok(())
}

/// The order of identities.
pub(crate) fn order(one: &str, other: &str) -> std::cmp::Ordering {
    (one.len(), one).cmp(&(other.len(), other))
}

impl Ord for ProcessId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialOrd for ProcessId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for ProcessId {
    type Err = ProcessIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for ProcessId {
    type Error = ProcessIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl AsRef<str> for ProcessId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for ProcessId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProcessId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_length_and_then_by_bytes() {
        let mut ids: Vec<ProcessId> = ["P10", "chat", "P2", "P1"]
            .iter()
            .map(|id| ProcessId::new(id).unwrap())
            .collect();
        ids.sort();
        assert_eq!(
            ids.iter().map(ProcessId::as_str).collect::<Vec<_>>(),
            ["P1", "P2", "P10", "chat"]
        );
    }

    #[test]
    fn bad_identities_are_refused() {
        assert_eq!(ProcessId::new(""), Err(ProcessIdError::Empty));
        assert_eq!(
            ProcessId::new(&"x".repeat(65)),
            Err(ProcessIdError::TooLong { bytes: 65 })
        );
        for bad in ["P 1", "P\n1", "\u{1b}[2J", "P\u{a0}1"] {
            assert_eq!(ProcessId::new(bad), Err(ProcessIdError::BadCharacter), "{bad:?}");
        }
        assert!(ProcessId::new(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn json_is_the_bare_text_and_is_checked() {
        let p1 = ProcessId::new("P1").unwrap();
        assert_eq!(serde_json::to_string(&p1).unwrap(), r#""P1""#);
        assert_eq!(serde_json::from_str::<ProcessId>(r#""P1""#).unwrap(), p1);
        assert!(serde_json::from_str::<ProcessId>(r#""P 1""#).is_err());
    }
}
