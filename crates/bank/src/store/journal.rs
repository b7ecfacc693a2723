//! Appending blocks to segments, and reading single entries back.

use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use super::disk::{Disk, DiskFile};
use super::sector::{
    BLOCK_HEAD, BlockHead, CONTENT_BYTES, Chain, SECTOR_BYTES, Sector, read_sector, sectors_for, write_block,
};
use super::{Batch, ReadEntries, StoreError};
use crate::entry::{ENTRY_BYTES, Entry};

/// Bytes written at once when a segment is filled with zeros.
const ZERO_BYTES: usize = 1024 * 1024;

/// Sectors between two marks of the index: how much is read at most to find an entry among short blocks.
const MARK_SECTORS: u64 = 128;

/// Where a sector stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) sector: u32,
}

impl Place {
    /// The place as one number, which goes into the sector's checksum.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.sector)
    }
}

/// The end of the journal, and all that the next block depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Where the next block goes, unless it does not fit there.
    pub(crate) place: Place,
    /// Where the last block stands.
    pub(crate) last: Place,
    /// The number of the last block, 0 if there is none.
    pub(crate) block: u64,
    /// Its chain.
    pub(crate) chain: Chain,
    /// The number of the last entry.
    pub(crate) last_entry: u64,
    /// Its checksum.
    pub(crate) entry_chain: u32,
}

impl Cursor {
    /// The beginning of an empty journal.
    pub(crate) const START: Self = Self {
        place: Place {
            segment: 1,
            sector: 1,
        },
        last: Place {
            segment: 0,
            sector: 0,
        },
        block: 0,
        chain: [0; 32],
        last_entry: 0,
        entry_chain: 0,
    };
}

/// Where a block with this first entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) first_number: u64,
    pub(crate) place: Place,
}

/// Some blocks' places, in order, close enough to find every entry quickly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks(pub(crate) Vec<Mark>);

impl Marks {
    /// Takes note of a block if it is far enough from the last one noted.
    pub(crate) fn note(&mut self, mark: Mark) {
        let far = |last: &Mark| mark.place.number() - last.place.number() >= MARK_SECTORS;
        if self.0.last().is_none_or(far) {
            self.0.push(mark);
        }
    }

    /// The last mark at or before the entry.
    fn before(&self, number: u64) -> Option<Mark> {
        let after = self.0.partition_point(|mark| mark.first_number <= number);
        after.checked_sub(1).map(|at| self.0[at])
    }
}

/// What the names of segments begin with.
pub(crate) const SEGMENT_PREFIX: &str = "journal-";

/// The name of a segment's file.
pub(crate) fn segment_name(segment: u32) -> String {
    format!("{SEGMENT_PREFIX}{segment:010}")
}

/// The first sector of a segment.
pub(crate) fn header(segment: u32) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    let text = format!("Antes bank journal, format 1, segment {segment}\n");
    sector[..text.len()].copy_from_slice(text.as_bytes());
    sector
}

/// Makes a segment full of zeros, durable in content and name, so that writing into it later changes no metadata.
pub(crate) fn prepare(disk: &dyn Disk, segment: u32, bytes: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
    let name = segment_name(segment);
    let unfinished = format!("{name}.new");
    let io = |what| StoreError::io(what, &name);
    let file = disk.create(&unfinished).map_err(io("create"))?;
    file.write_at(0, &header(segment)).map_err(io("write"))?;
    let zeros = vec![0; ZERO_BYTES.min(usize::try_from(bytes).unwrap_or(ZERO_BYTES))];
    let mut offset = SECTOR_BYTES as u64;
    while offset < bytes {
        let length = (bytes - offset).min(zeros.len() as u64);
        file.write_at(offset, &zeros[..length as usize])
            .map_err(io("write"))?;
        offset += length;
    }
    file.sync().map_err(io("sync"))?;
    disk.rename(&unfinished, &name).map_err(io("rename"))?;
    disk.sync_names().map_err(io("sync the name of"))?;
    Ok(file)
}

/// The appending end of the journal.
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    cursor: Cursor,
    file: Arc<dyn DiskFile>,
    file_sectors: u32,
    segment_bytes: u64,
    marks: Arc<RwLock<Marks>>,
    /// The sectors of the block being written; kept to be reused.
    sectors: Vec<u8>,
    next_segment: Option<JoinHandle<Result<Arc<dyn DiskFile>, StoreError>>>,
    prepare_ahead: bool,
    poisoned: bool,
}

impl Journal {
    /// Goes on at `cursor`, whose segment is there.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        cursor: Cursor,
        marks: Marks,
        segment_bytes: u64,
        prepare_ahead: bool,
    ) -> Result<Self, StoreError> {
        let name = segment_name(cursor.place.segment);
        let file = disk.open(&name).map_err(StoreError::io("open", &name))?;
        let file_sectors = sectors_of(&file, &name)?;
        let mut journal = Self {
            disk,
            cursor,
            file,
            file_sectors,
            segment_bytes,
            marks: Arc::new(RwLock::new(marks)),
            sectors: Vec::new(),
            next_segment: None,
            prepare_ahead,
            poisoned: false,
        };
        journal.prepare_next();
        Ok(journal)
    }

    /// What is durable.
    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The index so far.
    pub(crate) fn marks(&self) -> Marks {
        self.marks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads from this journal.
    pub(crate) fn reader(&self) -> JournalReader {
        JournalReader {
            disk: Arc::clone(&self.disk),
            marks: Arc::clone(&self.marks),
        }
    }

    /// Writes a batch as one block and syncs it.
    pub(crate) fn append(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        // Whatever goes wrong between here and the end leaves the disk in a state that only a new scan can tell.
        self.poisoned = true;
        assert_eq!(
            batch.first_number,
            self.cursor.last_entry + 1,
            "batches follow one another"
        );
        let length = u32::try_from(sectors_for(batch.bytes.len())).expect("a batch is limited to far less");
        if self.cursor.place.sector + length > self.file_sectors {
            self.enter_next_segment(length)?;
        }
        let head = BlockHead::new(&self.cursor.chain, batch.first_number, batch.count, batch.bytes);
        let place = self.cursor.place;
        write_block(
            self.cursor.block + 1,
            &head,
            batch.bytes,
            place.number(),
            &mut self.sectors,
        );
        let name = segment_name(place.segment);
        let offset = u64::from(place.sector) * SECTOR_BYTES as u64;
        self.file
            .write_at(offset, &self.sectors)
            .map_err(StoreError::io("write", &name))?;
        self.file.sync().map_err(StoreError::io("sync", &name))?;
        self.marks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .note(Mark {
                first_number: batch.first_number,
                place,
            });
        self.cursor = Cursor {
            place: Place {
                sector: place.sector + length,
                ..place
            },
            last: place,
            block: self.cursor.block + 1,
            chain: head.chain,
            last_entry: self.cursor.last_entry + u64::from(batch.count),
            entry_chain: batch.entry_chain,
        };
        self.poisoned = false;
        Ok(())
    }

    /// Leaves the rest of this segment blank and goes on in the next, which takes at least `length` sectors.
    fn enter_next_segment(&mut self, length: u32) -> Result<(), StoreError> {
        let segment = self.cursor.place.segment + 1;
        let prepared = match self.next_segment.take() {
            Some(preparing) => Some(preparing.join().expect("preparing a segment does not panic")?),
            None => None,
        };
        self.file = match prepared {
            Some(file) => file,
            None => {
                let bytes = self
                    .segment_bytes
                    .max((u64::from(length) + 1) * SECTOR_BYTES as u64);
                prepare(&*self.disk, segment, bytes)?
            }
        };
        self.file_sectors = sectors_of(&self.file, &segment_name(segment))?;
        self.cursor.place = Place { segment, sector: 1 };
        self.prepare_next();
        if length >= self.file_sectors {
            return Err(StoreError::damaged(
                &segment_name(segment),
                0,
                "it is too short for the next block",
            ));
        }
        Ok(())
    }

    fn prepare_next(&mut self) {
        let segment = self.cursor.place.segment + 1;
        if !self.prepare_ahead || self.next_segment.is_some() {
            return;
        }
        let (disk, bytes) = (Arc::clone(&self.disk), self.segment_bytes);
        // A segment may be there from before the last start; it is blank and as good.
        let make = move || match disk.open(&segment_name(segment)) {
            Ok(file) => Ok(file),
            Err(_) => prepare(&*disk, segment, bytes),
        };
        self.next_segment = thread::Builder::new().name("segment".to_owned()).spawn(make).ok();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The directory's lock must outlive everything that writes into it.
        if let Some(preparing) = self.next_segment.take() {
            let _ = preparing.join();
        }
    }
}

fn sectors_of(file: &Arc<dyn DiskFile>, name: &str) -> Result<u32, StoreError> {
    let length = file.length().map_err(StoreError::io("measure", name))?;
    u32::try_from(length / SECTOR_BYTES as u64)
        .map_err(|_| StoreError::damaged(name, 0, "it is longer than any segment we make"))
}

/// Reads single entries of a journal.
pub(crate) struct JournalReader {
    disk: Arc<dyn Disk>,
    marks: Arc<RwLock<Marks>>,
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
