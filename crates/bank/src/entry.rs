//! One entry of the journal, as a value and as bytes.
//!
//! An entry moves one amount from its *debit* account to its *credit* account, so the sum over all accounts never
//! changes; money that enters or leaves the bank comes from or goes to the cash account. It states what both hold
//! afterwards and which entry touched each of them before: reading a journal checks every one of these claims
//! again, and a statement is read by following the links.
//!
//! ```text
//! byte  0  checksum       CRC-32C of the rest of this entry, begun with the previous entry's checksum: the chain
//!       4  payload bytes  u16
//!       6  kind           u8
//!       7  zero           u8
//!       8  number         u64, from 1, without gaps
//!      16  time           u64, ms since the Unix epoch
//!      24  Lamport time   u64, of the request's receive
//!      32  debit          u64, AccountId bits      48  amount         i64, minor units
//!      40  credit         u64, AccountId bits      56  debit after    i64       72  debit previous   u64, 0 = none
//!                                                  64  credit after   i64       80  credit previous  u64, 0 = none
//!      88  key            16 bytes, zero = none
//!     104  payload        opened: PIN hash, holder; pin changed: PIN hash; refused: what was asked for u8, why u8
//! ```
//!
//! A refused entry states what was asked for and what both accounts held, and moves nothing: it is there for its key, so
//! that a copy of the request that comes later is refused alike.
//!
//! All integers are little endian.

use crate::account::AccountId;
use crate::amount::{Amount, Balance};
use crate::pin::{PIN_HASH_BYTES, PinHash};

/// Bytes of an entry without payload.
pub(crate) const ENTRY_BYTES: usize = 104;

/// What a client's idempotency key is stored as: half of the SHA-256 of the account and the key. Two keys that share
/// it would need some 2^64 tries to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrint(pub(crate) [u8; 16]);

impl KeyPrint {
    /// The print of `key` as used by `account`: two accounts' keys never meet.
    #[must_use]
    pub fn new(account: AccountId, key: &str) -> Self {
        use sha2::Digest;
        let hash = sha2::Sha256::new()
            .chain_update(account.to_bits().to_le_bytes())
            .chain_update(key)
            .finalize();
        let mut print = [0; 16];
        print.copy_from_slice(&hash[..16]);
        // All zeros means "no key" in the journal.
        print[0] |= u8::from(print == [0; 16]);
        Self(print)
    }
}

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// The credit account was opened with the amount as its first balance.
    Opened {
        /// Who holds it.
        holder: Box<str>,
        /// Its PIN, hashed.
        pin: PinHash,
    },
    /// The credit account was closed; it holds nothing.
    Closed,
    /// The credit account has a new PIN.
    PinChanged {
        /// The new one, hashed.
        pin: PinHash,
    },
    /// From cash to the credit account.
    Deposit,
    /// From the debit account to cash.
    Withdrawal,
    /// From the debit account to the credit account.
    Transfer,
    /// A request with this key was refused, and stays so. Nothing moved.
    Refused {
        /// What was asked for.
        asked: Asked,
        /// Why it was refused.
        why: Why,
    },
}

/// A movement of money that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// From cash to the credit account.
    Deposit,
    /// From the debit account to cash.
    Withdrawal,
    /// From the debit account to the credit account.
    Transfer,
}

/// Why a movement was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The debit account held less.
    InsufficientFunds,
    /// A balance would have been larger than can be held.
    Overflow,
    /// There was no such credit account, or it was closed.
    UnknownAccount,
}

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal: 1, 2, 3, …
    pub number: u64,
    /// When it was decided, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The Lamport time at which the server received the request.
    pub lamport: u64,
    /// What it records.
    pub kind: EntryKind,
    /// The account that has less now.
    pub debit: AccountId,
    /// The account that has more now.
    pub credit: AccountId,
    /// How much moved.
    pub amount: Option<Amount>,
    /// What the debit account holds now.
    pub debit_after: Balance,
    /// What the credit account holds now.
    pub credit_after: Balance,
    /// The entry that touched the debit account before, 0 if there was none. Not kept for cash.
    pub debit_previous: u64,
    /// The entry that touched the credit account before, 0 if there was none. Not kept for cash.
    pub credit_previous: u64,
    /// The client's idempotency key.
    pub key: Option<KeyPrint>,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The bytes end before the entry does.
    #[error("it is cut off")]
    CutOff,
    /// The checksum does not fit the bytes and the entry before.
    #[error("its checksum does not fit it and the entry before")]
    Checksum,
    /// The checksum fits, but a field has a value that we never write.
    #[error("its {0} has a value that is never written")]
    Field(&'static str),
}

impl Entry {
    /// Appends the entry's bytes to `bytes` and returns its checksum. `chain` is that of the entry before, 0 for
    /// the first.
    pub(crate) fn encode(&self, chain: u32, bytes: &mut Vec<u8>) -> u32 {
        let start = bytes.len();
        let (kind, payload_bytes) = match &self.kind {
            EntryKind::Opened { holder, .. } => (1, PIN_HASH_BYTES + holder.len()),
            EntryKind::Closed => (2, 0),
            EntryKind::PinChanged { .. } => (3, PIN_HASH_BYTES),
            EntryKind::Deposit => (4, 0),
            EntryKind::Withdrawal => (5, 0),
            EntryKind::Transfer => (6, 0),
            EntryKind::Refused { .. } => (7, 2),
        };
        let payload_bytes = u16::try_from(payload_bytes).expect("the length of a holder's name is limited");
        let mut head = [0; ENTRY_BYTES];
        head[4..6].copy_from_slice(&payload_bytes.to_le_bytes());
        head[6] = kind;
        let words = [
            self.number,
            self.at,
            self.lamport,
            self.debit.to_bits(),
            self.credit.to_bits(),
            self.amount.map_or(0, Amount::minor) as u64,
            self.debit_after.minor() as u64,
            self.credit_after.minor() as u64,
            self.debit_previous,
            self.credit_previous,
        ];
        for (place, word) in head[8..88].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        if let Some(KeyPrint(key)) = self.key {
            head[88..].copy_from_slice(&key);
        }
        bytes.extend_from_slice(&head);
        match &self.kind {
            EntryKind::Opened { holder, pin } => {
                bytes.extend_from_slice(&pin.to_bytes());
                bytes.extend_from_slice(holder.as_bytes());
            }
            EntryKind::PinChanged { pin } => bytes.extend_from_slice(&pin.to_bytes()),
            EntryKind::Refused { asked, why } => bytes.extend_from_slice(&[*asked as u8 + 1, *why as u8 + 1]),
            EntryKind::Closed | EntryKind::Deposit | EntryKind::Withdrawal | EntryKind::Transfer => {}
        }
        let checksum = crc32c::crc32c_append(chain, &bytes[start + 4..]);
        bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        checksum
    }

    /// Reads the entry at the front of `bytes`; returns it with its length and its checksum.
    ///
    /// # Errors
    ///
    /// [`EntryError`] when the bytes are not an entry that follows the one with checksum `chain`, or, without
    /// `chain`, no entry at all.
    pub(crate) fn decode(bytes: &[u8], chain: Option<u32>) -> Result<(Self, usize, u32), EntryError> {
        let head: &[u8; ENTRY_BYTES] = bytes.first_chunk().ok_or(EntryError::CutOff)?;
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let length = ENTRY_BYTES + usize::from(u16::from_le_bytes([head[4], head[5]]));
        let payload = bytes.get(ENTRY_BYTES..length).ok_or(EntryError::CutOff)?;
        let checksum = u32::from_le_bytes(head[..4].try_into().expect("four bytes"));
        if chain.is_some_and(|chain| crc32c::crc32c_append(chain, &bytes[4..length]) != checksum) {
            return Err(EntryError::Checksum);
        }
        let pin = || {
            payload
                .first_chunk()
                .map(PinHash::from_bytes)
                .ok_or(EntryError::Field("PIN"))
        };
        let (kind, payload_used) = match head[6] {
            1 => {
                let holder = payload
                    .get(PIN_HASH_BYTES..)
                    .and_then(|text| std::str::from_utf8(text).ok());
                let holder = holder.ok_or(EntryError::Field("holder"))?.into();
                (EntryKind::Opened { holder, pin: pin()? }, payload.len())
            }
            2 => (EntryKind::Closed, 0),
            3 => (EntryKind::PinChanged { pin: pin()? }, PIN_HASH_BYTES),
            4 => (EntryKind::Deposit, 0),
            5 => (EntryKind::Withdrawal, 0),
            6 => (EntryKind::Transfer, 0),
            7 => (refused(payload)?, 2),
            _ => return Err(EntryError::Field("kind")),
        };
        if payload_used != payload.len() {
            return Err(EntryError::Field("payload"));
        }
        let account = |at, name| AccountId::from_bits(word(at)).ok_or(EntryError::Field(name));
        let minor = word(48) as i64;
        let amount = Amount::from_minor(minor);
        if amount.is_none() && minor != 0 {
            return Err(EntryError::Field("amount"));
        }
        let key = KeyPrint(head[88..].try_into().expect("sixteen bytes"));
        let entry = Self {
            number: word(8),
            at: word(16),
            lamport: word(24),
            kind,
            debit: account(32, "debit account")?,
            credit: account(40, "credit account")?,
            amount,
            debit_after: Balance::from_minor(word(56) as i64),
            credit_after: Balance::from_minor(word(64) as i64),
            debit_previous: word(72),
            credit_previous: word(80),
            key: (key.0 != [0; 16]).then_some(key),
        };
        Ok((entry, length, checksum))
    }

    /// The entry that touched `account` before this one, 0 if there was none; `None` if this one does not touch it.
    #[must_use]
    pub fn previous_of(&self, account: AccountId) -> Option<u64> {
        match account {
            _ if matches!(self.kind, EntryKind::Refused { .. }) => None,
            _ if account.is_cash() => None,
            _ if account == self.debit => Some(self.debit_previous),
            _ if account == self.credit => Some(self.credit_previous),
            _ => None,
        }
    }

    /// What `account`, one of the two, holds after this entry.
    #[must_use]
    pub fn balance_of(&self, account: AccountId) -> Balance {
        if account == self.debit {
            self.debit_after
        } else {
            self.credit_after
        }
    }
}

fn refused(payload: &[u8]) -> Result<EntryKind, EntryError> {
    let asked = [Asked::Deposit, Asked::Withdrawal, Asked::Transfer];
    let why = [Why::InsufficientFunds, Why::Overflow, Why::UnknownAccount];
    let place = |at: usize| payload.get(at).and_then(|&byte| usize::from(byte).checked_sub(1));
    Ok(EntryKind::Refused {
        asked: place(0)
            .and_then(|at| asked.get(at).copied())
            .ok_or(EntryError::Field("request"))?,
        why: place(1)
            .and_then(|at| why.get(at).copied())
            .ok_or(EntryError::Field("refusal"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: EntryKind) -> Entry {
        Entry {
            number: 7,
            at: 1_700_000_000_123,
            lamport: 42,
            kind,
            debit: "1111111111".parse().unwrap(),
            credit: "007".parse().unwrap(),
            amount: Amount::from_minor(2_000),
            debit_after: Balance::from_minor(5),
            credit_after: Balance::from_minor(-5),
            debit_previous: 3,
            credit_previous: 0,
            key: Some(KeyPrint::new(AccountId::CASH, "k")),
        }
    }

    fn kinds() -> Vec<EntryKind> {
        let pin = PinHash::from_bytes(&[9; PIN_HASH_BYTES]);
        vec![
            EntryKind::Opened {
                holder: "João".into(),
                pin: pin.clone(),
            },
            EntryKind::Closed,
            EntryKind::PinChanged { pin },
            EntryKind::Deposit,
            EntryKind::Withdrawal,
            EntryKind::Transfer,
            EntryKind::Refused {
                asked: Asked::Withdrawal,
                why: Why::InsufficientFunds,
            },
            EntryKind::Refused {
                asked: Asked::Transfer,
                why: Why::UnknownAccount,
            },
        ]
    }

    #[test]
    fn bytes_and_entry_agree() {
        for kind in kinds() {
            let entry = entry(kind);
            let mut bytes = Vec::new();
            let checksum = entry.encode(77, &mut bytes);
            let length = bytes.len();
            bytes.extend_from_slice(b"what follows");
            assert_eq!(Entry::decode(&bytes, Some(77)), Ok((entry, length, checksum)));
        }
    }

    #[test]
    fn every_flipped_bit_every_cut_and_another_chain_are_found() {
        for kind in kinds() {
            let mut bytes = Vec::new();
            entry(kind).encode(77, &mut bytes);
            assert_eq!(Entry::decode(&bytes, Some(78)), Err(EntryError::Checksum));
            for cut in 0..bytes.len() {
                assert_eq!(Entry::decode(&bytes[..cut], Some(77)), Err(EntryError::CutOff));
            }
            for bit in 0..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(Entry::decode(&bytes, Some(77)).is_err(), "bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
