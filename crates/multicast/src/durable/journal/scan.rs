//! What is in a file that a life left behind, however it ended.
//!
//! A crash in the middle of a write leaves a last block that is not whole. Nobody was told anything that rests on it, so it is cut
//! off. A block that is not whole and has a whole one after it was synced once: that file is damaged, and refused.

use std::path::Path;

use bytes::Bytes;

use super::{Head, JournalError, Owner, block};
use crate::durable::book::Book;
use crate::durable::record::Record;

/// What a file's records amount to, and where its last block is not whole.
pub(super) fn read(path: &Path, bytes: Bytes, owner: &Owner) -> Result<(Book, Option<usize>), JournalError> {
    let damaged = |at| JournalError::Damaged {
        path: path.to_owned(),
        at,
    };
    // A file is put in its place whole: its beginning is there.
    let (_, payload) = block::whole(0, &bytes).ok_or_else(|| damaged(0))?;
    let head: Head = serde_json::from_slice(&payload).map_err(|_| damaged(0))?;
    if head.owner != *owner {
        return Err(JournalError::Another {
            path: path.to_owned(),
            found: head.owner.to_string(),
            wanted: owner.to_string(),
        });
    }
    let mut book = Book::default();
    let mut at = block::HEAD + payload.len();
    let mut expected = 1;
    while at < bytes.len() {
        let Some((number, mut payload)) = block::whole(head.salt, &bytes.slice(at..)) else {
            let later = memchr::memmem::find_iter(&bytes[at + 1..], &block::MARK)
                .any(|found| block::whole(head.salt, &bytes.slice(at + 1 + found..)).is_some());
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
        at += block::HEAD + payload.len();
        while !payload.is_empty() {
            book.apply(Record::read(&mut payload).map_err(|_| damaged(at))?);
        }
    }
    Ok((book, None))
}
