//! What the records amount to: the state that a next life begins with, and what the application was told.

use std::collections::{BTreeMap, VecDeque};

use super::record::{Entry, Marks, Record};
use crate::core::frame::{Message, StreamId};
use crate::core::{Memory, Saved};
use crate::limits::{KEPT_BYTES_MAX, KEPT_MESSAGES_MAX};

/// The state of a member, as its records tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Book {
    marks: Option<Marks>,
    messages: BTreeMap<StreamId, BTreeMap<u64, (Message, u64)>>,
    /// What the application was told lately, and all that it is not known to have taken.
    entries: VecDeque<Entry>,
    entry_bytes: usize,
    /// The number of the last entry.
    last: u64,
    /// The last number that the application took.
    taken: u64,
}

impl Book {
    /// Takes the next record.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Kept { message, time } => {
                let stream = self.messages.entry(message.id.stream).or_default();
                stream.insert(message.id.sequence, (message, time));
            }
            Record::Told(entry) => {
                self.last += 1;
                self.entry_bytes += entry.bytes();
                self.entries.push_back(entry);
                self.forget();
            }
            Record::Taken(number) => {
                self.taken = self.taken.max(number.min(self.last));
                self.forget();
            }
            Record::Before(number) => self.last = number,
            Record::Marks(marks) => {
                self.messages.retain(|id, _| marks.stream(*id).is_some());
                for stream in &marks.outline.streams {
                    if let Some(messages) = self.messages.get_mut(&stream.id) {
                        while messages
                            .first_key_value()
                            .is_some_and(|(at, _)| *at < stream.base)
                        {
                            messages.pop_first();
                        }
                        let end = stream.last.unwrap_or(u64::MAX);
                        while messages.last_key_value().is_some_and(|(at, _)| *at > end) {
                            messages.pop_last();
                        }
                    }
                }
                self.marks = Some(marks);
            }
        }
    }

    /// Records that amount to the same.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut records = vec![Record::Before(self.last - self.entries.len() as u64)];
        records.extend(self.entries.iter().cloned().map(Record::Told));
        records.push(Record::Taken(self.taken));
        for (message, time) in self.messages.values().flat_map(BTreeMap::values) {
            let (message, time) = (message.clone(), *time);
            records.push(Record::Kept { message, time });
        }
        records.extend(self.marks.clone().map(Record::Marks));
        records
    }

    /// What the core of a new life begins with.
    pub(crate) fn memory(&self, incarnation: u64) -> Memory {
        let saved = self.marks.as_ref().map(|marks| {
            let mut saved = marks.outline.clone();
            for stream in &mut saved.streams {
                let messages = self.messages.get(&stream.id).into_iter();
                stream.messages = messages.flat_map(BTreeMap::values).cloned().collect();
            }
            saved
        });
        Memory {
            incarnation,
            clock: self.marks.as_ref().map_or(0, |marks| marks.clock),
            absent: 0,
            saved,
        }
    }

    /// When the application was last told a message: the wall clock, in milliseconds.
    pub(crate) fn told_last_at(&self) -> Option<u64> {
        self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Delivered { at, .. } => Some(*at),
            Entry::Missed { .. } => None,
        })
    }

    /// The number of the last entry told.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the last entry that the application took.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// What is still kept of what the application was told, with its numbers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let first = self.last + 1 - self.entries.len() as u64;
        (first..).zip(&self.entries)
    }

    /// Keeps the bounds; what the application has not taken is never forgotten.
    fn forget(&mut self) {
        while (self.entries.len() > KEPT_MESSAGES_MAX || self.entry_bytes > KEPT_BYTES_MAX)
            && self.last - (self.entries.len() as u64) < self.taken
            && let Some(entry) = self.entries.pop_front()
        {
            self.entry_bytes -= entry.bytes();
        }
    }
}

impl Marks {
    fn stream(&self, id: StreamId) -> Option<&crate::core::SavedStream> {
        self.outline.streams.iter().find(|stream| stream.id == id)
    }
}

/// An outline has no messages of its own.
pub(super) fn is_outline(saved: &Saved) -> bool {
    saved.streams.iter().all(|stream| stream.messages.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::record::samples;
    use super::*;

    fn fold(records: impl IntoIterator<Item = Record>) -> Book {
        let mut book = Book::default();
        records.into_iter().for_each(|record| book.apply(record));
        book
    }

    #[test]
    fn a_book_written_anew_is_the_same_book() {
        let book = fold(samples());
        assert_eq!(fold(book.records()), book);
        assert_eq!((book.last(), book.taken()), (2, 1));
        let memory = book.memory(7);
        assert_eq!((memory.incarnation, memory.clock), (7, 44));
        let saved = memory.saved.unwrap();
        let kept: Vec<u64> = saved.streams[0]
            .messages
            .iter()
            .map(|(m, _)| m.id.sequence)
            .collect();
        assert_eq!(kept, [2, 3], "what lies before the base is gone");
    }

    #[test]
    fn what_was_not_taken_is_never_forgotten() {
        let told: Vec<Record> = samples()
            .into_iter()
            .filter(|r| matches!(r, Record::Told(_)))
            .collect();
        let mut book = Book::default();
        for _ in 0..KEPT_MESSAGES_MAX {
            told.iter().cloned().for_each(|record| book.apply(record));
        }
        assert_eq!(book.entries().count(), 2 * KEPT_MESSAGES_MAX);
        book.apply(Record::Taken(KEPT_MESSAGES_MAX as u64 / 2));
        let first = book.entries().next().unwrap().0;
        assert_eq!(first, KEPT_MESSAGES_MAX as u64 / 2 + 1);
        book.apply(Record::Taken(book.last()));
        assert_eq!(book.entries().count(), KEPT_MESSAGES_MAX);
        assert_eq!(fold(book.records()), book);
    }
}
