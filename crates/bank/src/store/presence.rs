//! Whether there is a bank in a directory, which is asked before anything is made there.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::StoreError;
use super::segment::segment_name;
use super::stamps::STAMPS_FILE;

/// Whether a journal begins among the files with these names. If none does, nothing else of a bank may be there.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the first segment is missing and something else is not.
pub(super) fn is_begun(names: &[String]) -> Result<bool, StoreError> {
    let first_segment = segment_name(1);
    if names.contains(&first_segment) {
        return Ok(true);
    }
    let ours = |name: &&String| {
        name.starts_with("journal-") || name.starts_with("snapshot-") || *name == STAMPS_FILE
    };
    match names.iter().filter(ours).find(|name| !name.ends_with(".new")) {
        Some(orphan) => {
            let what = format!("it is missing, but {orphan} is there");
            Err(StoreError::damaged(&first_segment, 0, what))
        }
        None => Ok(false),
    }
}

/// Finds a bank in `directory`, and makes nothing.
///
/// # Errors
///
/// [`StoreError::NoBank`] when there is none, and what [`is_begun`] says.
pub(crate) fn require(directory: &Path) -> Result<(), StoreError> {
    let names = match fs::read_dir(directory) {
        Ok(files) => files
            .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    };
    let names = names.map_err(StoreError::io(
        "use",
        &format!("the data directory {}", directory.display()),
    ))?;
    is_begun(&names)?
        .then_some(())
        .ok_or_else(|| StoreError::NoBank(directory.to_owned()))
}
