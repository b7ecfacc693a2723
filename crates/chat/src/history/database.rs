//! The SQLite file: its schema, what one transaction writes, what a read finds.
//!
//! Why SQLite: it has the most trusted crash safety there is, people can open the file with `sqlite3` while the server
//! runs, and with blocks of lines as rows it takes more than the hub can produce.
//!
//! Why `synchronous=FULL`: reservations and registrations must survive a power cut before they are used, and in WAL
//! mode only FULL syncs a commit. Events only have to survive the end of the process, for which NORMAL would do; but
//! they are gathered for [`Settings::flush_interval`](super::Settings::flush_interval), so FULL costs five syncs a
//! second, and a power cut then loses no more than a `kill -9`.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    OpenError, Registration,
    block::Block,
    limits::{BUSY_TIMEOUT, ROOM_BYTES_MAX, WAL_BYTES},
    queue::{Batch, Reservations},
};

/// Name of the file in the data directory.
pub(super) const FILE: &str = "chat.db";

/// "antC": tells our files from everybody else's.
const APPLICATION_ID: i64 = 0x616e_7443;
const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// Twice SQLite's usual page: a tenth less work at full load, and a lone message still costs only some 30 KB of log.
const PAGE_BYTES: u64 = 8192;
/// The largest number SQLite's integers hold.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// The one connection that writes.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    rooms: HashMap<Arc<str>, Stored>,
    events_max: u64,
}

/// What a room has on disk. Invariant: equals its row, as of the last commit.
#[derive(Debug, Clone, Copy)]
struct Stored {
    id: i64,
    last: u64,
    events: u64,
    bytes: u64,
}

impl Stored {
    /// From a row that begins with these four columns.
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            last: row.get(1)?,
            events: row.get(2)?,
            bytes: row.get(3)?,
        })
    }
}

/// What the file remembers.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) clock: u64,
    /// Name, newest number that may have been shown, newest number stored, events kept.
    pub(super) rooms: Vec<(Arc<str>, u64, u64, u64)>,
    pub(super) names: Vec<Registration>,
}

impl Database {
    /// Opens or creates the file in `dir`.
    pub(super) fn open(
        dir: &Path,
        events_max: u64,
        bytes_max: Option<u64>,
    ) -> Result<(Self, Contents), OpenError> {
        let file = dir.join(FILE);
        let explain = |error| explain(dir, &file, error);
        let connection = Connection::open(&file).map_err(explain)?;
        prepare(&connection, &file, bytes_max)?;
        let mut database = Self {
            connection,
            rooms: HashMap::new(),
            events_max: events_max.max(1),
        };
        let contents = database.load().map_err(explain)?;
        Ok((database, contents))
    }

    fn load(&mut self) -> rusqlite::Result<Contents> {
        let clock = self
            .connection
            .query_row("SELECT reserved FROM clock", [], |row| row.get(0))?;
        let mut rooms = Vec::new();
        let mut statement = self
            .connection
            .prepare("SELECT id, last, events, bytes, name, reserved FROM room ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (stored, name) = (Stored::read(row)?, row.get::<_, Arc<str>>(4)?);
            let shown = row.get::<_, u64>(5)?.max(stored.last);
            rooms.push((Arc::clone(&name), shown, stored.last, stored.events));
            self.rooms.insert(name, stored);
        }
        let mut statement = self
            .connection
            .prepare("SELECT key, shown, password FROM name ORDER BY key")?;
        let names = statement
            .query_map([], |row| {
                Ok(Registration {
                    key: row.get(0)?,
                    shown: row.get(1)?,
                    password: row.get(2)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Contents { clock, rooms, names })
    }

    /// Makes reservations and registrations durable.
    pub(super) fn promise(&mut self, marks: &Reservations, names: &[Registration]) -> rusqlite::Result<()> {
        let mut rooms = Vec::new();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut forget = transaction
                .prepare_cached("UPDATE room SET reserved = max(room.last, ?2) WHERE room.name = ?1")?;
            for (name, last) in &marks.forgotten {
                forget.execute(params![name, last])?;
            }
            let mut reserve = transaction.prepare_cached(
                "INSERT INTO room (name, reserved) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET reserved = excluded.reserved RETURNING id, last, events, bytes",
            )?;
            for (name, through) in &marks.rooms {
                rooms.push((name, reserve.query_row(params![name, through], Stored::read)?));
            }
            if let Some(through) = marks.clock {
                transaction
                    .prepare_cached("UPDATE clock SET reserved = ?1")?
                    .execute([through])?;
            }
            let mut register = transaction
                .prepare_cached("INSERT OR REPLACE INTO name (key, shown, password) VALUES (?1, ?2, ?3)")?;
            for name in names {
                register.execute([&*name.key, &*name.shown, &*name.password])?;
            }
        }
        transaction.commit()?;
        for (name, _) in &marks.forgotten {
            self.rooms.remove(name);
        }
        for (name, stored) in rooms {
            self.rooms.entry(Arc::clone(name)).or_insert(stored);
        }
        Ok(())
    }

    /// Stores blocks and prunes what is beyond each room's bound, in one transaction.
    pub(super) fn store(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        let mut changed = Vec::new();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (name, blocks) in batch {
            let mut room = match self.rooms.get(name) {
                Some(room) => *room,
                None => find_or_create_room(&transaction, name)?,
            };
            insert(&transaction, &mut room, worth_storing(blocks, self.events_max))?;
            prune(&transaction, &mut room, self.events_max)?;
            transaction
                .prepare_cached("UPDATE room SET last = ?2, events = ?3, bytes = ?4 WHERE id = ?1")?
                .execute(params![room.id, room.last, room.events, room.bytes])?;
            changed.push((Arc::clone(name), room));
        }
        transaction.commit()?;
        self.rooms.extend(changed);
        Ok(())
    }

    /// Moves the write-ahead log into the file and closes both.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error)
    }
}

/// Whether a failure may pass by itself and leaves everything before it sound. After a failed sync nobody knows what
/// the disk holds: pages that were taken for written may be gone, and later commits would rest on them.
pub(super) fn is_curable(error: &rusqlite::Error) -> bool {
    let Some(failure) = error.sqlite_error() else {
        return false;
    };
    match failure.code {
        ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => true,
        ErrorCode::SystemIoFailure => !matches!(
            failure.extended_code,
            rusqlite::ffi::SQLITE_IOERR_FSYNC
                | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC
                | rusqlite::ffi::SQLITE_IOERR_CLOSE
        ),
        _ => false,
    }
}

/// A connection that only reads.
pub(super) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Stored blocks of `room` that hold numbers above `after` and up to `through`, in ascending order, as long as
/// `wants_more` says so after each.
pub(super) fn read_ascending(
    connection: &Connection,
    room: &str,
    after: u64,
    through: u64,
    wants_more: impl FnMut(Block) -> bool,
) -> rusqlite::Result<()> {
    // The block that holds `after + 1` may begin before it.
    let sql = "SELECT block.first, block.last, block.lines FROM room JOIN block ON block.room = room.id
               WHERE room.name = ?1 AND block.last > ?2 AND block.first <= ?3 AND block.first >= coalesce(
                   (SELECT max(begun.first) FROM block AS begun WHERE begun.room = room.id AND begun.first <= ?2 + 1), 0)
               ORDER BY block.first";
    read(
        connection,
        sql,
        (room, after.min(NUMBER_MAX - 1), through.min(NUMBER_MAX)),
        wants_more,
    )
}

/// The same with numbers below `before`, in descending order.
pub(super) fn read_descending(
    connection: &Connection,
    room: &str,
    before: u64,
    wants_more: impl FnMut(Block) -> bool,
) -> rusqlite::Result<()> {
    let sql = "SELECT block.first, block.last, block.lines FROM room JOIN block ON block.room = room.id
               WHERE room.name = ?1 AND block.first < ?2 ORDER BY block.first DESC";
    read(connection, sql, (room, before.min(NUMBER_MAX)), wants_more)
}

fn read(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    mut wants_more: impl FnMut(Block) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        let lines = Bytes::copy_from_slice(row.get_ref(2)?.as_bytes()?);
        let block = Block {
            first: row.get(0)?,
            last: row.get(1)?,
            lines,
        };
        if !block.is_whole() {
            tracing::error!(
                first = block.first,
                last = block.last,
                "a stored block is damaged and left out"
            );
            continue;
        }
        if !wants_more(block) {
            break;
        }
    }
    Ok(())
}

fn prepare(connection: &Connection, file: &Path, bytes_max: Option<u64>) -> Result<(), OpenError> {
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
    if version == 0 {
        let create = format!(
            "BEGIN IMMEDIATE; {SCHEMA}
             PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        );
        connection.execute_batch(&create).map_err(explain)?;
    }
    Ok(())
}

fn explain(dir: &Path, file: &Path, error: rusqlite::Error) -> OpenError {
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

/// A room that is not remembered: it may be new, or have been forgotten.
fn find_or_create_room(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Stored> {
    let mut create = transaction.prepare_cached(
        "INSERT INTO room (name) VALUES (?1)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, last, events, bytes",
    )?;
    create.query_row([name], Stored::read)
}

/// The newest blocks that together hold what a room keeps: older ones would be pruned as soon as they are stored.
fn worth_storing(blocks: &[Block], events_max: u64) -> &[Block] {
    let mut newer = 0;
    let start = blocks.iter().rposition(|block| {
        let enough = newer >= events_max;
        newer += block.events();
        enough
    });
    &blocks[start.map_or(0, |last_unneeded| last_unneeded + 1)..]
}

fn insert(transaction: &Transaction<'_>, room: &mut Stored, blocks: &[Block]) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT INTO block (room, first, last, lines) VALUES (?1, ?2, ?3, ?4)")?;
    for block in blocks {
        if !block.is_whole() || block.first <= room.last {
            tracing::error!(
                first = block.first,
                last = block.last,
                "a block is not what its numbers say and is not stored"
            );
            continue;
        }
        let lines = ToSqlOutput::Borrowed(ValueRef::Text(&block.lines));
        insert.execute(params![room.id, block.first, block.last, lines])?;
        room.last = block.last;
        room.events += block.events();
        room.bytes += block.lines.len() as u64;
    }
    Ok(())
}

/// Removes a room's oldest blocks as long as what remains fills its bound. The file reuses their space.
fn prune(transaction: &Transaction<'_>, room: &mut Stored, events_max: u64) -> rusqlite::Result<()> {
    if room.events <= events_max && room.bytes <= ROOM_BYTES_MAX {
        return Ok(());
    }
    let mut oldest = transaction.prepare_cached(
        "SELECT id, last - first + 1, octet_length(lines) FROM block WHERE room = ?1 ORDER BY first",
    )?;
    let mut delete = transaction.prepare_cached("DELETE FROM block WHERE id = ?1")?;
    let mut unneeded = Vec::new();
    let mut rows = oldest.query([room.id])?;
    while let Some(row) = rows.next()? {
        let (id, events, bytes): (i64, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if room.events.saturating_sub(events) < events_max && room.bytes <= ROOM_BYTES_MAX {
            break;
        }
        room.events = room.events.saturating_sub(events);
        room.bytes = room.bytes.saturating_sub(bytes);
        unneeded.push(id);
    }
    for id in unneeded {
        delete.execute([id])?;
    }
    Ok(())
}
