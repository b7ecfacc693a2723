//! The few things the store asks of a disk, behind a trait, so that tests can cut the power after any of them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::net::{Claim, ClaimError};

use super::StoreError;

/// A directory of files.
pub(crate) trait Disk: Send + Sync {
    /// The names of the files, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes an empty file; one of that name is emptied.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, taking the place of a file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes what [`create`](Self::create), [`rename`](Self::rename) and [`remove`](Self::remove) did durable.
    fn sync_names(&self) -> io::Result<()>;
}

/// A file. Writes are durable once [`sync`](Self::sync) has returned, not before.
pub(crate) trait DiskFile: Send + Sync {
    /// Bytes in the file.
    fn length(&self) -> io::Result<u64>;
    /// Fills `bytes` from `offset` on; reaching the end of the file before is an error.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written durable. After an error nothing may be assumed about what was written since the
    /// last success, and another call must not be believed (Rebello et al., *Can Applications Recover from fsync
    /// Failures?*, ATC 2020).
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the file system, claimed for this process.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _claim: Claim,
}

impl Directory {
    /// Opens the directory, making it if it is not there, and claims it for this process.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`], or what the system says.
    pub(crate) fn claim(path: &Path) -> Result<Self, StoreError> {
        let claim = Claim::take(path).map_err(|error| match error {
            ClaimError::InUse(in_use) => StoreError::InUse(in_use),
            ClaimError::Io(error) => {
                StoreError::io("use", &format!("the data directory {}", path.display()))(error)
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            _claim: claim,
        })
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let names =
            fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names
            .filter(|name| !matches!(name, Ok(name) if name == Claim::FILE))
            .collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(self.path.join(name))?;
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(self.path.join(name))?,
        ))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
