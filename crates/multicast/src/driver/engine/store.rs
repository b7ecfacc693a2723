//! What waits for the disk: nothing leaves a durable member before what it rests on is stored.
//!
//! The core goes on meanwhile. What a batch of inputs wants done is held until the batch's records are stored, and then done in its
//! order; batches that wait together are stored together.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Engine;
use crate::core::{Input, Output};
use crate::driver::inbox::Inbox;
use crate::durable::keeper::Keeper;
use crate::durable::record::{Entry, Marks, Record};
use crate::group::Sent;
use crate::limits::STORING_BYTES_MAX;

/// Something to be done, and when it came about.
pub(super) enum Due {
    /// The core wants it.
    Output { output: Output, at: u64 },
    /// The application's message was broadcast.
    Sent { sent: Sent, data: Bytes, at: u64 },
}

impl Due {
    /// Whether the application is told of it under a number.
    fn is_told(&self) -> bool {
        match self {
            Self::Output { output, .. } => matches!(output, Output::Deliver { .. } | Output::Missed { .. }),
            Self::Sent { .. } => false,
        }
    }
}

/// A batch that is being stored.
struct Held {
    ticket: u64,
    /// Bytes of payload in its records.
    bytes: usize,
    /// What it wants done then.
    due: Vec<Due>,
}

/// The member's way to its journal.
pub(crate) struct Store {
    keeper: Keeper,
    /// What the present batch changes, and what it wants done.
    records: Vec<Record>,
    due: Vec<Due>,
    /// Bytes of payload in `records`.
    bytes: usize,
    held: VecDeque<Held>,
    /// Bytes of payload in `records` and in all that is held.
    waiting_bytes: usize,
    marks: Option<Marks>,
    /// The ticket of the last batch.
    ticket: u64,
    /// The last number that the application took, as far as it is on its way to the disk.
    taken: u64,
}

impl Store {
    pub(crate) fn new(keeper: Keeper, taken: u64) -> Self {
        Self {
            keeper,
            records: Vec::new(),
            due: Vec::new(),
            bytes: 0,
            held: VecDeque::new(),
            waiting_bytes: 0,
            marks: None,
            ticket: 0,
            taken,
        }
    }

    pub(super) fn hold(&mut self, due: Due) {
        if let Due::Output { output, at, .. } = &due
            && let Some(record) = record(output, *at)
        {
            let bytes = record.payload_bytes();
            self.bytes += bytes;
            self.waiting_bytes += bytes;
            self.records.push(record);
        }
        // What is to be kept is only for the journal.
        if !matches!(
            due,
            Due::Output {
                output: Output::Keep { .. },
                ..
            }
        ) {
            self.due.push(due);
        }
    }

    /// Whether so much waits for the disk that the application's messages are to wait too.
    pub(super) fn is_behind(&self) -> bool {
        self.waiting_bytes >= STORING_BYTES_MAX
    }
}

/// What an output changes that a next life must know.
fn record(output: &Output, at: u64) -> Option<Record> {
    let record = match output {
        Output::Keep { message, time } => Record::Kept {
            message: message.clone(),
            time: *time,
        },
        Output::Deliver { message, time, later } => Record::Told(Entry::Delivered {
            message: message.clone(),
            time: *time,
            later: *later,
            at,
        }),
        &Output::Missed { stream, from, to, .. } => Record::Told(Entry::Missed { stream, from, to }),
        _ => return None,
    };
    Some(record)
}

impl Engine {
    /// Has the batch stored. What it wants done is done at once if nothing must be stored before.
    pub(super) fn commit(&mut self, inbox: &Inbox) {
        let Some(store) = &mut self.store else { return };
        let taken = inbox.taken_number();
        if taken > store.taken {
            store.taken = taken;
            store.records.push(Record::Taken(taken));
        }
        let marks = self.peer.outline().map(|outline| Marks {
            clock: self.peer.clock(),
            outline,
        });
        if marks != store.marks {
            store.records.extend(marks.clone().map(Record::Marks));
            store.marks = marks;
        }
        let due = std::mem::take(&mut store.due);
        if !store.records.is_empty() {
            store.ticket = store.keeper.store(store.records.drain(..));
            store.held.push_back(Held {
                ticket: store.ticket,
                bytes: std::mem::take(&mut store.bytes),
                due,
            });
        } else if let Some(last) = store.held.back_mut() {
            last.due.extend(due);
        } else {
            self.do_all(due);
        }
    }

    /// Everything up to `ticket` is stored: what waited for it is done.
    pub(in crate::driver) fn stored(&mut self, ticket: u64) {
        let mut safe = 0;
        while let Some(store) = &mut self.store
            && let Some(Held { bytes, due, .. }) = store.held.pop_front_if(|held| held.ticket <= ticket)
        {
            store.waiting_bytes -= bytes;
            safe += due.iter().filter(|due| due.is_told()).count() as u64;
            self.do_all(due);
        }
        if safe > 0 {
            self.step(self.now(), Input::Taken(safe));
        }
    }

    /// The ticket of the last batch that waits, or waited, for the disk.
    pub(in crate::driver) fn ticket(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.ticket)
    }

    fn do_all(&mut self, due: Vec<Due>) {
        for due in due {
            match due {
                Due::Output { output, at } => self.do_one(output, at),
                Due::Sent { sent, data, at } => self.tell_sent(sent, data, at),
            }
        }
    }
}
