//! Reading the history: stored blocks, then what still waits to be stored.
//!
//! What waits is looked at first and the file afterwards. Between the two a block may be stored, so it is found in
//! both and taken once; looked at the other way round it could be found in neither.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{
    ReadError,
    block::Block,
    database,
    limits::{READS_AT_ONCE, READS_WAITING_MAX, REPLAY_PIECE_BYTES},
};

/// Which part of a room's history is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The newest events.
    Newest,
    /// The newest events with numbers below this one.
    Before(u64),
    /// The oldest events with numbers above this one.
    After(u64),
}

/// Some consecutive events of a room's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Their lines without newlines, ascending by number.
    pub events: Vec<Bytes>,
    /// Whether there are more beyond them: newer ones for [`Window::After`], older ones otherwise.
    pub more: bool,
}

/// A part of a replay: first something missing, then some lines; either may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How many numbers before these lines the history does not have: pruned, given up while the disk failed, lost
    /// in a crash, or skipped by one.
    pub missed: u64,
    /// The last number this piece accounts for.
    pub through: u64,
    /// Consecutive events, one line each with its newline.
    pub lines: Bytes,
}

/// The side that reads the file: a few connections and a queue with an end.
#[derive(Debug)]
pub(super) struct Reader {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Reader {
    pub(super) fn new(file: PathBuf) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(READS_AT_ONCE));
        Arc::new(Self {
            file,
            idle: Mutex::new(Vec::new()),
            turns,
            waiting: AtomicUsize::new(0),
        })
    }

    /// Runs `read` with a connection on the blocking threads, a few at a time.
    ///
    /// Cancel safe: a read that nobody waits for ends by itself.
    pub(super) async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, ReadError> {
        let turn = {
            let _place = Place::take(&self.waiting).ok_or(ReadError::Busy)?;
            Arc::clone(&self.turns)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed")
        };
        let this = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let lock = || this.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = lock().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => database::open_reader(&this.file)?,
            };
            // A connection that failed is not kept: the next read begins with a fresh one.
            let result = read(&connection)?;
            lock().push(connection);
            Ok(result)
        });
        match reading.await {
            Ok(result) => result.map_err(|error: rusqlite::Error| ReadError::Unavailable(error.to_string())),
            Err(error) => Err(ReadError::Unavailable(error.to_string())),
        }
    }
}

/// A place in the queue of those who wait to read.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < READS_WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A page of at most `events` events and `bytes` bytes from the file and from what is `waiting`.
pub(super) fn page(
    connection: Option<&Connection>,
    room: &str,
    waiting: &[Block],
    window: Window,
    events: u64,
    bytes: usize,
) -> rusqlite::Result<Page> {
    let mut taking = Taking {
        events,
        bytes,
        blocks: Vec::new(),
        more: false,
    };
    let stored_through = waiting.first().map_or(u64::MAX, |block| block.first - 1);
    match window {
        Window::After(after) => taking.ascending(connection, room, waiting, after, u64::MAX)?,
        Window::Newest | Window::Before(_) => {
            let before = if let Window::Before(before) = window {
                before
            } else {
                u64::MAX
            };
            let mut newest_first = waiting
                .iter()
                .rev()
                .filter_map(|block| block.cut(0, before.saturating_sub(1)));
            if newest_first.all(|block| taking.take_tail(&block))
                && let Some(connection) = connection
            {
                let stored_before = before.min(stored_through.saturating_add(1));
                database::read_descending(connection, room, stored_before, |block| {
                    block
                        .cut(0, stored_before.saturating_sub(1))
                        .is_none_or(|block| taking.take_tail(&block))
                })?;
            }
            taking.blocks.reverse();
        }
    }
    Ok(Page {
        events: taking.blocks.iter().flat_map(Block::each).collect(),
        more: taking.more,
    })
}

/// The next piece of what has numbers above `after` and up to `through`.
pub(super) fn piece(
    connection: Option<&Connection>,
    room: &str,
    waiting: &[Block],
    after: u64,
    through: u64,
) -> rusqlite::Result<Piece> {
    let mut taking = Taking {
        events: u64::MAX,
        bytes: REPLAY_PIECE_BYTES,
        blocks: Vec::new(),
        more: false,
    };
    taking.ascending(connection, room, waiting, after, through)?;
    let Some(first) = taking.blocks.first() else {
        return Ok(Piece {
            missed: through - after,
            through,
            lines: Bytes::new(),
        });
    };
    let missed = first.first - after - 1;
    let mut last = first.first - 1;
    let run: Vec<&Block> = taking
        .blocks
        .iter()
        .take_while(|block| std::mem::replace(&mut last, block.last) + 1 == block.first)
        .collect();
    let through = run.last().map_or(first.last, |block| block.last);
    let lines = match run[..] {
        [only] => only.lines.clone(),
        _ => run
            .iter()
            .fold(BytesMut::new(), |mut all, block| {
                all.extend_from_slice(&block.lines);
                all
            })
            .freeze(),
    };
    Ok(Piece {
        missed,
        through,
        lines,
    })
}

/// Blocks gathered up to a bound.
struct Taking {
    events: u64,
    bytes: usize,
    blocks: Vec<Block>,
    more: bool,
}

impl Taking {
    fn ascending(
        &mut self,
        connection: Option<&Connection>,
        room: &str,
        waiting: &[Block],
        after: u64,
        through: u64,
    ) -> rusqlite::Result<()> {
        let stored_through = waiting
            .first()
            .map_or(u64::MAX, |block| block.first - 1)
            .min(through);
        let mut wants_more = true;
        if let Some(connection) = connection
            && after < stored_through
        {
            database::read_ascending(connection, room, after, stored_through, |block| {
                wants_more = block
                    .cut(after, stored_through)
                    .is_none_or(|block| self.take_head(&block));
                wants_more
            })?;
        }
        if wants_more {
            waiting
                .iter()
                .filter_map(|block| block.cut(after, through))
                .all(|block| self.take_head(&block));
        }
        Ok(())
    }

    /// Takes as much of a block's beginning as still fits; false when that was not all of it.
    fn take_head(&mut self, block: &Block) -> bool {
        let part = block.head(self.events, self.bytes);
        self.take(block, part)
    }

    /// The same with its end.
    fn take_tail(&mut self, block: &Block) -> bool {
        let part = block.tail(self.events, self.bytes);
        self.take(block, part)
    }

    fn take(&mut self, block: &Block, part: Option<Block>) -> bool {
        let taken = part.as_ref().map_or(0, Block::events);
        if let Some(part) = part {
            self.events -= taken;
            self.bytes -= part.lines.len();
            self.blocks.push(part);
        }
        self.more |= taken < block.events();
        taken == block.events()
    }
}
