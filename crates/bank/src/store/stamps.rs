//! How far Lamport times may be used: a mark on the disk that stands before every time that was ever sent.
//!
//! The journal holds the times at which changes were received, but a balance is told with a stamp of its own that no
//! entry holds. So times are reserved ahead: the mark is moved first, durably, and only times up to it are sent. A
//! start goes on behind the mark, and no stamp of a former life comes back. Nothing else tells where it stood: requests
//! that change nothing move the clock too, and the journal does not know of them.
//!
//! ```text
//! stamps   0  checksum   CRC-32C of the rest of the sector
//!          4  28 bytes of text
//!         32  the mark   u64, a Lamport time
//!         40  zeros, up to 512
//! ```
//!
//! The file is one sector, which the disk writes wholly or not at all, and is written over in its place.

use std::sync::Arc;

use super::StoreError;
use super::disk::{Disk, DiskFile};
use super::sector::SECTOR_BYTES;

/// The file's name.
pub(crate) const STAMPS_FILE: &str = "stamps";
const TEXT: &[u8; 28] = b"Antes bank stamps, format 1\n";

/// The mark. Moved by one process at a time.
pub(crate) struct Stamps {
    file: Arc<dyn DiskFile>,
    mark: u64,
}

impl Stamps {
    /// Reads the mark of a bank whose files have these names; 0 where nothing was ever reserved. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; `NoStamps` when the file is missing, `Damaged` when it is not as it was written.
    pub(crate) fn open(disk: &dyn Disk, names: &[String]) -> Result<Self, StoreError> {
        if !names.iter().any(|name| name == STAMPS_FILE) {
            return Err(StoreError::NoStamps);
        }
        let file = disk
            .open(STAMPS_FILE)
            .map_err(StoreError::io("open", STAMPS_FILE))?;
        let damaged = || StoreError::damaged(STAMPS_FILE, 0, "it is not as it was written");
        let length = file.length().map_err(StoreError::io("measure", STAMPS_FILE))?;
        if length != SECTOR_BYTES as u64 {
            return Err(damaged());
        }
        let mut sector = [0; SECTOR_BYTES];
        file.read_at(0, &mut sector)
            .map_err(StoreError::io("read", STAMPS_FILE))?;
        let mark = u64::from_le_bytes(sector[32..40].try_into().expect("eight bytes"));
        if sector != encode(mark) {
            return Err(damaged());
        }
        Ok(Self { file, mark })
    }

    /// Makes the file, in the place of one that is there; durable when this returns. A file that is not whole because this
    /// was cut off is [begun](super::presence) or [recovered](super::lost_stamps) again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub(crate) fn create(disk: &dyn Disk, mark: u64) -> Result<Self, StoreError> {
        let io = |what| StoreError::io(what, STAMPS_FILE);
        let file = disk.create(STAMPS_FILE).map_err(io("create"))?;
        let mut stamps = Self { file, mark };
        stamps.move_to(mark)?;
        disk.sync_names().map_err(io("sync the name of"))?;
        Ok(stamps)
    }

    /// The last time that may be sent.
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }

    /// Moves the mark; durable when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]. The disk then has the old mark or the new one, and nothing may be sent beyond the old.
    pub(crate) fn move_to(&mut self, mark: u64) -> Result<(), StoreError> {
        self.file
            .write_at(0, &encode(mark))
            .map_err(StoreError::io("write", STAMPS_FILE))?;
        self.file.sync().map_err(StoreError::io("sync", STAMPS_FILE))?;
        self.mark = mark;
        Ok(())
    }
}

fn encode(mark: u64) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    sector[4..32].copy_from_slice(TEXT);
    sector[32..40].copy_from_slice(&mark.to_le_bytes());
    let checksum = crc32c::crc32c(&sector[4..]);
    sector[..4].copy_from_slice(&checksum.to_le_bytes());
    sector
}
