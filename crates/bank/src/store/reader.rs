//! Reading single entries back: from the mark before them, block by block.

use std::sync::{Arc, PoisonError, RwLock};

use super::disk::{Disk, DiskFile};
use super::place::{MARK_SECTORS, Marks, Place};
use super::sector::{BLOCK_HEAD, BlockHead, CONTENT_BYTES, SECTOR_BYTES, Sector, read_sector};
use super::segment::{sectors_of, segment_name};
use super::{ReadEntries, StoreError};
use crate::entry::{ENTRY_BYTES, Entry};

/// Reads single entries of a journal.
pub(crate) struct JournalReader {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) marks: Arc<RwLock<Marks>>,
}

impl ReadEntries for JournalReader {
    fn read(&self, number: u64) -> Result<Entry, StoreError> {
        let mark = self
            .marks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .before(number);
        let mut place = mark.ok_or(StoreError::NoEntry(number))?.place;
        let name = segment_name(place.segment);
        let file = self.disk.open(&name).map_err(StoreError::io("open", &name))?;
        let mut window = Window {
            file,
            name,
            bytes: Vec::new(),
            first: place,
        };
        let sectors = sectors_of(&window.file, &window.name)?;
        loop {
            if place.sector >= sectors {
                return Err(StoreError::NoEntry(number));
            }
            let head = BlockHead::from_bytes(window.content(place)?);
            if let Some(within) = number.checked_sub(head.first_number)
                && within < u64::from(head.entries)
            {
                return window.entry(place, &head, within as usize);
            }
            place.sector += head.sectors() as u32;
        }
    }
}

/// Some sectors of a segment in memory.
struct Window {
    file: Arc<dyn DiskFile>,
    name: String,
    bytes: Vec<u8>,
    first: Place,
}

impl Window {
    /// The content of the sector at `place`.
    fn content(&mut self, place: Place) -> Result<&[u8; CONTENT_BYTES], StoreError> {
        let offset = u64::from(place.sector) * SECTOR_BYTES as u64;
        let end = u64::from(self.first.sector) * SECTOR_BYTES as u64 + self.bytes.len() as u64;
        if place < self.first || offset + SECTOR_BYTES as u64 > end {
            let length = self
                .file
                .length()
                .map_err(StoreError::io("measure", &self.name))?;
            let wanted = (MARK_SECTORS / 4 * SECTOR_BYTES as u64).min(length - offset);
            self.bytes.resize(wanted as usize, 0);
            self.first = place;
            self.file
                .read_at(offset, &mut self.bytes)
                .map_err(StoreError::io("read", &self.name))?;
        }
        let at = (place.sector - self.first.sector) as usize * SECTOR_BYTES;
        let sector = self.bytes[at..at + SECTOR_BYTES].try_into().expect("one sector");
        match read_sector(place.number(), sector) {
            Sector::Whole { content, .. } => Ok(content),
            _ => Err(StoreError::damaged(
                &self.name,
                offset,
                "a checksum does not fit its sector",
            )),
        }
    }

    /// The entry with index `within` of the block at `place`.
    fn entry(&mut self, place: Place, head: &BlockHead, within: usize) -> Result<Entry, StoreError> {
        let same_length = head.entry_bytes as usize == head.entries as usize * ENTRY_BYTES;
        let (mut skip, from, length) = if same_length {
            (0, within * ENTRY_BYTES, ENTRY_BYTES)
        } else {
            (within, 0, head.entry_bytes as usize)
        };
        let from = BLOCK_HEAD + from;
        let first = from / CONTENT_BYTES;
        let mut content = Vec::new();
        for sector in first..(from + length).div_ceil(CONTENT_BYTES) {
            content.extend_from_slice(self.content(Place {
                sector: place.sector + sector as u32,
                ..place
            })?);
        }
        let mut rest = &content[from - first * CONTENT_BYTES..];
        loop {
            // The sectors' checksums have vouched for the bytes; the chain is for those who read from the front.
            let offset = u64::from(place.sector) * SECTOR_BYTES as u64;
            let (entry, length, _) = Entry::decode(rest, None)
                .map_err(|error| StoreError::damaged(&self.name, offset, format!("an entry: {error}")))?;
            if skip == 0 {
                return Ok(entry);
            }
            skip -= 1;
            rest = &rest[length..];
        }
    }
}
