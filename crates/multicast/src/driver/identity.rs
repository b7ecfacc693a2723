//! Which life of the member this is: a number that grows at every start.
//!
//! The others take what carries a number they know for what they know already, so no number may come twice, not even when the data
//! directory is lost, or put back from a copy that is older than the last start. So a life's number is the time of its start; the
//! directory keeps it, for the case that the clock went back.
//!
//! The directory also keeps two processes from running as one member: it is claimed as long as the peer lives.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lamport::TIME_MAX;
use proto::net::{Claim, ClaimError, InUse};

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system refuses.
    #[error(
        "failed to use the data directory {path}: {error}; hint: name one that this user may write to, or keep nothing"
    )]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process has it.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// The file is not one of ours.
    #[error(
        "{0} holds no incarnation; hint: remove the directory: then the member begins anew, where the others last knew it"
    )]
    Damaged(PathBuf),
}

/// A life of a member; holds the claim to its directory.
#[derive(Debug)]
pub(crate) struct Incarnation {
    pub(crate) number: u64,
    _claim: Option<Claim>,
}

impl Incarnation {
    /// Begins a new life in `directory`, which is made if it is not there. Its number is the time in milliseconds, or one more than
    /// that of the former life if the directory knows it and the clock is not past it.
    pub(crate) fn begin(directory: Option<&Path>) -> Result<Self, DataError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = since.map_or(0, |since| since.as_millis() as u64);
        let Some(directory) = directory else {
            let number = time.max(1);
            return Ok(Self { number, _claim: None });
        };
        let failed = |error| DataError::Io {
            path: directory.to_owned(),
            error,
        };
        let claim = Claim::take(directory).map_err(|error| match error {
            ClaimError::InUse(in_use) => in_use.into(),
            ClaimError::Io(error) => failed(error),
        })?;
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
        // One that has no successor was never written.
        let next = former
            .checked_add(1)
            .filter(|next| *next <= TIME_MAX)
            .ok_or_else(|| DataError::Damaged(path.clone()))?;
        let number = next.max(time);
        store(&path, number).map_err(failed)?;
        Ok(Self {
            number,
            _claim: Some(claim),
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
        assert!(matches!(Incarnation::begin(Some(&at)), Err(DataError::InUse(_))));
        let former = first.number;
        drop(first);
        let second = Incarnation::begin(Some(&at)).unwrap().number;
        assert!(second > former, "{second} follows {former}");
        for damaged in ["x", "-1", "18446744073709551615"] {
            std::fs::write(at.join("incarnation"), damaged).unwrap();
            assert!(
                matches!(Incarnation::begin(Some(&at)), Err(DataError::Damaged(_))),
                "{damaged}"
            );
        }
    }

    #[test]
    fn a_directory_that_is_lost_or_put_back_brings_no_number_back() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("P1");
        let first = Incarnation::begin(Some(&at)).unwrap().number;
        let copy = std::fs::read(at.join("incarnation")).unwrap();
        let second = Incarnation::begin(Some(&at)).unwrap().number;
        let later = || {
            // Nobody loses a directory and starts again within the millisecond.
            let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            while now() <= u128::from(second) {}
        };
        later();
        std::fs::write(at.join("incarnation"), copy).unwrap();
        let put_back = Incarnation::begin(Some(&at)).unwrap().number;
        std::fs::remove_dir_all(&at).unwrap();
        let lost = Incarnation::begin(Some(&at)).unwrap().number;
        assert!(
            first < second && second < put_back && put_back <= lost,
            "{first} {second} {put_back} {lost}"
        );
    }

    #[test]
    fn a_clock_that_went_back_brings_no_number_back() {
        let directory = tempfile::tempdir().unwrap();
        let ahead = TIME_MAX / 2;
        std::fs::write(directory.path().join("incarnation"), ahead.to_string()).unwrap();
        assert_eq!(
            Incarnation::begin(Some(directory.path())).unwrap().number,
            ahead + 1
        );
    }
}
