//! Handing each event, encoded once, to everybody it is for.
//!
//! What one batch of requests causes in one room becomes one chunk of bytes. The chunk is shared by the outboxes of
//! all members, so that each of them writes many messages with one system call, and it goes to the history as it is.
//!
//! What is little and for few is written by the thread that caused it, right after the lock is given back: that is
//! quicker than waking a task, and perhaps a core, for each. A long chunk is left to the receivers' own tasks, which
//! share the copying.
//!
//! A member whose outbox is above its soft mark holds up those who send to it, as long as it reads: whoever has the lock
//! looks before it says more, so however many send at once, no more than one batch goes beyond the mark.
//!
//! A member whose outbox is full lags: chunks for it are counted instead of queued until it has drained, and then it
//! is told `lagged` for each room. Its own replies are never dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proto::net::{Outbox, Pushed};
use tokio::sync::Notify;

use crate::events::write_event;
use crate::history::History;
use crate::hub::{ConnectionId, Event, Hub, RoomId};
use crate::limits::{DELIVERIES_MAX, DELIVERY_BYTES_MAX, RECEIVER_PATIENCE};

/// Who receives.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    by_id: BTreeMap<ConnectionId, Receiver>,
    /// Those whose outbox was found above its soft mark by the last push. Empty unless somebody sends flat out.
    pressing: BTreeSet<ConnectionId>,
}

/// What the driver knows of one connection.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) outbox: Outbox,
    /// Tells the connection's task that its name was taken over.
    pub(super) ousted: Arc<Notify>,
    /// Events missed in each room since the outbox was full. Empty for nearly everybody, always.
    missed: BTreeMap<Arc<str>, u64>,
}

/// Outboxes with something to be delivered by the thread that caused it, once it has given the lock back.
#[derive(Debug, Default)]
pub(super) struct Deliveries(Vec<Outbox>);

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

    /// Stores what is there and queues it for the members of its room.
    pub(super) fn hand_out(
        &mut self,
        hub: &Hub,
        receivers: &mut Receivers,
        history: &History,
        deliveries: &mut Deliveries,
    ) {
        let Some(open) = self.open.take() else { return };
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        history.append(&open.name, open.first_seq, open.last_seq, &lines);
        let Receivers { by_id, pressing } = receivers;
        for member in hub.members(open.room).filter(|&member| member != open.except) {
            let Some(receiver) = by_id.get_mut(&member) else {
                continue;
            };
            match receiver.push(lines.clone(), deliveries) {
                Pushed::Queued | Pushed::Closed => {}
                Pushed::Pressing => drop(pressing.insert(member)),
                Pushed::Full => receiver.misses(&open),
            }
        }
    }
}

impl Receivers {
    pub(super) fn insert(&mut self, connection: ConnectionId, receiver: Receiver) {
        self.by_id.insert(connection, receiver);
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.by_id.remove(&connection);
        self.pressing.remove(&connection);
    }

    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Receiver> {
        self.by_id.get(&connection)
    }

    /// Queues a private line. False when the receiver is too far behind to take it.
    pub(super) fn tell(&mut self, to: ConnectionId, line: Bytes, deliveries: &mut Deliveries) -> bool {
        let Some(receiver) = self.by_id.get_mut(&to) else {
            return true;
        };
        let pushed = receiver.push(line, deliveries);
        if pushed == Pushed::Pressing {
            self.pressing.insert(to);
        }
        pushed != Pushed::Full
    }

    /// What a connection has missed in each room; from now on it receives again.
    pub(super) fn take_missed(&mut self, connection: ConnectionId) -> BTreeMap<Arc<str>, u64> {
        self.by_id
            .get_mut(&connection)
            .map_or_else(BTreeMap::new, |receiver| std::mem::take(&mut receiver.missed))
    }

    /// The outboxes that `sender` should wait for before it says more: those of receivers it `reaches` that are behind
    /// and follow. One that lags already, or is not worth waiting for, holds nobody up.
    pub(super) fn holding_up(
        &mut self,
        sender: ConnectionId,
        reaches: impl Fn(ConnectionId) -> bool,
    ) -> Vec<Outbox> {
        let mut holding_up = Vec::new();
        let by_id = &self.by_id;
        self.pressing.retain(|id| {
            let follows = |receiver: &&Receiver| {
                receiver.missed.is_empty() && receiver.outbox.is_worth_waiting_for(RECEIVER_PATIENCE)
            };
            let Some(receiver) = by_id.get(id).filter(follows) else {
                return false;
            };
            if *id != sender && reaches(*id) {
                holding_up.push(receiver.outbox.clone());
            }
            true
        });
        holding_up
    }
}

impl Receiver {
    pub(super) fn new(outbox: Outbox, ousted: Arc<Notify>) -> Self {
        Self {
            outbox,
            ousted,
            missed: BTreeMap::new(),
        }
    }

    fn push(&mut self, lines: Bytes, deliveries: &mut Deliveries) -> Pushed {
        match self.missed.is_empty() {
            true => deliveries.push(&self.outbox, lines),
            false => Pushed::Full,
        }
    }

    fn misses(&mut self, open: &Open) {
        *self.missed.entry(Arc::clone(&open.name)).or_default() += open.last_seq - open.first_seq + 1;
    }
}

impl Deliveries {
    /// Queues lines, to be written by this thread or by the receiver's own task.
    fn push(&mut self, outbox: &Outbox, lines: Bytes) -> Pushed {
        if lines.len() > DELIVERY_BYTES_MAX || self.0.len() >= DELIVERIES_MAX {
            return outbox.push(lines);
        }
        let pushed = outbox.defer(lines);
        if matches!(pushed, Pushed::Queued | Pushed::Pressing) {
            self.0.push(outbox.clone());
        }
        pushed
    }

    /// Delivers. Not under the lock: the others need not wait for the system calls.
    pub(super) fn deliver(&mut self) {
        for outbox in std::mem::take(&mut self.0) {
            outbox.deliver();
        }
    }
}
