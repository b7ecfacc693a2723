//! What a member has to tell its application, until the application takes it.
//!
//! Whoever steps the state machine puts events in; the application takes all of them at once. When it does not come for them,
//! the links stop reading and the application's own sends wait until it has.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::group::Event;
use crate::limits::{INBOX_BYTES_MAX, INBOX_EVENTS_MAX};

/// Room that an emptied vector of events may keep, in events: the bound and a batch beyond it. What one message releases in causal
/// or total order may be more, and must not leave its room behind.
const EVENTS_KEPT: usize = 2 * INBOX_EVENTS_MAX;

/// Events on their way to the application: many put, one takes.
#[derive(Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    filled: Notify,
    relieved: Notify,
    /// How many deliveries and misses the application took.
    taken_events: AtomicU64,
    /// The number of the last event that it took.
    taken_number: AtomicU64,
}

/// What the application was given and has not said to have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Given {
    /// Deliveries and misses.
    events: u64,
    /// The last number among them, 0 if none has one.
    pub(crate) number: u64,
}

#[derive(Default)]
struct Queue {
    events: Vec<Event>,
    /// Bytes of payload in `events`.
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// A closed queue takes nothing, so that nobody has to wait until it may be filled.
    fn is_full(&self) -> bool {
        !self.closed && (self.events.len() >= INBOX_EVENTS_MAX || self.bytes >= INBOX_BYTES_MAX)
    }
}

impl Inbox {
    /// Appends `events`, which is left empty. True when the application has to be [woken](Self::wake) for them.
    pub(crate) fn put(&self, events: &mut Vec<Event>) -> bool {
        if events.is_empty() {
            return false;
        }
        let bytes: usize = events.iter().map(payload_bytes).sum();
        let mut queue = self.lock();
        if queue.closed {
            // Nobody wants deliveries any more.
            events.clear();
            return false;
        }
        queue.bytes += bytes;
        if queue.events.is_empty() {
            std::mem::swap(&mut queue.events, events);
            return true;
        }
        queue.events.append(events);
        false
    }

    /// Tells the application that there is something to take.
    pub(crate) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Waits for events and puts all that are there into `taken`, in place of what it held. False when no more will come.
    /// Cancel safe.
    pub(crate) async fn take(&self, taken: &mut Vec<Event>) -> bool {
        taken.clear();
        if taken.capacity() > EVENTS_KEPT {
            *taken = Vec::new();
        }
        loop {
            {
                let mut queue = self.lock();
                if !queue.events.is_empty() {
                    let was_full = queue.is_full();
                    std::mem::swap(&mut queue.events, taken);
                    queue.bytes = 0;
                    drop(queue);
                    if was_full {
                        self.relieved.notify_waiters();
                    }
                    return true;
                }
                if queue.closed {
                    return false;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Whether the application leaves too much lying.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    /// Waits until the application has taken what is there, unless that is little. Cancel safe.
    pub(crate) async fn room(&self) {
        while self.is_full() {
            let mut relieved = pin!(self.relieved.notified());
            relieved.as_mut().enable();
            if !self.is_full() {
                return;
            }
            relieved.await;
        }
    }

    /// The application took these events, and what it was given before them.
    pub(crate) fn note_taken(&self, events: &Given) {
        self.taken_events.fetch_add(events.events, Ordering::Relaxed);
        self.taken_number.fetch_max(events.number, Ordering::Relaxed);
    }

    /// How many deliveries and misses the application took.
    pub(crate) fn taken_events(&self) -> u64 {
        self.taken_events.load(Ordering::Relaxed)
    }

    /// The number of the last delivery or miss that the application took.
    pub(crate) fn taken_number(&self) -> u64 {
        self.taken_number.load(Ordering::Relaxed)
    }

    /// Nothing more comes. What is there can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.relieved.notify_waiters();
    }

    /// Nothing more comes, and nobody takes what is there.
    pub(crate) fn abandon(&self) {
        let closed = Queue {
            closed: true,
            ..Queue::default()
        };
        let abandoned = std::mem::replace(&mut *self.lock(), closed);
        self.close();
        drop(abandoned);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    /// What is in `events`.
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut given = Self::default();
        for event in events {
            match event {
                Event::Delivered(delivery) => {
                    given.events += 1;
                    given.number = delivery.number;
                }
                Event::Missed { number, .. } => {
                    given.events += 1;
                    given.number = *number;
                }
                _ => {}
            }
        }
        given
    }
}

fn payload_bytes(event: &Event) -> usize {
    match event {
        Event::Delivered(delivery) | Event::Sent(delivery) => delivery.data.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use lamport::ProcessId;

    use super::*;
    use crate::group::Delivery;

    fn events(count: usize) -> Vec<Event> {
        (0..count).map(|n| Event::Refused(n.to_string())).collect()
    }

    #[tokio::test]
    async fn everything_comes_out_once_and_in_order() {
        let inbox = Inbox::default();
        assert!(inbox.put(&mut events(2)), "an empty inbox calls for its owner");
        assert!(!inbox.put(&mut events(1)), "the owner is called once");
        inbox.close();
        assert!(!inbox.put(&mut events(1)), "a closed inbox takes nothing");
        let mut taken = events(7);
        assert!(inbox.take(&mut taken).await);
        assert_eq!(taken, [events(2), events(1)].concat());
        assert!(!inbox.take(&mut taken).await);
        assert!(taken.is_empty());
    }

    #[tokio::test]
    async fn a_burst_does_not_leave_its_room_behind() {
        let inbox = Inbox::default();
        let mut taken = Vec::new();
        for count in [3 * INBOX_EVENTS_MAX, 1, 1] {
            inbox.put(&mut events(count));
            assert!(inbox.take(&mut taken).await);
        }
        assert!(inbox.lock().events.capacity().max(taken.capacity()) <= EVENTS_KEPT);
    }

    /// Whether who is to fill it may, once it was full and `end` ended it.
    fn check_end(full: Vec<Event>, end: impl FnOnce(&Inbox)) {
        let inbox = Inbox::default();
        inbox.put(&mut { full });
        let mut room = pin!(inbox.room());
        let mut context = Context::from_waker(Waker::noop());
        assert!(room.as_mut().poll(&mut context).is_pending());
        end(&inbox);
        assert!(room.as_mut().poll(&mut context).is_ready());
        assert!(!inbox.is_full());
    }

    #[test]
    fn nobody_waits_for_room_after_the_end() {
        let long = Delivery {
            number: 1,
            from: ProcessId::new("P1").unwrap(),
            incarnation: 1,
            sequence: 1,
            data: vec![b'x'; INBOX_BYTES_MAX].into(),
            stamp: 1,
            received: 1,
            at: 0,
            own: false,
            later: false,
        };
        for full in [events(INBOX_EVENTS_MAX), vec![Event::Delivered(long)]] {
            check_end(full.clone(), Inbox::abandon);
            check_end(full, Inbox::close);
        }
    }

    #[tokio::test]
    async fn who_fills_it_waits_until_it_is_taken() {
        let inbox = Inbox::default();
        inbox.put(&mut events(INBOX_EVENTS_MAX - 1));
        assert!(!inbox.is_full());
        inbox.put(&mut events(1));
        assert!(inbox.is_full());
        let mut taken = Vec::new();
        let order = Mutex::new(Vec::new());
        let filler = async {
            inbox.room().await;
            order.lock().unwrap().push("room");
        };
        let owner = async {
            tokio::task::yield_now().await;
            order.lock().unwrap().push("taken");
            inbox.take(&mut taken).await;
        };
        tokio::join!(filler, owner);
        assert_eq!(*order.lock().unwrap(), ["taken", "room"]);
    }
}
