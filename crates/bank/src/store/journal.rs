//! Appending blocks to segments.

use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use super::disk::{Disk, DiskFile};
use super::place::{Cursor, Mark, Marks, Place};
use super::reader::JournalReader;
use super::sector::{BlockHead, SECTOR_BYTES, sectors_for, write_block};
use super::segment::{prepare, sectors_of, segment_name};
use super::{Batch, StoreError};

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
