//! The store in a directory of files: opening it, and keeping snapshots of it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::disk::{Directory, Disk};
use super::journal::Journal;
use super::place::{Cursor, Marks};
use super::presence::{begin, is_begun, remove_unfinished, require};
use super::scan::{End, Visit, scan};
use super::sector::SECTOR_BYTES;
use super::segment::segment_name;
use super::snapshot::{self, Snapshot};
use super::stamps::Stamps;
use super::{Batch, ReadEntries, Store, StoreError};
use crate::ledger::Ledger;
use crate::limits;

/// How a store lays out its files.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Bytes of a journal segment, at least [`SEGMENT_BYTES_MIN`](limits::SEGMENT_BYTES_MIN).
    pub segment_bytes: u64,
    /// Entries after which a snapshot is made while the bank runs.
    pub snapshot_entries: u64,
    /// Whether the next segment and snapshots are made by threads beside the one that appends.
    pub threads: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES_DEFAULT,
            snapshot_entries: limits::SNAPSHOT_ENTRIES_DEFAULT,
            threads: true,
        }
    }
}

/// A store in a directory of files. One process at a time has it open.
pub struct FileStore {
    // Dropped before `disk`, whose lock must outlive every write.
    journal: Journal,
    stamps: Stamps,
    disk: Arc<dyn Disk>,
    settings: StoreSettings,
    /// The entry that the newest snapshot ends with.
    snapshot_entry: u64,
    snapshotting: Option<JoinHandle<Result<(), StoreError>>>,
}

impl FileStore {
    /// Opens the store in `directory`, making an empty one if there is none, and returns the ledger it holds.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: in use by another process, damaged (with the place), or refused by the system. Nothing was
    /// changed then that a later start needs.
    pub fn open(directory: &Path, settings: StoreSettings) -> Result<(Self, Ledger), StoreError> {
        let disk = Directory::claim(directory)?;
        let segment_bytes = settings.segment_bytes.max(limits::SEGMENT_BYTES_MIN);
        Self::open_on(
            Arc::new(disk),
            StoreSettings {
                segment_bytes,
                ..settings
            },
        )
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        settings: StoreSettings,
    ) -> Result<(Self, Ledger), StoreError> {
        let names = disk
            .list()
            .map_err(StoreError::io("list", "the data directory"))?;
        let stamps = if is_begun(&names)? {
            let stamps = Stamps::open(&*disk, &names)?;
            remove_unfinished(&*disk, &names)?;
            stamps
        } else {
            begin(&*disk, settings.segment_bytes)?
        };
        let Snapshot {
            cursor,
            mut ledger,
            mut marks,
        } = latest_snapshot(&*disk)?;
        let snapshot_entry = cursor.last_entry;
        let end = scan(&*disk, cursor, None, &mut marks, &mut |entry| {
            ledger.apply(&entry).map_err(|error| error.to_string())
        })?;
        assert_eq!(ledger.sum(), 0, "every entry was checked to conserve money");
        mend(&*disk, &end)?;
        if let Some((from, _)) = end.torn {
            tracing::warn!(
                segment = from.segment,
                sector = from.sector,
                "dropped an unfinished block nobody was promised"
            );
        }
        let journal = Journal::resume(
            Arc::clone(&disk),
            end.cursor,
            marks,
            settings.segment_bytes,
            settings.threads,
        )?;
        let mut store = Self {
            journal,
            stamps,
            disk,
            settings,
            snapshot_entry,
            snapshotting: None,
        };
        if store.snapshot_is_due() {
            store.save(&ledger)?;
        }
        Ok((store, ledger))
    }

    fn snapshot_is_due(&self) -> bool {
        self.unsaved() >= self.settings.snapshot_entries
    }

    /// Makes a snapshot in the background: from the one before and the journal since, so that neither the ledger
    /// nor anybody who uses it is held up.
    fn snapshot_if_due(&mut self) -> Result<(), StoreError> {
        if !self.settings.threads || !self.snapshot_is_due() {
            return Ok(());
        }
        if let Some(running) = self.snapshotting.take_if(|running| running.is_finished()) {
            running.join().expect("making a snapshot does not panic")?;
        }
        if self.snapshotting.is_none() {
            let (disk, until) = (Arc::clone(&self.disk), *self.journal.cursor());
            let make = move || fold(&*disk, &until);
            // Without a thread to be had the snapshot waits for the next batch.
            if let Ok(running) = thread::Builder::new().name("snapshot".to_owned()).spawn(make) {
                self.snapshotting = Some(running);
                self.snapshot_entry = until.last_entry;
            }
        }
        Ok(())
    }
}

impl Store for FileStore {
    fn append(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        self.journal.append(batch)?;
        if let Err(error) = self.snapshot_if_due() {
            // The journal has everything; only the next start takes longer.
            tracing::warn!(%error, "no snapshot could be made");
        }
        Ok(())
    }

    fn entries(&self) -> Arc<dyn ReadEntries> {
        Arc::new(self.journal.reader())
    }

    fn save(&mut self, ledger: &Ledger) -> Result<(), StoreError> {
        if let Some(running) = self.snapshotting.take() {
            running.join().expect("making a snapshot does not panic")?;
        }
        snapshot::write(&*self.disk, ledger, self.journal.cursor(), &self.journal.marks())?;
        self.snapshot_entry = ledger.last_entry();
        Ok(())
    }

    fn unsaved(&self) -> u64 {
        self.journal.cursor().last_entry - self.snapshot_entry
    }

    fn entry_chain(&self) -> u32 {
        self.journal.cursor().entry_chain
    }

    fn stamps(&self) -> u64 {
        self.stamps.mark()
    }

    fn reserve_stamps(&mut self, through: u64) -> Result<(), StoreError> {
        self.stamps.move_to(through)
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("settings", &self.settings)
            .field("snapshot_entry", &self.snapshot_entry)
            .finish_non_exhaustive()
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        if let Some(running) = self.snapshotting.take() {
            let _ = running.join();
        }
    }
}

/// Shows every entry of the journal in `directory` from the first on, whatever snapshots say, and returns the ledger
/// that a start would find. Changes nothing.
///
/// # Errors
///
/// [`StoreError`], as [`FileStore::open`].
pub(crate) fn examine(directory: &Path, visit: Visit<'_>) -> Result<Ledger, StoreError> {
    require(directory)?;
    let disk = Directory::claim(directory)?;
    let names = disk
        .list()
        .map_err(StoreError::io("list", "the data directory"))?;
    Stamps::open(&disk, &names)?;
    let whole = scan(&disk, Cursor::START, None, &mut Marks::default(), visit)?;
    let Snapshot {
        cursor,
        mut ledger,
        mut marks,
    } = latest_snapshot(&disk)?;
    let end = scan(&disk, cursor, None, &mut marks, &mut |entry| {
        ledger.apply(&entry).map_err(|error| error.to_string())
    })?;
    if end.cursor != whole.cursor {
        return Err(StoreError::damaged(
            "snapshot",
            0,
            "the newest snapshot is not of this journal",
        ));
    }
    Ok(ledger)
}

/// The newest snapshot that reads back, or the beginning of the journal.
fn latest_snapshot(disk: &dyn Disk) -> Result<Snapshot, StoreError> {
    for name in snapshot::names(disk)? {
        match snapshot::read(disk, &name) {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => {
                tracing::warn!(%error, "passed over a snapshot; the journal has everything it held")
            }
        }
    }
    Ok(Snapshot {
        cursor: Cursor::START,
        ledger: Ledger::new(),
        marks: Marks::default(),
    })
}

/// Makes a snapshot of the ledger after the block that `until` ends with.
fn fold(disk: &dyn Disk, until: &Cursor) -> Result<(), StoreError> {
    let Snapshot {
        cursor,
        mut ledger,
        mut marks,
    } = latest_snapshot(disk)?;
    let end = scan(disk, cursor, Some(until.block), &mut marks, &mut |entry| {
        ledger.apply(&entry).map_err(|error| error.to_string())
    })?;
    assert_eq!(end.cursor, *until, "the journal reads back as it was written");
    snapshot::write(disk, &ledger, until, &marks)
}

/// Makes durable what the scan found, and blank what nobody was promised, before anything is built upon it.
fn mend(disk: &dyn Disk, end: &End) -> Result<(), StoreError> {
    if let Some((place, sectors)) = &end.last_block {
        let name = segment_name(place.segment);
        let file = disk.open(&name).map_err(StoreError::io("open", &name))?;
        let offset = u64::from(place.sector) * SECTOR_BYTES as u64;
        file.write_at(offset, sectors)
            .map_err(StoreError::io("write", &name))?;
        file.sync().map_err(StoreError::io("sync", &name))?;
    }
    if let Some((from, to)) = end.torn {
        let name = segment_name(from.segment);
        let file = disk.open(&name).map_err(StoreError::io("open", &name))?;
        let blank = vec![0; (to.sector - from.sector + 1) as usize * SECTOR_BYTES];
        let offset = u64::from(from.sector) * SECTOR_BYTES as u64;
        file.write_at(offset, &blank)
            .map_err(StoreError::io("write", &name))?;
        file.sync().map_err(StoreError::io("sync", &name))?;
    }
    Ok(())
}
