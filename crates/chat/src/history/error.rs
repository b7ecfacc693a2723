//! What can go wrong with the history, in words for the person who can mend it.

use std::{io, path::PathBuf};

use proto::net::InUse;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// It cannot be created, read or written.
    #[error(
        "failed to use the data directory {}: {source}; hint: give a data directory this user may write to, or store nothing", dir.display()
    )]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no room on the disk.
    #[error("no space left for the data directory {}; hint: free some space, or give a data directory on another disk", dir.display())]
    DiskFull {
        /// The directory.
        dir: PathBuf,
    },
    /// The file belongs to another program.
    #[error("{} is not a chat history; hint: give another data directory", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// A newer version of this program wrote the file.
    #[error(
        "{} has schema version {found}, this program knows up to {known}; hint: use the newer program that wrote it", file.display()
    )]
    TooNew {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The file is damaged or cannot be read as a database.
    #[error(
        "failed to read {}: {source}; hint: move the file away to start afresh, or let `sqlite3 chat.db .recover` save what it can", file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What the store said.
        source: rusqlite::Error,
    },
}

/// Why a piece of history cannot be had now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The disk does not give it.
    #[error("the history cannot be read: {0}")]
    Unavailable(String),
    /// Too many reads are waiting already.
    #[error("too many are reading the history; hint: try again in a moment")]
    Busy,
}

/// Why a name was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// It could not be made durable.
    #[error("the registration cannot be stored: {0}")]
    Unavailable(String),
    /// There are as many registered names as the server holds.
    #[error("no more names can be registered here")]
    Full,
}

/// Why a clean end was not clean: what was not stored is lost, as after a crash, and numbers will skip.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to store the last of the history: {0}; hint: free some space on the disk before you start again"
)]
pub struct CloseError(pub(super) String);
