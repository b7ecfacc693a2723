//! The data directory: made if need be, and used by one server at a time.

use std::{io, path::Path};

use proto::net::{Claim, ClaimError};

use super::OpenError;

/// Makes `dir` where it is missing and claims it.
pub(super) fn claim(dir: &Path) -> Result<Claim, OpenError> {
    Claim::take(dir).map_err(|error| match error {
        ClaimError::InUse(in_use) => in_use.into(),
        ClaimError::Io(source) => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                OpenError::DiskFull { dir: dir.into() }
            }
            _ => OpenError::Unusable {
                dir: dir.into(),
                source,
            },
        },
    })
}
