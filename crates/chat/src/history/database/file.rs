//! Opening the file: whose it is, its schema, its settings, and what a failure says.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::history::{
    OpenError,
    limits::{BUSY_TIMEOUT, WAL_BYTES},
};

/// Name of the file in the data directory.
pub(in crate::history) const FILE: &str = "chat.db";

/// "antC": tells our files from everybody else's.
const APPLICATION_ID: i64 = 0x616e_7443;
/// What brings a file from each version to the next, from an empty one on.
const SCHEMA: [&str; 2] = [include_str!("schema-1.sql"), include_str!("schema-2.sql")];
const SCHEMA_VERSION: i64 = SCHEMA.len() as i64;
/// Twice SQLite's usual page: a tenth less work at full load, and a lone message still costs only some 30 KB of log.
const PAGE_BYTES: u64 = 8192;

pub(super) fn prepare(connection: &Connection, file: &Path, bytes_max: Option<u64>) -> Result<(), OpenError> {
    let dir = file.parent().unwrap_or(Path::new(""));
    let explain = |error| explain(dir, file, error);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(explain)?;
    let ask = |pragma: &str| {
        connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
            .map_err(explain)
    };
    let (version, application, tables) = (
        ask("user_version")?,
        ask("application_id")?,
        ask("schema_version")?,
    );
    if tables != 0 && application != APPLICATION_ID {
        return Err(OpenError::Foreign { file: file.into() });
    }
    if version > SCHEMA_VERSION {
        return Err(OpenError::TooNew {
            file: file.into(),
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES};
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA wal_autocheckpoint = {};
             PRAGMA journal_size_limit = {WAL_BYTES};
             PRAGMA cache_size = -16384;",
            WAL_BYTES / PAGE_BYTES
        ))
        .map_err(explain)?;
    if let Some(bytes) = bytes_max {
        ask(&format!("max_page_count = {}", (bytes / PAGE_BYTES).max(1)))?;
    }
    if version < SCHEMA_VERSION {
        let missing = SCHEMA[usize::try_from(version).unwrap_or_default()..].concat();
        let create = format!(
            "BEGIN IMMEDIATE; {missing}
             PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        );
        connection.execute_batch(&create).map_err(explain)?;
    }
    Ok(())
}

pub(super) fn explain(dir: &Path, file: &Path, error: rusqlite::Error) -> OpenError {
    let unusable = |kind, text: String| OpenError::Unusable {
        dir: dir.into(),
        source: io::Error::new(kind, text),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => OpenError::DiskFull { dir: dir.into() },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            unusable(io::ErrorKind::PermissionDenied, error.to_string())
        }
        Some(ErrorCode::SystemIoFailure) if is_full(dir) => OpenError::DiskFull { dir: dir.into() },
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseBusy) => {
            unusable(io::ErrorKind::Other, error.to_string())
        }
        _ => OpenError::Damaged {
            file: file.into(),
            source: error,
        },
    }
}

/// Whether not even a few bytes can be written there.
fn is_full(dir: &Path) -> bool {
    let probe: PathBuf = dir.join("probe");
    let written = fs::write(&probe, [0; 4096]);
    let _ = fs::remove_file(&probe);
    written.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull)
}

/// A connection that only reads.
pub(in crate::history) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}
