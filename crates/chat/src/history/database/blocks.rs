//! The blocks of a room: stored, pruned, read in either direction.

use bytes::Bytes;
use rusqlite::{
    Connection, Transaction, params,
    types::{ToSqlOutput, ValueRef},
};

use super::Stored;
use crate::history::{block::Block, limits::ROOM_BYTES_MAX};

/// The largest number SQLite's integers hold.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// Stores what of `blocks` a room keeps that keeps `events_max` events.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    room: &mut Stored,
    blocks: &[Block],
    events_max: u64,
) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT INTO block (room, first, last, lines) VALUES (?1, ?2, ?3, ?4)")?;
    for block in worth_storing(blocks, events_max) {
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
pub(super) fn prune(
    transaction: &Transaction<'_>,
    room: &mut Stored,
    events_max: u64,
) -> rusqlite::Result<()> {
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

/// Stored blocks of `room` that hold numbers above `after` and up to `through`, in ascending order, as long as
/// `wants_more` says so after each.
pub(in crate::history) fn read_ascending(
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
pub(in crate::history) fn read_descending(
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
