//! The file: records in blocks, one block for each write, synced before the next one begins.
//!
//! ```text
//! byte  0  mark      "ajf1"
//! byte  4  length    of the payload, u32
//! byte  8  number    of the block in its file, from 0, u64
//! byte 16  checksum  CRC-32C of number and payload, begun with the file's salt (0 for the first block), u32
//! byte 20  payload
//! ```
//!
//! All little-endian. The first block says in JSON whose journal it is, and the salt; the others hold [records](super::record). The
//! salt keeps what somebody wrote into a message from passing for a block.
//!
//! A crash in the middle of a write leaves a last block that is not whole. Nobody was told anything that rests on it, so it is cut
//! off. A block that is not whole and has a whole one after it was synced once: that file is damaged, and refused.
//!
//! A start, and a file that has grown too large, write what the records amount to into a new file and put it in the place of the
//! old one in one step.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::book::Book;
use super::record::Record;
use crate::limits::{JOURNAL_BLOCK_BYTES, JOURNAL_BYTES_MIN};

const MARK: [u8; 4] = *b"ajf1";
const HEAD: usize = 20;

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
    #[error("failed to use the journal {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is of another member, another list of members, or another order.
    #[error(
        "the journal {path} is that of {found}, and this is {wanted}; hint: start with the --id, --group and --order it was made with, or remove the directory to begin anew"
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
            Ok(bytes) => read(&path, bytes.into(), &owner)?,
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
        let block = block(self.salt, self.number, &payload);
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
        let block = block(salt, number, payload);
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

fn block(salt: u32, number: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("what waits for the disk is bounded");
    let mut block = Vec::with_capacity(HEAD + payload.len());
    block.extend_from_slice(&MARK);
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&number.to_le_bytes());
    block.extend_from_slice(&checksum(salt, number, payload).to_le_bytes());
    block.extend_from_slice(payload);
    block
}

fn checksum(salt: u32, number: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(salt, &number.to_le_bytes()), payload)
}

/// The number and the payload of a whole block at the front of `bytes`.
fn whole(salt: u32, bytes: &Bytes) -> Option<(u64, Bytes)> {
    let head = bytes.get(..HEAD)?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let number = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
    let end = HEAD.checked_add(usize::try_from(word(4)).ok()?)?;
    let payload = bytes.get(HEAD..end)?;
    (head[..4] == MARK && checksum(salt, number, payload) == word(16))
        .then(|| (number, bytes.slice(HEAD..end)))
}

/// What a file's records amount to, and where its last block is not whole.
fn read(path: &Path, bytes: Bytes, owner: &Owner) -> Result<(Book, Option<usize>), JournalError> {
    let damaged = |at| JournalError::Damaged {
        path: path.to_owned(),
        at,
    };
    // A file is put in its place whole: its beginning is there.
    let (_, payload) = whole(0, &bytes).ok_or_else(|| damaged(0))?;
    let head: Head = serde_json::from_slice(&payload).map_err(|_| damaged(0))?;
    if head.owner != *owner {
        return Err(JournalError::Another {
            path: path.to_owned(),
            found: head.owner.to_string(),
            wanted: owner.to_string(),
        });
    }
    let mut book = Book::default();
    let mut at = HEAD + payload.len();
    let mut expected = 1;
    while at < bytes.len() {
        let Some((number, mut payload)) = whole(head.salt, &bytes.slice(at..)) else {
            let later = memchr::memmem::find_iter(&bytes[at + 1..], &MARK)
                .any(|found| whole(head.salt, &bytes.slice(at + 1 + found..)).is_some());
            return if later {
                Err(damaged(at))
            } else {
                Ok((book, Some(at)))
            };
        };
        if number != expected {
            return Err(damaged(at));
        }
        expected += 1;
        at += HEAD + payload.len();
        while !payload.is_empty() {
            book.apply(Record::read(&mut payload).map_err(|_| damaged(at))?);
        }
    }
    Ok((book, None))
}

#[cfg(test)]
mod tests {
    use super::super::record::samples;
    use super::*;

    fn owner() -> Owner {
        Owner {
            member: "P1".to_owned(),
            group: "00ff".to_owned(),
            order: "causal".to_owned(),
        }
    }

    fn open(directory: &Path) -> (Journal, Option<usize>) {
        Journal::open(directory, owner()).unwrap()
    }

    /// A journal with every sample record in a block of its own, and what it amounts to after each.
    fn written(directory: &Path) -> Vec<(usize, Book)> {
        let (mut journal, _) = open(directory);
        let mut books = vec![(journal.bytes, journal.book().clone())];
        for record in samples() {
            journal.append(vec![record]).unwrap();
            books.push((journal.bytes, journal.book().clone()));
        }
        books
    }

    #[test]
    fn a_file_cut_anywhere_amounts_to_all_whole_blocks_before() {
        let directory = tempfile::tempdir().unwrap();
        let books = written(directory.path());
        let path = directory.path().join("journal");
        let bytes = std::fs::read(&path).unwrap();
        let (begun, end) = (books[0].0, books.last().unwrap().0);
        assert_eq!(bytes.len(), end);
        for length in begun..=end {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (journal, torn) = open(directory.path());
            let (whole, book) = books.iter().rfind(|(at, _)| *at <= length).unwrap();
            assert_eq!(journal.book(), book, "cut to {length}");
            assert_eq!(torn, (*whole < length).then_some(*whole), "cut to {length}");
        }
    }

    #[test]
    fn a_last_block_of_which_any_part_was_not_written_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let books = written(directory.path());
        let path = directory.path().join("journal");
        let bytes = std::fs::read(&path).unwrap();
        let (last, book) = &books[books.len() - 2];
        for at in *last..bytes.len() {
            let mut torn = bytes.clone();
            // A block that never reached the disk reads as zeros.
            torn[at..].iter_mut().take(8).for_each(|byte| *byte = 0);
            if torn == bytes {
                continue;
            }
            std::fs::write(&path, &torn).unwrap();
            let (journal, place) = open(directory.path());
            assert_eq!((journal.book(), place), (book, Some(*last)), "zeros from {at}");
        }
    }

    #[test]
    fn a_byte_changed_before_the_last_block_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let books = written(directory.path());
        let path = directory.path().join("journal");
        let bytes = std::fs::read(&path).unwrap();
        let last = books[books.len() - 2].0;
        for at in 0..last {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            std::fs::write(&path, &changed).unwrap();
            let opened = Journal::open(directory.path(), owner());
            assert!(
                matches!(
                    opened,
                    Err(JournalError::Damaged { .. } | JournalError::Another { .. })
                ),
                "byte {at}: {opened:?}"
            );
        }
    }

    #[test]
    fn a_journal_belongs_to_one_member_of_one_group_in_one_order() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path());
        let other = Owner {
            order: "total".to_owned(),
            ..owner()
        };
        let opened = Journal::open(directory.path(), other);
        assert!(matches!(opened, Err(JournalError::Another { .. })), "{opened:?}");
    }

    #[test]
    fn a_file_that_has_grown_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(directory.path());
        let big = |number: u64| {
            let mut records = samples();
            records.push(Record::Taken(number));
            records
        };
        let mut grown = 0;
        for number in 0.. {
            let before = journal.bytes;
            let many = (0..10_000).flat_map(|_| big(2 * number)).collect();
            journal.append(many).unwrap();
            grown += usize::from(journal.bytes < before);
            if grown == 2 {
                break;
            }
        }
        let book = journal.book().clone();
        drop(journal);
        assert_eq!(open(directory.path()).0.book(), &book);
    }
}
