//! PINs: what one looks like, and how it is kept: as an argon2id hash (RFC 9106) with its own salt.
//!
//! Hashing is slow on purpose. This module only computes; who may compute how much at once is the server's business.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

/// Fewest and most digits of a PIN.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=12;

/// Bytes of a stored [`PinHash`].
pub(crate) const PIN_HASH_BYTES: usize = 54;

/// A PIN: 4 to 12 digits. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Box<str>);

/// Why a text is no PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PIN has {} to {} digits", PIN_DIGITS.start(), PIN_DIGITS.end())]
pub struct PinError;

/// How much work one hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u8,
    /// Lanes; they are computed one after the other.
    pub lanes: u8,
}

/// A PIN as it is kept: cost, salt and hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PinHash {
    cost: PinCost,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl PinCost {
    /// What OWASP recommends at least for argon2id: 19 MiB, two passes, one lane.
    pub const DEFAULT: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };

    /// The least that argon2 takes. For tests only: such a PIN is guessed in no time.
    pub const LEAST: Self = Self {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let fits = PIN_DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(PinError)
        }
    }
}

impl Pin {
    /// The digits, for whoever has to send them.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}

impl PinHash {
    /// Hashes `pin`. Takes as long as `cost` says; `salt` must be random.
    #[must_use]
    pub fn new(pin: &Pin, salt: [u8; 16], cost: PinCost) -> Self {
        Self {
            cost,
            salt,
            hash: argon2id(&pin.0, salt, cost),
        }
    }

    /// Whether `pin` is the one. Takes as long as [`new`](Self::new), whatever the answer.
    #[must_use]
    pub fn verify(&self, pin: &Pin) -> bool {
        argon2id(&pin.0, self.salt, self.cost).ct_eq(&self.hash).into()
    }

    /// How much work it is to check a PIN against this.
    #[must_use]
    pub fn cost(&self) -> PinCost {
        self.cost
    }

    pub(crate) fn to_bytes(&self) -> [u8; PIN_HASH_BYTES] {
        let mut bytes = [0; PIN_HASH_BYTES];
        bytes[..4].copy_from_slice(&self.cost.memory_kib.to_le_bytes());
        bytes[4] = self.cost.passes;
        bytes[5] = self.cost.lanes;
        bytes[6..22].copy_from_slice(&self.salt);
        bytes[22..].copy_from_slice(&self.hash);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; PIN_HASH_BYTES]) -> Self {
        Self {
            cost: PinCost {
                memory_kib: u32::from_le_bytes(bytes[..4].try_into().expect("four bytes")),
                passes: bytes[4],
                lanes: bytes[5],
            },
            salt: bytes[6..22].try_into().expect("sixteen bytes"),
            hash: bytes[22..].try_into().expect("thirty-two bytes"),
        }
    }
}

impl fmt::Debug for PinHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinHash(…)")
    }
}

fn argon2id(pin: &str, salt: [u8; 16], cost: PinCost) -> [u8; 32] {
    let mut hash = [0; 32];
    // A cost that argon2 refuses is raised to what it takes, so that a stored hash can always be checked.
    let lanes = u32::from(cost.lanes.max(1));
    let memory_kib = cost.memory_kib.max(8 * lanes);
    let params = Params::new(memory_kib, u32::from(cost.passes.max(1)), lanes, Some(hash.len()))
        .expect("the parameters were raised to the least that argon2 takes");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pin.as_bytes(), &salt, &mut hash)
        .expect("lengths of PIN, salt and hash lie within argon2's bounds");
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_verifies_and_another_does_not() {
        let pin: Pin = "1234".parse().unwrap();
        let kept = PinHash::new(&pin, [7; 16], PinCost::LEAST);
        let kept = PinHash::from_bytes(&kept.to_bytes());
        assert!(kept.verify(&pin));
        assert!(!kept.verify(&"1235".parse().unwrap()));
        assert_ne!(
            PinHash::new(&pin, [8; 16], PinCost::LEAST),
            kept,
            "the salt matters"
        );
    }

    #[test]
    fn only_digits_are_a_pin_and_none_is_printed() {
        for text in ["", "123", "1234567890123", "12a4", "１２３４", " 1234"] {
            assert_eq!(text.parse::<Pin>(), Err(PinError), "{text:?}");
        }
        assert_eq!(format!("{:?}", "1234".parse::<Pin>().unwrap()), "Pin(…)");
    }
}
