//! The SQLite file: what one transaction writes, and what is found in it at the start. How the file is opened and
//! how a room's blocks are kept stand in files of their own.
//!
//! Why SQLite: it has the most trusted crash safety there is, people can open the file with `sqlite3` while the server
//! runs, and with blocks of lines as rows it takes more than the hub can produce.
//!
//! Why `synchronous=FULL`: reservations and registrations must survive a power cut before they are used, and in WAL
//! mode only FULL syncs a commit. Events only have to survive the end of the process, for which NORMAL would do; but
//! they are gathered for [`Settings::flush_interval`](super::Settings::flush_interval), so FULL costs five syncs a
//! second, and a power cut then loses no more than a `kill -9`.

mod blocks;
mod file;

use std::{collections::HashMap, path::Path, sync::Arc};

use lamport::TIME_MAX;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};

use super::{OpenError, Registration, queue::Batch, reservations::Reservations};

pub(super) use self::{
    blocks::{read_ascending, read_descending},
    file::{FILE, open_reader},
};

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
    pub(super) forgotten_through: u64,
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
        let explain = |error| file::explain(dir, &file, error);
        let connection = Connection::open(&file).map_err(explain)?;
        file::prepare(&connection, &file, bytes_max)?;
        let mut database = Self {
            connection,
            rooms: HashMap::new(),
            events_max: events_max.max(1),
        };
        let contents = database.load().map_err(explain)?;
        Ok((database, contents))
    }

    fn load(&mut self) -> rusqlite::Result<Contents> {
        // A reservation is as long as times are used fast, and may reach beyond the last time there is.
        let clock = self
            .connection
            .query_row("SELECT reserved FROM clock", [], |row| row.get::<_, u64>(0))?
            .min(TIME_MAX);
        let forgotten_through = self
            .connection
            .query_row("SELECT through FROM forgotten", [], |row| row.get(0))?;
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
        Ok(Contents {
            clock,
            rooms,
            forgotten_through,
            names,
        })
    }

    /// Whether anything is stored of a room.
    pub(super) fn knows(&self, room: &str) -> bool {
        self.rooms.contains_key(room)
    }

    /// Makes reservations and registrations durable, and removes the rooms that are to be forgotten, in one transaction.
    pub(super) fn promise(&mut self, marks: &Reservations, names: &[Registration]) -> rusqlite::Result<()> {
        let mut rooms = Vec::new();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut remove_blocks = transaction
                .prepare_cached("DELETE FROM block WHERE room = (SELECT id FROM room WHERE name = ?1)")?;
            let mut remove = transaction.prepare_cached("DELETE FROM room WHERE name = ?1")?;
            for name in &marks.forgotten {
                remove_blocks.execute([name])?;
                remove.execute([name])?;
            }
            if !marks.forgotten.is_empty() {
                transaction
                    .prepare_cached("UPDATE forgotten SET through = max(through, ?1)")?
                    .execute([marks.forgotten_through])?;
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
        for name in &marks.forgotten {
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
            blocks::insert(&transaction, &mut room, blocks, self.events_max)?;
            blocks::prune(&transaction, &mut room, self.events_max)?;
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

/// A room that nothing was reserved for.
fn find_or_create_room(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Stored> {
    let mut create = transaction.prepare_cached(
        "INSERT INTO room (name) VALUES (?1)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, last, events, bytes",
    )?;
    create.query_row([name], Stored::read)
}
