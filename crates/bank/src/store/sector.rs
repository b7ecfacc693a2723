//! Blocks of entries as sectors of a file. Pure.
//!
//! What one sync makes durable is a *block*: whole entries, in whole sectors of 512 bytes that nothing was written to
//! before and nothing is written to again. The disk is believed to write one sector wholly or not at all, and
//! nothing more: the sectors of a block that was being written when the power went may be there or not, in any
//! combination.
//!
//! ```text
//! sector   0  checksum      CRC-32C of its place (u64) and the rest of the sector
//!          4  block         u64, from 1
//!         12  500 bytes of the block's content, the last sector filled up with zeros
//!
//! content  0  entry bytes   u32
//!          4  entries       u32
//!          8  first number  u64
//!         16  chain         SHA-256 of the previous block's chain, the three fields above and the entry bytes
//!         48  the entries
//! ```
//!
//! A place that was never written is all zeros. So a sector is either [blank](Sector::Blank), [whole](Sector::Whole)
//! or [damaged](Sector::Damaged), and a power cut cannot make it damaged: that is how a torn tail is told from
//! corruption.

use sha2::{Digest, Sha256};

/// Bytes of a sector: the smallest unit that disks write atomically.
pub(crate) const SECTOR_BYTES: usize = 512;
/// Bytes in front of a sector's content.
const SECTOR_HEAD: usize = 12;
/// Bytes of content in a sector.
pub(crate) const CONTENT_BYTES: usize = SECTOR_BYTES - SECTOR_HEAD;
/// Bytes in front of a block's entries.
pub(crate) const BLOCK_HEAD: usize = 48;

/// The hash over a block and all before it.
pub(crate) type Chain = [u8; 32];

/// What the front of a block states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHead {
    pub(crate) entry_bytes: u32,
    pub(crate) entries: u32,
    pub(crate) first_number: u64,
    pub(crate) chain: Chain,
}

/// What stands in a sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sector<'a> {
    /// Never written.
    Blank,
    /// A part of this block.
    Whole {
        block: u64,
        content: &'a [u8; CONTENT_BYTES],
    },
    /// Something that was never written like this.
    Damaged,
}

impl BlockHead {
    /// The head of a block of `entries`, which follow a block with `chain`.
    pub(crate) fn new(chain: &Chain, first_number: u64, count: u32, entries: &[u8]) -> Self {
        let entry_bytes = u32::try_from(entries.len()).expect("a block is limited to far less");
        let mut head = Self {
            entry_bytes,
            entries: count,
            first_number,
            chain: [0; 32],
        };
        head.chain = head.chain_after(chain, entries);
        head
    }

    /// The chain of a block with this head and `entries` that follows a block with `chain`.
    pub(crate) fn chain_after(&self, chain: &Chain, entries: &[u8]) -> Chain {
        Sha256::new()
            .chain_update(chain)
            .chain_update(&self.to_bytes()[..16])
            .chain_update(entries)
            .finalize()
            .into()
    }

    fn to_bytes(self) -> [u8; BLOCK_HEAD] {
        let mut bytes = [0; BLOCK_HEAD];
        bytes[..4].copy_from_slice(&self.entry_bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.entries.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first_number.to_le_bytes());
        bytes[16..].copy_from_slice(&self.chain);
        bytes
    }

    /// The head at the front of a block's content.
    pub(crate) fn from_bytes(bytes: &[u8; CONTENT_BYTES]) -> Self {
        Self {
            entry_bytes: u32::from_le_bytes(bytes[..4].try_into().expect("four bytes")),
            entries: u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes")),
            first_number: u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes")),
            chain: bytes[16..48].try_into().expect("thirty-two bytes"),
        }
    }

    /// The sectors of a block with this head.
    pub(crate) fn sectors(&self) -> usize {
        sectors_for(self.entry_bytes as usize)
    }
}

/// How many sectors a block with so many bytes of entries takes.
pub(crate) fn sectors_for(entry_bytes: usize) -> usize {
    (BLOCK_HEAD + entry_bytes).div_ceil(CONTENT_BYTES)
}

/// Writes block number `block` into `sectors`, to stand from sector `place` of the journal on.
pub(crate) fn write_block(block: u64, head: &BlockHead, entries: &[u8], place: u64, sectors: &mut Vec<u8>) {
    sectors.clear();
    let head_bytes = head.to_bytes();
    let (front, rest) = entries.split_at(entries.len().min(CONTENT_BYTES - BLOCK_HEAD));
    let parts = std::iter::once((&head_bytes[..], front))
        .chain(rest.chunks(CONTENT_BYTES).map(|part| (&[][..], part)));
    for (place, (head, part)) in (place..).zip(parts) {
        let start = sectors.len();
        sectors.extend_from_slice(&[0; 4]);
        sectors.extend_from_slice(&block.to_le_bytes());
        sectors.extend_from_slice(head);
        sectors.extend_from_slice(part);
        sectors.resize(start + SECTOR_BYTES, 0);
        let checksum = checksum(place, &sectors[start..]);
        sectors[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// What stands in a sector read from sector `place` of the journal.
pub(crate) fn read_sector(place: u64, sector: &[u8; SECTOR_BYTES]) -> Sector<'_> {
    if *sector == [0; SECTOR_BYTES] {
        return Sector::Blank;
    }
    let block = u64::from_le_bytes(sector[4..12].try_into().expect("eight bytes"));
    if checksum(place, sector).to_le_bytes() != sector[..4] || block == 0 {
        return Sector::Damaged;
    }
    Sector::Whole {
        block,
        content: sector[SECTOR_HEAD..].try_into().expect("the rest of a sector"),
    }
}

fn checksum(place: u64, sector: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&place.to_le_bytes()), &sector[4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_fills_whole_sectors_and_reads_back() {
        for length in [0, 1, 452, 453, 952, 953, 5000] {
            let entries: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let head = BlockHead::new(&[3; 32], 10, 2, &entries);
            let mut sectors = Vec::new();
            write_block(7, &head, &entries, 100, &mut sectors);
            assert_eq!(sectors.len(), head.sectors() * SECTOR_BYTES);
            let mut content = Vec::new();
            for (place, sector) in (100..).zip(sectors.chunks_exact(SECTOR_BYTES)) {
                let Sector::Whole {
                    block: 7,
                    content: part,
                } = read_sector(place, sector.try_into().unwrap())
                else {
                    panic!("sector {place} does not read back");
                };
                content.extend_from_slice(part);
            }
            assert_eq!(BlockHead::from_bytes(content.first_chunk().unwrap()), head);
            assert_eq!(content[BLOCK_HEAD..BLOCK_HEAD + length], entries);
            assert_eq!(head.chain_after(&[3; 32], &entries), head.chain);
            assert_ne!(head.chain_after(&[4; 32], &entries), head.chain);
        }
    }

    #[test]
    fn every_flipped_bit_and_another_place_are_damage() {
        let mut sectors = Vec::new();
        write_block(
            1,
            &BlockHead::new(&[0; 32], 1, 1, b"entry"),
            b"entry",
            9,
            &mut sectors,
        );
        let mut sector: [u8; SECTOR_BYTES] = sectors.try_into().unwrap();
        assert_eq!(read_sector(10, &sector), Sector::Damaged);
        for bit in 0..SECTOR_BYTES * 8 {
            sector[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_sector(9, &sector), Sector::Damaged, "bit {bit}");
            sector[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
