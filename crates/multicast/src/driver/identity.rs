//! Which life of the member this is: a number in the data directory that grows at every start.
//!
//! The directory also keeps two processes from running as one member: it is locked as long as the peer lives.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system refuses.
    #[error(
        "failed to use the data directory {path}: {error}; hint: name one that this user may write to with --data, or keep nothing with --memory"
    )]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process has it.
    #[error(
        "another peer uses the data directory {0}; hint: end it, or give this one another --id or --data"
    )]
    InUse(PathBuf),
    /// The file is not one of ours.
    #[error("{0} holds no incarnation; hint: restore it, or remove the directory to begin anew")]
    Damaged(PathBuf),
}

/// A life of a member; holds the directory's lock.
#[derive(Debug)]
pub(crate) struct Incarnation {
    pub(crate) number: u64,
    _lock: Option<File>,
}

impl Incarnation {
    /// Begins a new life in `directory`, which is made if it is not there. Without a directory the number is the time in
    /// milliseconds, which grows unless the system's clock goes back.
    pub(crate) fn begin(directory: Option<&Path>) -> Result<Self, DataError> {
        let Some(directory) = directory else {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let number = since.map_or(1, |since| since.as_millis() as u64).max(1);
            return Ok(Self { number, _lock: None });
        };
        let failed = |error| DataError::Io {
            path: directory.to_owned(),
            error,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut lock = OpenOptions::new();
        lock.write(true).create(true).truncate(false);
        let lock = lock.open(directory.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(DataError::InUse(directory.to_owned())),
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let path = directory.join("incarnation");
        let former = match File::open(&path) {
            Ok(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(failed)?;
                text.trim()
                    .parse::<u64>()
                    .map_err(|_| DataError::Damaged(path.clone()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(failed(error)),
        };
        let number = former + 1;
        store(&path, number).map_err(failed)?;
        Ok(Self {
            number,
            _lock: Some(lock),
        })
    }
}

/// Replaces the file, durably: a crash leaves the old number or the new one.
fn store(path: &Path, number: u64) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    writeln!(file, "{number}")?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let directory = path.parent().expect("the file lies in the data directory");
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_life_has_a_larger_number_and_the_directory_for_itself() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("P1");
        let first = Incarnation::begin(Some(&at)).unwrap();
        assert_eq!(first.number, 1);
        assert!(matches!(Incarnation::begin(Some(&at)), Err(DataError::InUse(_))));
        drop(first);
        assert_eq!(Incarnation::begin(Some(&at)).unwrap().number, 2);
        std::fs::write(at.join("incarnation"), "x").unwrap();
        assert!(matches!(
            Incarnation::begin(Some(&at)),
            Err(DataError::Damaged(_))
        ));
    }
}
