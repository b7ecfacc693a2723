//! What is written: one record for each thing that a next life must know, in bytes and back.
//!
//! Numbers are LEB128, seven bits a byte, the lowest first; a text is its length and its bytes; a list its length and its
//! elements. A record begins with a byte that says of which kind it is.

mod read;
#[cfg(test)]
mod samples;
mod write;

use crate::core::Saved;
use crate::core::frame::{Message, StreamId};

#[cfg(test)]
pub(super) use samples::samples;

/// One thing that a next life must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A message was received, or sent, at this Lamport time.
    Kept { message: Message, time: u64 },
    /// The application is told this next.
    Told(Entry),
    /// The application took everything up to this number.
    Taken(u64),
    /// So many entries lie before those that follow.
    Before(u64),
    /// Where the core stands.
    Marks(Marks),
}

/// What the application is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Delivered {
        message: Message,
        /// The Lamport time of the delivery.
        time: u64,
        later: bool,
        /// The wall clock, in milliseconds.
        at: u64,
    },
    Missed {
        stream: StreamId,
        from: u64,
        to: u64,
    },
}

/// Where the core stands, but for the messages it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) clock: u64,
    pub(crate) outline: Saved,
}

impl Record {
    /// Bytes of payload in it.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Kept { message, .. } | Self::Told(Entry::Delivered { message, .. }) => message.data.len(),
            _ => 0,
        }
    }
}

impl Entry {
    /// What it takes to keep it, roughly.
    pub(crate) fn bytes(&self) -> usize {
        const BESIDES_DATA: usize = 100;
        match self {
            Self::Delivered { message, .. } => BESIDES_DATA + message.data.len(),
            Self::Missed { .. } => BESIDES_DATA,
        }
    }
}

/// The byte that a record begins with.
mod kind {
    pub(super) const KEPT: u8 = 1;
    pub(super) const DELIVERED: u8 = 2;
    pub(super) const MISSED: u8 = 3;
    pub(super) const TAKEN: u8 = 4;
    pub(super) const BEFORE: u8 = 5;
    pub(super) const MARKS: u8 = 6;
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use read::NoRecord;

    #[test]
    fn every_record_comes_back() {
        let mut bytes = Vec::new();
        let records = samples();
        records.iter().for_each(|record| record.write(&mut bytes));
        let mut bytes = Bytes::from(bytes);
        for record in records {
            assert_eq!(Record::read(&mut bytes), Ok(record));
        }
        assert!(bytes.is_empty());
    }

    #[test]
    fn bytes_cut_anywhere_are_no_record() {
        for record in samples() {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            for length in 0..bytes.len() {
                let mut cut = Bytes::copy_from_slice(&bytes[..length]);
                assert_eq!(
                    Record::read(&mut cut),
                    Err(NoRecord),
                    "{record:?} cut to {length}"
                );
            }
        }
    }
}
