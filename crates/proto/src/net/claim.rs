//! A data directory belongs to one process at a time: to the one that holds the lock of a file in it.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::private::make_private_directory;

/// The right to use a data directory, until dropped. The system ends it with the process, however that ends.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// Why a data directory was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process has it.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A data directory that another process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    directory: PathBuf,
    process: Option<u32>,
}

impl Claim {
    /// Name of the file in the directory whose lock is the claim. It holds the number of the process that took it last.
    pub const FILE: &str = "lock";

    /// Claims `directory`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn take(directory: &Path) -> Result<Self, ClaimError> {
        make_private_directory(directory)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(Self::FILE))?;
        match lock.try_lock() {
            Ok(()) => {
                // Who has it is a courtesy to whoever comes next: on a full disk it stays untold.
                let _ = tell(&mut lock);
                Ok(Self { _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(ClaimError::InUse(InUse {
                directory: directory.to_owned(),
                process: told(&mut lock),
            })),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

fn tell(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn told(lock: &mut File) -> Option<u32> {
    const DIGITS_MAX: u64 = 16;
    let mut process = String::new();
    lock.take(DIGITS_MAX).read_to_string(&mut process).ok()?;
    process.trim().parse().ok()
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = self.directory.display();
        match self.process {
            Some(process) => write!(f, "the data directory {directory} is in use by process {process}"),
            None => write!(f, "the data directory {directory} is in use by another process"),
        }?;
        f.write_str("; hint: end that process, or name another data directory")
    }
}

impl std::error::Error for InUse {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What whoever finds `directory` taken is told.
    fn refused(directory: &Path) -> String {
        match Claim::take(directory) {
            Err(ClaimError::InUse(in_use)) => in_use.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_process_has_a_directory_and_the_next_is_told_which() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("a/b");
        let first = Claim::take(&directory).unwrap();
        assert_eq!(
            refused(&directory),
            format!(
                "the data directory {} is in use by process {}; hint: end that process, or name another data directory",
                directory.display(),
                std::process::id()
            )
        );
        drop(first);
        drop(Claim::take(&directory).unwrap());
    }

    #[test]
    fn a_process_that_cannot_be_known_is_another_one() {
        let place = tempfile::tempdir().unwrap();
        let _first = Claim::take(place.path()).unwrap();
        for nonsense in ["", "P1\n", "12345678901234567890\n", "\u{1b}[2J"] {
            fs::write(place.path().join(Claim::FILE), nonsense).unwrap();
            assert!(
                refused(place.path()).contains("is in use by another process;"),
                "{nonsense:?}"
            );
        }
    }

    #[test]
    fn the_number_of_an_earlier_process_is_not_left_behind() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(Claim::FILE), "4294967295999\nmore\n").unwrap();
        let _claim = Claim::take(place.path()).unwrap();
        let told = fs::read_to_string(place.path().join(Claim::FILE)).unwrap();
        assert_eq!(told, format!("{}\n", std::process::id()));
    }
}
