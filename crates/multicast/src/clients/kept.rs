//! What a peer keeps of its deliveries for watchers that come back.

use std::collections::VecDeque;

use bytes::Bytes;
use proto::WireError;

use super::SINCE_UNKNOWN;
use crate::client::MessageName;
use crate::limits::{KEPT_BYTES_MAX, KEPT_MESSAGES_MAX, WATCH_CHUNK_BYTES};

/// The latest events, each encoded once.
#[derive(Default)]
pub(super) struct Kept {
    /// The number of `events[0]`.
    base: u64,
    events: VecDeque<(Option<MessageName>, Bytes)>,
    bytes: usize,
}

impl Kept {
    pub(super) fn end(&self) -> u64 {
        self.base + self.events.len() as u64
    }

    pub(super) fn push(&mut self, name: Option<MessageName>, line: Bytes) {
        self.bytes += line.len();
        self.events.push_back((name, line));
        while self.events.len() > KEPT_MESSAGES_MAX || self.bytes > KEPT_BYTES_MAX {
            let Some((_, line)) = self.events.pop_front() else {
                return;
            };
            self.bytes -= line.len();
            self.base += 1;
        }
    }

    /// The next lines of a watcher that is at `at`, which moves on; nothing when it fell out of what is kept.
    pub(super) fn chunk(&self, at: &mut u64) -> Option<Vec<u8>> {
        let mut next = usize::try_from(at.checked_sub(self.base)?).ok()?;
        let mut chunk = Vec::new();
        while let Some((_, line)) = self.events.get(next)
            && chunk.len() < WATCH_CHUNK_BYTES
        {
            chunk.extend_from_slice(line);
            next += 1;
        }
        *at = self.base + next as u64;
        Some(chunk)
    }

    /// Where a watcher begins that has everything up to `since`.
    pub(super) fn after(&self, since: Option<&str>) -> Result<u64, WireError> {
        let unknown = || {
            WireError::new(SINCE_UNKNOWN, "that message is not, or no longer, kept here")
                .with_hint("watch since \"start\" for everything that is kept")
        };
        match since {
            None => Ok(self.end()),
            Some("start") => Ok(self.base),
            Some(name) => {
                let name: MessageName = name.parse().map_err(|_| unknown())?;
                let found = self
                    .events
                    .iter()
                    .rposition(|(kept, _)| kept.as_ref() == Some(&name));
                found.map(|at| self.base + at as u64 + 1).ok_or_else(unknown)
            }
        }
    }
}
