//! One block: what is written and synced in one piece, and can be told from what was not written to its end.
//!
//! ```text
//! byte  0  mark      "ajf1"
//! byte  4  length    of the payload, u32
//! byte  8  number    of the block in its file, from 0, u64
//! byte 16  checksum  CRC-32C of number and payload, begun with the file's salt (0 for the first block), u32
//! byte 20  payload
//! ```
//!
//! All little-endian. The salt keeps what somebody wrote into a message from passing for a block.

use bytes::Bytes;

/// With what every block begins.
pub(super) const MARK: [u8; 4] = *b"ajf1";

/// Bytes before the payload.
pub(super) const HEAD: usize = 20;

/// A block of the file with this salt.
pub(super) fn encode(salt: u32, number: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("what waits for the disk is bounded");
    let mut block = Vec::with_capacity(HEAD + payload.len());
    block.extend_from_slice(&MARK);
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&number.to_le_bytes());
    block.extend_from_slice(&checksum(salt, number, payload).to_le_bytes());
    block.extend_from_slice(payload);
    block
}

/// The number and the payload of a whole block at the front of `bytes`.
pub(super) fn whole(salt: u32, bytes: &Bytes) -> Option<(u64, Bytes)> {
    let head = bytes.get(..HEAD)?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let number = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
    let end = HEAD.checked_add(usize::try_from(word(4)).ok()?)?;
    let payload = bytes.get(HEAD..end)?;
    (head[..4] == MARK && checksum(salt, number, payload) == word(16))
        .then(|| (number, bytes.slice(HEAD..end)))
}

fn checksum(salt: u32, number: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(salt, &number.to_le_bytes()), payload)
}
