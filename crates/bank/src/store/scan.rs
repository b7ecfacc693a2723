//! Reading the journal from front to end, and telling where it ends from where it is damaged.
//!
//! Blocks are appended one at a time, each only after the one before is durable. So there can be at most one block
//! that is not whole, the one after the last; its sectors may be there or not. Anything else that is not as written
//! is damage to what may have been acknowledged, and ends the scan with its place: a damaged sector, a hole with a
//! later block behind it, a block out of order, a chain that does not fit, an entry that does not follow.

use std::sync::Arc;

use super::StoreError;
use super::disk::{Disk, DiskFile};
use super::place::{Cursor, Mark, Marks, Place};
use super::sector::{BLOCK_HEAD, BlockHead, CONTENT_BYTES, SECTOR_BYTES, Sector, read_sector};
use super::segment::{SEGMENT_PREFIX, header, segment_name};
use crate::entry::Entry;

/// Who is shown each entry in turn. Their error is a fragment saying why the entry does not follow.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(Entry) -> Result<(), String>;

/// The end of a journal.
pub(crate) struct End {
    /// Where the next block goes.
    pub(crate) cursor: Cursor,
    /// The last block read in this scan: where it stands, and its sectors.
    pub(crate) last_block: Option<(Place, Vec<u8>)>,
    /// Sectors of a block that was never whole: where the first and the last of them stand.
    pub(crate) torn: Option<(Place, Place)>,
}

/// Reads from `cursor` on. With `until`, stops after that block; without, checks that nothing follows the end.
///
/// # Errors
///
/// [`StoreError::Damaged`] with the place, or [`StoreError::Io`].
pub(crate) fn scan(
    disk: &dyn Disk,
    mut cursor: Cursor,
    until: Option<u64>,
    marks: &mut Marks,
    visit: Visit<'_>,
) -> Result<End, StoreError> {
    let mut last_block = None;
    let names = segments(disk)?;
    loop {
        let segment = Segment::load(disk, cursor.place.segment)?;
        if cursor.block > 0 && cursor.last.segment == cursor.place.segment && last_block.is_none() {
            segment.check_last(&cursor)?;
        }
        while cursor.block != until.unwrap_or(u64::MAX) && cursor.place.sector < segment.sectors() {
            let Some(block) = segment.block(cursor.place.sector, cursor.block + 1)? else {
                break;
            };
            let place = cursor.place;
            segment.replay(&block, &mut cursor, visit)?;
            marks.note(Mark {
                first_number: block.head.first_number,
                place,
            });
            let end = block.first + block.head.sectors() as u32;
            last_block = Some((place, segment.bytes(block.first, end).to_vec()));
            cursor.last = place;
            cursor.place.sector = end;
            cursor.block += 1;
        }
        if Some(cursor.block) == until {
            return Ok(End {
                cursor,
                last_block,
                torn: None,
            });
        }
        let torn = segment.rest(cursor.place.sector, cursor.block + 1)?;
        let next = cursor.place.segment + 1;
        if !names.contains(&segment_name(next)) {
            return Ok(End {
                cursor,
                last_block,
                torn,
            });
        }
        let following = Segment::load(disk, next)?;
        if torn.is_some() || following.is_blank() {
            // Segments are made ahead of their use.
            following.must_be_blank(cursor.block + 1)?;
            for ahead in (next + 1..).take_while(|&ahead| names.contains(&segment_name(ahead))) {
                Segment::load(disk, ahead)?.must_be_blank(cursor.block + 1)?;
            }
            return Ok(End {
                cursor,
                last_block,
                torn,
            });
        }
        cursor.place = Place {
            segment: next,
            sector: 1,
        };
    }
}

/// The names of the segments: all of them, from the first on.
fn segments(disk: &dyn Disk) -> Result<Vec<String>, StoreError> {
    let mut names = disk
        .list()
        .map_err(StoreError::io("list", "the data directory"))?;
    names.retain(|name| name.starts_with(SEGMENT_PREFIX) && !name.ends_with(".new"));
    names.sort_unstable();
    for (name, expected) in names.iter().zip((1..).map(segment_name)) {
        if *name != expected {
            return Err(StoreError::damaged(
                &expected,
                0,
                format!("it is missing, but {name} is there"),
            ));
        }
    }
    Ok(names)
}

/// One segment in memory.
struct Segment {
    index: u32,
    name: String,
    bytes: Vec<u8>,
}

/// A whole block, its content put together.
struct Block {
    first: u32,
    head: BlockHead,
    content: Vec<u8>,
}

impl Segment {
    fn load(disk: &dyn Disk, index: u32) -> Result<Self, StoreError> {
        let name = segment_name(index);
        let file: Arc<dyn DiskFile> = disk.open(&name).map_err(StoreError::io("open", &name))?;
        let length = file.length().map_err(StoreError::io("measure", &name))?;
        let mut bytes = vec![0; usize::try_from(length).expect("segments fit into memory")];
        file.read_at(0, &mut bytes)
            .map_err(StoreError::io("read", &name))?;
        if bytes.len() % SECTOR_BYTES != 0 || bytes.get(..SECTOR_BYTES) != Some(&header(index)[..]) {
            return Err(StoreError::damaged(
                &name,
                0,
                "it does not begin and end like a segment of this journal",
            ));
        }
        Ok(Self { index, name, bytes })
    }

    fn sectors(&self) -> u32 {
        (self.bytes.len() / SECTOR_BYTES) as u32
    }

    fn bytes(&self, from: u32, to: u32) -> &[u8] {
        &self.bytes[from as usize * SECTOR_BYTES..to as usize * SECTOR_BYTES]
    }

    fn sector(&self, sector: u32) -> Sector<'_> {
        let place = Place {
            segment: self.index,
            sector,
        };
        read_sector(
            place.number(),
            self.bytes(sector, sector + 1).try_into().expect("one sector"),
        )
    }

    fn damaged(&self, sector: u32, what: impl Into<String>) -> StoreError {
        StoreError::damaged(&self.name, u64::from(sector) * SECTOR_BYTES as u64, what)
    }

    /// The block that a snapshot was made after must still be there.
    fn check_last(&self, cursor: &Cursor) -> Result<(), StoreError> {
        match (cursor.last.sector < self.sectors()).then(|| self.sector(cursor.last.sector)) {
            Some(Sector::Whole { block, content })
                if block == cursor.block && BlockHead::from_bytes(content).chain == cursor.chain =>
            {
                Ok(())
            }
            _ => Err(self.damaged(
                cursor.last.sector,
                format!("block {} is missing or altered", cursor.block),
            )),
        }
    }

    /// Block number `expected` at `first`, `None` if it is not there as a whole.
    fn block(&self, first: u32, expected: u64) -> Result<Option<Block>, StoreError> {
        let content = match self.sector(first) {
            Sector::Blank => return Ok(None),
            Sector::Whole { block, content } if block == expected => content,
            Sector::Whole { block, .. } => {
                return Err(self.damaged(
                    first,
                    format!("block {block} stands where block {expected} belongs"),
                ));
            }
            Sector::Damaged => return Err(self.damaged(first, "a checksum does not fit its sector")),
        };
        let head = BlockHead::from_bytes(content);
        let end = first as usize + head.sectors();
        if end > self.sectors() as usize {
            return Err(self.damaged(first, format!("block {expected} is longer than its segment")));
        }
        let mut content = Vec::with_capacity(head.sectors() * CONTENT_BYTES);
        let mut whole = true;
        for sector in first..end as u32 {
            match self.sector(sector) {
                Sector::Whole { block, content: part } if block == expected => {
                    content.extend_from_slice(part)
                }
                Sector::Blank => whole = false,
                Sector::Whole { block, .. } => {
                    return Err(self.damaged(sector, format!("block {block} stands inside block {expected}")));
                }
                Sector::Damaged => return Err(self.damaged(sector, "a checksum does not fit its sector")),
            }
        }
        Ok(whole.then_some(Block { first, head, content }))
    }

    /// Checks a block against those before it and shows its entries.
    fn replay(&self, block: &Block, cursor: &mut Cursor, visit: Visit<'_>) -> Result<(), StoreError> {
        let entries = &block.content[BLOCK_HEAD..BLOCK_HEAD + block.head.entry_bytes as usize];
        if block.head.chain_after(&cursor.chain, entries) != block.head.chain
            || block.head.first_number != cursor.last_entry + 1
        {
            return Err(self.damaged(block.first, format!("block {} does not follow", cursor.block + 1)));
        }
        cursor.chain = block.head.chain;
        let mut rest = entries;
        for _ in 0..block.head.entries {
            let number = cursor.last_entry + 1;
            let (entry, length, chain) = Entry::decode(rest, Some(cursor.entry_chain))
                .map_err(|error| self.damaged(block.first, format!("entry {number}: {error}")))?;
            visit(entry).map_err(|what| self.damaged(block.first, what))?;
            rest = &rest[length..];
            cursor.entry_chain = chain;
            cursor.last_entry = number;
        }
        if !rest.is_empty() {
            return Err(self.damaged(block.first, "the block holds more than its entries"));
        }
        Ok(())
    }

    /// What stands from `first` on, where the journal ends: sectors of the unfinished block, or nothing.
    fn rest(&self, first: u32, unfinished: u64) -> Result<Option<(Place, Place)>, StoreError> {
        let mut torn: Option<(Place, Place)> = None;
        for sector in first..self.sectors() {
            match self.sector(sector) {
                Sector::Blank => {}
                Sector::Whole { block, .. } if block == unfinished => {
                    let place = Place {
                        segment: self.index,
                        sector,
                    };
                    torn = Some((torn.map_or(place, |torn| torn.0), place));
                }
                Sector::Whole { block, .. } => {
                    return Err(self.damaged(
                        first,
                        format!("block {unfinished} is missing, but block {block} follows"),
                    ));
                }
                Sector::Damaged => return Err(self.damaged(sector, "a checksum does not fit its sector")),
            }
        }
        Ok(torn)
    }

    fn is_blank(&self) -> bool {
        (1..self.sectors()).all(|sector| self.sector(sector) == Sector::Blank)
    }

    fn must_be_blank(&self, missing: u64) -> Result<(), StoreError> {
        if self.is_blank() {
            return Ok(());
        }
        Err(self.damaged(
            1,
            format!("it holds something, but block {missing} before it is not whole"),
        ))
    }
}
