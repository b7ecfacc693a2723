//! Whether there is a bank in a directory, which is asked before anything is made there, and how one is begun.
//!
//! A journal is never without [`stamps`](super::stamps): a bank that took up its clock without them would send times a
//! second time. So a beginning makes the first segment under the name of an unfinished one, then `stamps`, and only then
//! gives the segment its name, each durable before the next. A crash in between leaves no journal, and what is left of the
//! beginning is told from the rest of a bank whose first segment was lost: there, no segment is unfinished.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::StoreError;
use super::disk::Disk;
use super::segment::{SEGMENT_PREFIX, fill, give_name, segment_name, unfinished_name};
use super::snapshot::SNAPSHOT_PREFIX;
use super::stamps::{STAMPS_FILE, Stamps};

/// Whether a journal begins among the files with these names. If none does, nothing else of a bank may be there but what
/// a beginning leaves that was cut off.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the first segment is missing and something else is not.
pub(super) fn is_begun(names: &[String]) -> Result<bool, StoreError> {
    let first_segment = segment_name(1);
    if names.contains(&first_segment) {
        return Ok(true);
    }
    let cut_off = names.contains(&unfinished_name(1));
    let orphan =
        |name: &&String| is_ours(name) && !name.ends_with(".new") && !(cut_off && *name == STAMPS_FILE);
    match names.iter().find(orphan) {
        Some(orphan) => {
            let what = format!("it is missing, but {orphan} is there");
            Err(StoreError::damaged(&first_segment, 0, what))
        }
        None => Ok(false),
    }
}

/// Takes away those of our files among these that were not finished when a process ended.
///
/// # Errors
///
/// [`StoreError::Io`].
pub(super) fn remove_unfinished(disk: &dyn Disk, names: &[String]) -> Result<(), StoreError> {
    for name in names
        .iter()
        .filter(|name| is_ours(name) && name.ends_with(".new"))
    {
        disk.remove(name).map_err(StoreError::io("remove", name))?;
    }
    Ok(())
}

/// Begins a bank where there is none: no time was used, and its journal is empty.
///
/// # Errors
///
/// [`StoreError::Io`]; the next start finds no bank, or this one.
pub(super) fn begin(disk: &dyn Disk, segment_bytes: u64) -> Result<Stamps, StoreError> {
    fill(disk, 1, segment_bytes)?;
    disk.sync_names()
        .map_err(StoreError::io("sync the names of", "the data directory"))?;
    let stamps = Stamps::create(disk, 0)?;
    give_name(disk, 1)?;
    Ok(stamps)
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

/// Whether this is a name that we give to files, finished or not.
fn is_ours(name: &str) -> bool {
    name.starts_with(SEGMENT_PREFIX) || name.starts_with(SNAPSHOT_PREFIX) || name == STAMPS_FILE
}
