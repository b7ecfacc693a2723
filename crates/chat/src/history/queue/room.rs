//! What waits of one room.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::history::{
    block::Block,
    lease::Lease,
    limits::{BLOCK_BYTES, BLOCKS_PER_HISTORY, SEQ_LEASE_MAX, SEQ_LEASE_MIN},
};

/// Invariant: blocks in `sealed`, then `open`, have ascending numbers; `last` is the newest number ever appended.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) sealed: VecDeque<Block>,
    open: Option<Open>,
    pub(super) events: u64,
    pub(super) last: u64,
    pub(super) lease: Lease,
    pub(super) dirty: bool,
}

/// The block that still grows.
#[derive(Debug)]
struct Open {
    first: u64,
    last: u64,
    lines: Vec<u8>,
}

impl Room {
    /// A room of which nothing waits, its numbers used up to `last`.
    pub(super) fn after(last: u64) -> Self {
        let lease = Lease::after(last, SEQ_LEASE_MIN, SEQ_LEASE_MAX);
        Self {
            sealed: VecDeque::new(),
            open: None,
            events: 0,
            last,
            lease,
            dirty: false,
        }
    }

    /// Takes the events `first..=last` in.
    pub(super) fn push(&mut self, first: u64, last: u64, lines: &[u8], events_max: u64) {
        let block_events_max = (events_max / BLOCKS_PER_HISTORY).max(1);
        let fits = self.open.as_ref().is_some_and(|open| {
            open.last + 1 == first
                && open.lines.len() + lines.len() <= BLOCK_BYTES
                && last - open.first < block_events_max
        });
        if !fits {
            self.seal();
        }
        let open = self.open.get_or_insert_with(|| Open {
            first,
            last,
            lines: Vec::new(),
        });
        open.last = last;
        open.lines.extend_from_slice(lines);
        self.events += last - first + 1;
        self.last = last;
    }

    /// Ends the block that grows.
    pub(super) fn seal(&mut self) {
        if let Some(Open { first, last, lines }) = self.open.take() {
            self.sealed.push_back(Block {
                first,
                last,
                lines: lines.into(),
            });
        }
    }

    /// Drops the oldest sealed block and returns its bytes.
    pub(super) fn drop_first(&mut self) -> usize {
        let Some(block) = self.sealed.pop_front() else {
            return 0;
        };
        self.events -= block.events();
        block.lines.len()
    }

    /// Copies of all blocks, oldest first.
    pub(super) fn snapshot(&self) -> Vec<Block> {
        let open = self.open.as_ref().map(|open| Block {
            first: open.first,
            last: open.last,
            lines: Bytes::copy_from_slice(&open.lines),
        });
        self.sealed.iter().cloned().chain(open).collect()
    }
}
