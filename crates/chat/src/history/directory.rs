//! The data directory: created if need be, and claimed by one server at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

use super::OpenError;

/// Name of the file whose lock is the claim. The operating system frees it however the process ends.
const FILE: &str = "lock";

/// The right to write in a data directory, until dropped.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

/// Creates `dir` where it is missing and claims it.
pub(super) fn claim(dir: &Path) -> Result<Claim, OpenError> {
    let explain = |source: io::Error| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::DiskFull { dir: dir.into() },
        _ => OpenError::Unusable {
            dir: dir.into(),
            source,
        },
    };
    proto::make_private_directory(dir).map_err(explain)?;
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(FILE))
        .map_err(explain)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            // Who it is is a courtesy; that it is somebody is certain.
            let _ = lock.read_to_string(&mut process);
            let process = process.trim();
            let owner = if process.is_empty() {
                String::new()
            } else {
                format!(" (process {process})")
            };
            return Err(OpenError::InUse {
                dir: dir.into(),
                owner,
            });
        }
        Err(TryLockError::Error(source)) => return Err(explain(source)),
    }
    lock.set_len(0).and_then(|()| lock.rewind()).map_err(explain)?;
    writeln!(lock, "{}", std::process::id()).map_err(explain)?;
    Ok(Claim { _lock: lock })
}
