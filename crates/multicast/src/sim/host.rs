//! One member of the simulated group: the peer, what it stores, and the application that takes what it delivers.
//!
//! The application keeps its position: it takes what has the next number and skips what it has had. A number that it
//! never saw is skipped over, or one that means another message than before, is a broken promise and remembered as such.

use std::collections::VecDeque;

use super::Planted;
use crate::core::frame::Message;
use crate::core::{Memory, Output, Peer};
use crate::durable::book::Book;
use crate::durable::record::{Entry, Marks, Record};
use crate::sim::history::Event;

/// How a member keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// A crash loses it, or leaves it whole as it was that moment.
    AllOrNothing,
    /// In a journal: a crash leaves what was stored.
    Journal,
}

/// What a batch of inputs changed, and what it wants done once that is stored.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) outputs: Vec<Output>,
    /// Deliveries and misses among them: safe once they are stored.
    pub(super) told: u64,
    /// Broadcasts that the application made, acknowledged with the outputs.
    pub(super) sent: Vec<Event>,
}

#[derive(Default)]
pub(super) struct Host {
    /// `None` while it is down.
    pub(super) peer: Option<Peer>,
    pub(super) incarnation: u64,
    /// What it left behind when it crashed with its state.
    pub(super) kept: Option<Memory>,
    pub(super) chain: usize,
    pub(super) tick_at: u64,
    /// On its way to the application, numbered.
    pub(super) handed: VecDeque<(u64, Event)>,
    /// The number of the last event handed over.
    pub(super) numbered: u64,
    pub(super) book: Book,
    marks: Option<Marks>,
    /// Waits for the disk.
    pub(super) queued: Vec<Batch>,
    /// Is being written.
    pub(super) writing: Vec<Batch>,
    /// What the application took, in its order.
    position: Vec<Event>,
}

impl Host {
    /// A member that is down.
    pub(super) fn new(chain: usize) -> Self {
        Self {
            chain,
            tick_at: u64::MAX,
            ..Self::default()
        }
    }

    /// What the outputs of a batch change that is to be stored.
    pub(super) fn records(&mut self, outputs: &[Output]) -> Vec<Record> {
        let mut records: Vec<Record> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Keep { message, time } => Some(Record::Kept {
                    message: message.clone(),
                    time: *time,
                }),
                Output::Deliver { message, time, later } => Some(Record::Told(Entry::Delivered {
                    message: message.clone(),
                    time: *time,
                    later: *later,
                    at: 0,
                })),
                Output::Missed { stream, from, to, .. } => Some(Record::Told(Entry::Missed {
                    stream: *stream,
                    from: *from,
                    to: *to,
                })),
                _ => None,
            })
            .collect();
        let peer = self.peer.as_ref().expect("it had the outputs");
        let marks = peer.outline().map(|outline| Marks {
            clock: peer.clock(),
            outline,
        });
        if marks != self.marks {
            records.extend(marks.clone().map(Record::Marks));
            self.marks = marks;
        }
        records
    }

    /// The batches being written are on the disk. Returns them.
    pub(super) fn stored(&mut self) -> Vec<Batch> {
        let mut batches = std::mem::take(&mut self.writing);
        for record in batches.iter_mut().flat_map(|batch| batch.records.drain(..)) {
            self.book.apply(record);
        }
        batches
    }

    /// Only the disk is left. A new life hands on what the application is not known to have taken.
    pub(super) fn crash(&mut self) {
        self.queued.clear();
        self.writing.clear();
        self.marks = None;
        self.handed.clear();
        for (number, entry) in self.book.entries() {
            if number > self.book.taken() {
                let event = match entry {
                    Entry::Delivered {
                        message, time, later, ..
                    } => delivered(message, *time, *later),
                    &Entry::Missed { stream, from, to } => Event::Missed {
                        stream,
                        from,
                        to,
                        time: None,
                    },
                };
                self.handed.push_back((number, event));
            }
        }
        self.numbered = self.book.last();
    }

    /// What a new life begins with.
    pub(super) fn memory(&self, incarnation: u64, planted: Option<Planted>) -> Memory {
        let mut memory = self.book.memory(incarnation);
        if planted == Some(Planted::ForgetWatermark)
            && let Some(saved) = &mut memory.saved
        {
            for stream in &mut saved.streams {
                stream.delivered = stream.base - 1;
            }
        }
        memory
    }

    /// The next event for the application gets its number.
    pub(super) fn hand(&mut self, event: Event) {
        self.numbered += 1;
        self.handed.push_back((self.numbered, event));
    }

    /// The application takes the next event: the event, and whether it is new to it.
    pub(super) fn take(&mut self) -> Result<Option<(Event, bool)>, String> {
        let Some((number, event)) = self.handed.pop_front() else {
            return Ok(None);
        };
        let place = usize::try_from(number).expect("a run is short") - 1;
        match self.position.get(place) {
            Some(had) if *had == event => Ok(Some((event, false))),
            Some(had) => Err(format!("number {number} is {event:?} and was {had:?}")),
            None if place == self.position.len() => {
                self.position.push(event.clone());
                Ok(Some((event, true)))
            }
            None => Err(format!("number {number} follows {}", self.position.len())),
        }
    }

    /// The application lost its state too.
    pub(super) fn forget(&mut self) {
        self.handed.clear();
        self.numbered = 0;
        self.position.clear();
    }
}

/// A delivery as the history has it.
pub(super) fn delivered(message: &Message, received: u64, later: bool) -> Event {
    let data = message.data[..]
        .try_into()
        .expect("the world's payloads are numbers");
    Event::Delivered {
        id: message.id,
        stamp: message.stamp,
        received,
        later,
        data: u64::from_be_bytes(data),
    }
}
