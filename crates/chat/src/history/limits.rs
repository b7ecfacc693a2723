//! The bounds of the history store: each with its unit and its reason.

use std::time::Duration;

/// Events a room keeps unless configured otherwise: months of a lively team, some 15 MB of disk.
pub const HISTORY_EVENTS_MAX_DEFAULT: u64 = 100_000;

/// Bytes of events a room keeps, whatever their number: 64 KiB texts must not make a room's history 6 GB.
pub const ROOM_BYTES_MAX: u64 = 256 << 20;

/// How old an event may become before it is stored, unless configured otherwise. It is what a `kill -9` can cost;
/// five commits a second are next to nothing for a disk.
pub const FLUSH_INTERVAL_DEFAULT: Duration = Duration::from_millis(200);

/// Bytes of one block. Large enough that a block's row costs little beside its bytes, small enough that the newest
/// fifty lines are not dug out of a megabyte.
pub(super) const BLOCK_BYTES: usize = 64 << 10;

/// Blocks are cut so that a room's history is pruned in at least this many steps: what is kept exceeds
/// `--history-max` by at most a sixteenth.
pub(super) const BLOCKS_PER_HISTORY: u64 = 16;

/// Bytes one transaction stores. It is how long somebody who waits for a number can be held up: some 20 ms.
pub(super) const TRANSACTION_BYTES: usize = 8 << 20;

/// Bytes waiting for the disk at which [`History::ready`](super::History::ready) begins to hold senders back:
/// about a quarter of a second of the heaviest load.
pub(super) const PENDING_SOFT_BYTES: usize = 32 << 20;

/// Bytes waiting for the disk beyond which the oldest are given up, so that a dead disk never fills the memory.
pub(super) const PENDING_HARD_BYTES: usize = 64 << 20;

/// Bytes of events that `--memory` keeps over all rooms.
pub(super) const MEMORY_BYTES_MAX: usize = 64 << 20;

/// How long a failed disk is left alone before the next attempt.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long SQLite waits for somebody else's lock, a person with `sqlite3` for example.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Fewest numbers a room reserves ahead: what a quiet room can skip over after a `kill -9`.
pub(super) const SEQ_LEASE_MIN: u64 = 256;

/// Most numbers a room reserves ahead: a second of the heaviest load.
pub(super) const SEQ_LEASE_MAX: u64 = 1 << 20;

/// Fewest Lamport times reserved ahead.
pub(super) const CLOCK_LEASE_MIN: u64 = 4096;

/// Most Lamport times reserved ahead: some seconds of the heaviest load.
pub(super) const CLOCK_LEASE_MAX: u64 = 1 << 24;

/// How long a reservation should last at the pace it is being used.
pub(super) const LEASE_LASTS: Duration = Duration::from_secs(2);

/// How much larger or smaller than the one before a reservation may be.
pub(super) const LEASE_STEP: u64 = 16;

/// Reads that run at the same time: one waits for the disk while the other works. More would take the cores from the
/// hub.
pub(super) const READS_AT_ONCE: usize = 2;

/// Reads that wait for their turn; beyond it they are refused as busy rather than queued without end.
pub(super) const READS_WAITING_MAX: usize = 4096;

/// Bytes of one piece of a replay: what a reconnecting client costs in memory at any time.
pub(super) const REPLAY_PIECE_BYTES: usize = 128 << 10;

/// Bytes the write-ahead log may reach before it is moved into the database. Pages that are pruned and reused
/// meanwhile are moved once instead of every time.
pub(super) const WAL_BYTES: u64 = 64 << 20;
