//! Idempotency keys: what makes a change that is sent twice happen once.

use std::fmt;
use std::str::FromStr;

use crate::limits::KEY_BYTES_MAX;

/// The name of one change. The server answers every copy that carries the same key with the same answer.
///
/// 1 to [`KEY_BYTES_MAX`] printable ASCII characters without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 1 to {KEY_BYTES_MAX} letters, digits or signs, without spaces")]
pub struct KeyError;

/// Why there is no new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandomness(#[from] getrandom::Error);

impl Key {
    /// A key that nobody has used: 128 random bits in hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`]. Without it, no key may be taken to be new.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits)).into()))
    }

    /// The key as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let fits =
            (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(KeyError)
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_key_is_a_key_and_no_two_are_equal() {
        let keys = [Key::random().unwrap(), Key::random().unwrap()];
        assert_ne!(keys[0], keys[1]);
        assert_eq!(keys[0].as_str().parse(), Ok(keys[0].clone()));
        assert_eq!(keys[0].as_str().len(), 32);
    }

    #[test]
    fn what_is_no_key() {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        for text in ["", "two words", "tab\t", "ação", "\u{1b}[2J", &long] {
            assert_eq!(text.parse::<Key>(), Err(KeyError), "{text:?}");
        }
    }
}
