//! Where entries become durable, and where a start finds them again.
//!
//! The bank's state lives in memory; the store keeps the journal it follows from. Everything above talks to the
//! [`Store`] trait; [`FileStore`] is the one we have: checksummed, preallocated files of our own.
//!
//! # Why our own files
//!
//! Measured on a 4-core virtual machine in November 2026 (fdatasync of 4 KiB: p50 105 µs), entries of 104 bytes, one
//! writer, entries/s at batches of 1 / 16 / 256 / 4096 (`cargo bench -p bank --bench engines` repeats it; fjall was
//! measured once beside it, with 112 bytes):
//!
//! | engine | 1 | 16 | 256 | 4096 |
//! | --- | --- | --- | --- | --- |
//! | SQLite, WAL, `synchronous=FULL`, a row per entry | 7,100 | 117,000 | 850,000 | 1,440,000 |
//! | SQLite, the same, a row per batch | 5,800 | 116,000 | 1,220,000 | 3,190,000 |
//! | fjall 3, `SyncData` | 8,700 | 86,000 | 298,000 | 716,000 |
//! | growing file, fdatasync | 5,700 | 74,000 | 950,000 | 4,800,000 |
//! | file zeroed beforehand, fdatasync, no checksums | 8,500 | 144,000 | 1,960,000 | 12,700,000 |
//! | this store | 9,300 | 143,000 | 1,440,000 | 3,690,000 |
//!
//! SQLite would be fast enough, and it is the most trusted engine there is. What decided is what happens to damage.
//! SQLite reads its WAL up to the first frame whose checksum fails and takes that for the end: of ten synced
//! transactions, one flipped bit in the fourth made seven disappear, and `integrity_check` said `ok` (SQLite 3.40).
//! For a bank that is a wrong balance. A journal must tell a torn tail, which nobody was promised, from damage to
//! what was acknowledged; with [sectors that are blank, whole or damaged](sector) it can. And the whole path down to
//! each write and sync lies in safe code behind the `Disk` trait, so that the tests cut the power after every single
//! one of them and flip every single bit; SQLite's own such tests cannot cover the code around it.
//!
//! # Files
//!
//! - `journal-0000000001`, …: segments, one after the other, never changed where they were written, never deleted: they
//!   are the statements, the audit and the memory of the idempotency keys.
//! - `snapshot-…`: the ledger after that entry, so that a start replays only what came later. Can be deleted.
//! - `stamps`: how far Lamport times are reserved, so that none comes back after a crash ([`stamps`]). A journal is never
//!   without it: it is there before the first segment ([`presence`]).
//! - `lock`: locked by the process that has the directory open.
//!
//! # What is believed of the disk
//!
//! A sync that returned success made everything written before it durable. A sector of 512 bytes is written wholly
//! or not at all, and writing one does not harm its neighbours. A failed write or sync poisons the store: nothing is
//! appended by this process any more. A start writes and syncs the last block once more before it builds upon it,
//! because what it read may be a page that the system failed to write and still shows.

pub(crate) mod disk;
mod files;
mod journal;
mod lost_stamps;
mod place;
mod presence;
mod reader;
mod scan;
mod sector;
mod segment;
#[cfg(test)]
mod sim;
mod snapshot;
mod stamps;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use files::examine;
pub use files::{FileStore, StoreSettings};
pub use lost_stamps::recover_stamps;
pub(crate) use presence::require;
use proto::net::InUse;
use stamps::STAMPS_FILE;

use crate::entry::Entry;
use crate::ledger::Ledger;

/// Where entries become durable.
pub trait Store: Send {
    /// Makes a batch of entries durable, the first following the last of the batch before.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. The batch may or may not be found at the next start; this store takes nothing any more.
    fn append(&mut self, batch: &Batch<'_>) -> Result<(), StoreError>;

    /// Reads entries that are durable.
    fn entries(&self) -> Arc<dyn ReadEntries>;

    /// Keeps `ledger`, which holds exactly what is durable, for a fast start.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the journal is not affected.
    fn save(&mut self, ledger: &Ledger) -> Result<(), StoreError>;

    /// How many entries a start would have to replay.
    fn unsaved(&self) -> u64;

    /// The checksum of the last entry, which the next one's begins with.
    fn entry_chain(&self) -> u32;

    /// The last Lamport time that may be sent, 0 if none was ever reserved.
    fn stamps(&self) -> u64;

    /// Reserves the Lamport times up to `through`; durable when this returns. A lower mark than before gives back
    /// what was not used.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing may be sent beyond the mark that stood before.
    fn reserve_stamps(&mut self, through: u64) -> Result<(), StoreError>;
}

/// Reads single entries, from any thread.
pub trait ReadEntries: Send + Sync {
    /// The entry with this number, which must be durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read.
    fn read(&self, number: u64) -> Result<Entry, StoreError>;
}

/// Entries that are made durable together.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The number of the first.
    pub first_number: u64,
    /// How many there are; at least one.
    pub count: u32,
    /// The entries, encoded one after the other.
    pub bytes: &'a [u8],
    /// The checksum of the last one.
    pub entry_chain: u32,
}

/// Why the store cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// There is nothing where a bank's data should be.
    #[error("there is no bank in {}; hint: name the data directory of a bank", .0.display())]
    NoBank(PathBuf),
    /// The system refused something.
    #[error("failed to {what} {file}: {reason}; hint: {}", hint_for(what, reason))]
    Io {
        /// What was tried: a verb.
        what: &'static str,
        /// On which file.
        file: String,
        /// What the system said.
        reason: io::Error,
    },
    /// What stands in a file was not written by us like this.
    #[error("{file} is damaged at byte {offset}: {what}; hint: {}", damaged_hint(file))]
    Damaged {
        /// Which file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The file that says which Lamport times were used is missing, and without it some would be used again.
    #[error(
        "{STAMPS_FILE} is missing beside the journal: nobody knows which Lamport times were used; hint: {STAMPS_HINT}"
    )]
    NoStamps,
    /// That file was to be recovered, and is whole.
    #[error(
        "{STAMPS_FILE} is there and whole, nothing is to be recovered; hint: if it is older than the journal beside it, remove it first"
    )]
    StampsKept,
    /// An earlier write or sync failed; nothing may be believed durable any more.
    #[error("the store failed before and takes nothing any more; hint: {FAILED_HINT}")]
    Poisoned,
    /// There is no entry with this number.
    #[error("there is no entry {0}; hint: {DAMAGED_HINT}")]
    NoEntry(u64),
}

impl StoreError {
    fn io(what: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |reason| Self::Io { what, file, reason }
    }

    fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            offset,
            what: what.into(),
        }
    }
}

const FAILED_HINT: &str = "free space or mend the disk, then start again: the journal is replayed";
const DAMAGED_HINT: &str =
    "nothing was changed; copy the directory away, mend the disk and restore the file from a copy";
const STAMPS_HINT: &str = "if the directory was copied, copy this file of it too; if it is lost, `bank recover-stamps` makes \
                           it anew, beyond every time that can have been used";

/// What a person can do about a file that is not as it was written.
fn damaged_hint(file: &str) -> &'static str {
    match file {
        // An older one would be believed, and times be used again.
        STAMPS_FILE => STAMPS_HINT,
        _ => DAMAGED_HINT,
    }
}

/// What a person can do when the system refused this to us.
fn hint_for(what: &str, reason: &io::Error) -> &'static str {
    match what {
        "use" => "name a data directory that this user may write to",
        _ if what == "open" || reason.kind() == io::ErrorKind::PermissionDenied => {
            "name the data directory of a bank, or mend its permissions"
        }
        _ => FAILED_HINT,
    }
}
