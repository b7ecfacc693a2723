//! Handing each event, encoded once, to everybody it is for.
//!
//! What one batch of requests causes in one room becomes one chunk of bytes. The chunk is shared by the outboxes of
//! all members, so that each of them writes many messages with one system call, and it goes to the history as it is.
//!
//! A member whose outbox is full lags: chunks for it are counted instead of queued until it has drained, and then it
//! is told `lagged` for each room. Its own replies are never dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proto::net::{Outbox, Pushed};
use tokio::sync::Notify;

use crate::events::write_event;
use crate::history::History;
use crate::hub::{ConnectionId, Event, Hub, RoomId};

/// What the driver knows of one connection.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) outbox: Outbox,
    /// Tells the connection's task that its name was taken over.
    pub(super) ousted: Arc<Notify>,
    /// Events missed in each room since the outbox was full. Empty for nearly everybody, always.
    pub(super) missed: BTreeMap<Arc<str>, u64>,
}

/// Who receives.
pub(super) type Receivers = BTreeMap<ConnectionId, Receiver>;

/// The events of one room that are not handed out yet.
///
/// Invariant: while `open` is set, `lines` holds its events, at least one, each with the next number.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    lines: Vec<u8>,
    open: Option<Open>,
    /// The most bytes a chunk of this batch had: the next one begins with that much room.
    bytes_expected: usize,
}

#[derive(Debug)]
struct Open {
    room: RoomId,
    name: Arc<str>,
    first_seq: u64,
    last_seq: u64,
    except: ConnectionId,
}

/// One event of a room with what was decided about it.
#[derive(Debug)]
pub(super) struct Numbered<'a> {
    pub(super) room: RoomId,
    pub(super) name: Arc<str>,
    pub(super) seq: u64,
    pub(super) except: ConnectionId,
    pub(super) lamport: u64,
    pub(super) at_ms: u64,
    pub(super) event: Event<'a>,
}

impl Chunk {
    /// A chunk that will probably hold `bytes_expected` bytes.
    pub(super) fn expecting(bytes_expected: usize) -> Self {
        Self {
            bytes_expected,
            ..Self::default()
        }
    }

    /// Whether the event cannot be added before what is there was [handed out](Self::hand_out).
    pub(super) fn is_of_another(&self, event: &Numbered<'_>) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.room != event.room || open.except != event.except)
    }

    /// Encodes the event behind those that are there, which must be of the same room.
    pub(super) fn add(&mut self, event: &Numbered<'_>) {
        if self.lines.capacity() == 0 {
            self.lines.reserve(self.bytes_expected);
        }
        write_event(
            &mut self.lines,
            event.lamport,
            event.at_ms,
            &event.name,
            event.seq,
            &event.event,
        );
        match &mut self.open {
            Some(open) => {
                debug_assert_eq!(open.last_seq + 1, event.seq, "a room's numbers have no gap");
                open.last_seq = event.seq;
            }
            None => {
                self.open = Some(Open {
                    room: event.room,
                    name: Arc::clone(&event.name),
                    first_seq: event.seq,
                    last_seq: event.seq,
                    except: event.except,
                });
            }
        }
    }

    /// Stores what is there and queues it for the members of its room. Outboxes above their soft mark are added to
    /// `pressing`.
    pub(super) fn hand_out(
        &mut self,
        hub: &Hub,
        receivers: &mut Receivers,
        history: &History,
        pressing: &mut Vec<Outbox>,
    ) {
        let Some(open) = self.open.take() else { return };
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        history.append(&open.name, open.first_seq, open.last_seq, &lines);
        for member in hub.members(open.room).filter(|&member| member != open.except) {
            let Some(receiver) = receivers.get_mut(&member) else {
                continue;
            };
            receiver.push(&open, &lines, pressing);
        }
    }
}

impl Receiver {
    fn push(&mut self, open: &Open, lines: &Bytes, pressing: &mut Vec<Outbox>) {
        let lagging = !self.missed.is_empty();
        let pushed = if lagging {
            Pushed::Full
        } else {
            self.outbox.push(lines.clone())
        };
        match pushed {
            Pushed::Taken | Pushed::Closed => {}
            Pushed::Pressing => pressing.push(self.outbox.clone()),
            Pushed::Full => {
                *self.missed.entry(Arc::clone(&open.name)).or_default() += open.last_seq - open.first_seq + 1;
            }
        }
    }
}
