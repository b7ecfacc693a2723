//! The file: records in [blocks](block), one block for each write, synced before the next one begins.
//!
//! The first block says in JSON whose journal it is, and the salt; the others hold [records](super::record).
//!
//! A start, and a file that has grown too large, write what the records amount to into a new file and put it in the place of the
//! old one in one step. What is there to be read after a crash is for [`scan`] to say.

mod block;
mod scan;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::record::Record;
use crate::limits::{JOURNAL_BLOCK_BYTES, JOURNAL_BYTES_MIN};

/// Whose journal it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) member: String,
    /// The fingerprint of the group's list of members.
    pub(crate) group: String,
    pub(crate) order: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    multicast_journal: u32,
    #[serde(flatten)]
    owner: Owner,
    salt: u32,
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refuses.
    #[error(
        "failed to use the journal {path}: {error}; hint: see to it that there is room on the disk and that this user may write there, then start the member again"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is of another member, another list of members, or another order.
    #[error(
        "the journal {path} is that of {found}, and this is {wanted}; hint: start with the identity, group and order it was made with, or remove the directory to begin anew"
    )]
    Another {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// Bytes that were synced once are not as they were written.
    #[error(
        "the journal {path} is damaged at byte {at}; hint: remove the directory: then the member begins anew, where the others last knew it; a copy would be older than what they know"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: usize,
    },
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} in order {} of group {}",
            self.member, self.order, self.group
        )
    }
}

/// An open journal, and what its records amount to.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    owner: Owner,
    salt: u32,
    number: u64,
    bytes: usize,
    /// How long the file was when it was begun.
    bytes_begun: usize,
    book: Book,
}

impl Journal {
    /// Opens the journal in `directory`, or begins one. Says where a write had been cut short, if it had.
    pub(crate) fn open(directory: &Path, owner: Owner) -> Result<(Self, Option<usize>), JournalError> {
        let path = directory.join("journal");
        let failed = |error| JournalError::Io {
            path: path.clone(),
            error,
        };
        let (book, torn) = match std::fs::read(&path) {
            Ok(bytes) => scan::read(&path, bytes.into(), &owner)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Book::default(), None),
            Err(error) => return Err(failed(error)),
        };
        let (file, salt, number, bytes) = begin(&path, &owner, &book).map_err(failed)?;
        let journal = Self {
            path,
            file,
            owner,
            salt,
            number,
            bytes,
            bytes_begun: bytes,
            book,
        };
        Ok((journal, torn))
    }

    /// What the records amount to.
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// Writes the records, in one piece and synced: after a crash all of them are there, or none.
    ///
    /// After an error nothing may be written any more: the system may have dropped what it could not sync.
    pub(crate) fn append(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        let mut payload = Vec::new();
        records.iter().for_each(|record| record.write(&mut payload));
        let block = block::encode(self.salt, self.number, &payload);
        let written = self.file.write_all(&block).and_then(|()| self.file.sync_data());
        written.map_err(|error| self.failed(error))?;
        self.number += 1;
        self.bytes += block.len();
        records.into_iter().for_each(|record| self.book.apply(record));
        if self.bytes > JOURNAL_BYTES_MIN.max(2 * self.bytes_begun) {
            let begun = begin(&self.path, &self.owner, &self.book).map_err(|error| self.failed(error))?;
            (self.file, self.salt, self.number, self.bytes) = begun;
            self.bytes_begun = self.bytes;
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            error,
        }
    }
}

/// Puts a new file with what `book` says in the place of `path`: the file, its salt, the next block's number, its length.
fn begin(path: &Path, owner: &Owner, book: &Book) -> io::Result<(File, u32, u64, usize)> {
    let salt = getrandom::u32().map_err(|error| io::Error::other(error.to_string()))?;
    let head = Head {
        multicast_journal: 1,
        owner: owner.clone(),
        salt,
    };
    let mut number = 0;
    let mut bytes = 0;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&new)?;
    let mut write = |salt, payload: &[u8]| {
        let block = block::encode(salt, number, payload);
        number += 1;
        bytes += block.len();
        file.write_all(&block)
    };
    write(0, &serde_json::to_vec(&head)?)?;
    let mut payload = Vec::new();
    for record in book.records() {
        record.write(&mut payload);
        if payload.len() > JOURNAL_BLOCK_BYTES {
            write(salt, &payload)?;
            payload.clear();
        }
    }
    write(salt, &payload)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let directory = path.parent().expect("the file lies in the data directory");
    File::open(directory)?.sync_all()?;
    Ok((file, salt, number, bytes))
}

#[cfg(test)]
mod tests;
