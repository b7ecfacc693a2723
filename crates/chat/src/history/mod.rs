//! What was said, kept.
//!
//! The hub appends what it broadcasts and goes on; a thread of its own stores it behind the hub's back, many events at
//! a time. What this module promises:
//!
//! - **Appending never waits.** What is not stored yet is bounded in bytes: above a soft mark [`History::ready`] holds
//!   those back who are willing to wait, above a hard one the oldest events are given up and counted.
//! - **Numbers never repeat.** A room's `seq` and the Lamport clock are used only as far as they are reserved on the
//!   disk, synced. They are reserved ahead, so that nobody waits in the normal case; after a crash a room's numbers go
//!   on behind the reservation, after a clean end exactly where they were.
//! - **A crash costs at most the flush interval.** An event older than [`Settings::flush_interval`] is stored, as long
//!   as the disk takes what it is given in half that time.
//! - **A failed disk does not stop the chat.** It is logged once with a hint, [`History::page`] and
//!   [`History::register`] say so, numbers are granted on credit, and what waits is stored when the disk works again.
//! - **A room does not fill the disk.** Each room keeps [`Settings::events_max`] events; older blocks are deleted and their
//!   space is used again. How many rooms there are is the caller's to bound: of one that it [forgets](History::forget)
//!   nothing stays, and one number stays of all of them, the highest any of them used. Whoever opens a room that is not
//!   known behind that number gives none twice.
//!
//! Measured on the 4-core virtual machine (release, `--example history_load`, 150-byte events in four rooms, chunks of
//! 64): 1,000,000 events/s are followed without holding anybody back, for 0.08 of a core where they are appended and
//! 0.36 of one in the writer, half of it in the kernel; flat out 1.8 million/s, limited by the disk; 20,000/s cost 0.01
//! of a core. The file stays at 70 MB meanwhile.
//!
//! Order is the caller's: the events of a room must be appended in the order of their numbers, and before a
//! [`History::replay`] that asks for them. The hub's lock gives both.

mod block;
mod database;
mod directory;
mod error;
mod handle;
mod lease;
mod limits;
mod queue;
mod reader;
mod replay;
mod reservations;
mod writer;

use std::{sync::Arc, time::Duration};

pub use self::{
    error::{CloseError, OpenError, ReadError, RegisterError},
    handle::History,
    limits::{FLUSH_INTERVAL_DEFAULT, HISTORY_EVENTS_MAX_DEFAULT, ROOM_BYTES_MAX},
    reader::{Page, Piece, Window},
    replay::Replay,
};

/// How a history is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How old an event may become before it is stored: what a `kill -9` can cost.
    pub flush_interval: Duration,
    /// Events a room keeps; at least 1. As pruning removes whole blocks, up to a sixteenth more may be there.
    pub events_max: u64,
    /// Bytes the file may have, if it is to be bounded. Reaching the bound is like a full disk.
    pub file_bytes_max: Option<u64>,
}

/// What was found in a data directory.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The Lamport clock starts here: every time that may have been sent is at most this.
    pub clock: u64,
    /// Every room that was not forgotten, oldest first.
    pub rooms: Vec<RestoredRoom>,
    /// No room that was forgotten used a higher number.
    pub forgotten_through: u64,
    /// The names that a password protects.
    pub names: Vec<Registration>,
}

/// A room as the history remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredRoom {
    /// Its name, as it was given to [`History::append`] or [`History::reserve_seqs`].
    pub name: Arc<str>,
    /// The next number. Larger than `stored_through + 1` only after a crash.
    pub next_seq: u64,
    /// The newest number stored, 0 if there is none.
    pub stored_through: u64,
    /// How many events are stored.
    pub events: u64,
}

/// A name that a password protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The folded name: what makes two names the same.
    pub key: Box<str>,
    /// The name as it is shown.
    pub shown: Box<str>,
    /// The password's hash in the PHC string format.
    pub password: Box<str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flush_interval: FLUSH_INTERVAL_DEFAULT,
            events_max: HISTORY_EVENTS_MAX_DEFAULT,
            file_bytes_max: None,
        }
    }
}
