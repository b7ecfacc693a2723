//! Which Lamport times may be sent: those that the disk knows to be used.
//!
//! The committer moves the mark ([`Store::reserve_stamps`](crate::Store::reserve_stamps)), so that a disk that fails there
//! ends the bank as one that fails at an entry does. It is asked when half of what is reserved is used, so that only a
//! clock that leaps makes anybody wait.

use std::sync::atomic::{AtomicU64, Ordering};

use lamport::TIME_MAX;
use tokio::sync::Notify;

use super::{Bank, Unavailable};
use crate::limits::STAMPS_AHEAD;

/// How far times are reserved, asked for and given back.
#[derive(Debug)]
pub(super) struct Stamps {
    reserved: AtomicU64,
    asked: AtomicU64,
    /// The last time that was used, once nothing more is sent.
    ended: AtomicU64,
    moved: Notify,
}

const STILL_IN_USE: u64 = u64::MAX;

impl Stamps {
    pub(super) fn reserved_through(mark: u64) -> Self {
        Self {
            reserved: AtomicU64::new(mark),
            asked: AtomicU64::new(mark),
            ended: AtomicU64::new(STILL_IN_USE),
            moved: Notify::new(),
        }
    }

    /// How far the committer is to reserve, if that is further than it has.
    pub(super) fn wanted(&self) -> Option<u64> {
        let asked = self.asked.load(Ordering::Acquire);
        (asked > self.reserved.load(Ordering::Acquire)).then_some(asked)
    }

    /// What is given back, once nothing more is sent.
    pub(super) fn given_back(&self) -> Option<u64> {
        let ended = self.ended.load(Ordering::Acquire);
        (ended < self.reserved.load(Ordering::Acquire)).then_some(ended)
    }

    /// Everything up to `mark` may be sent now.
    pub(super) fn grant(&self, mark: u64) {
        self.reserved.store(mark, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// Wakes everybody who waits: nothing more is granted.
    pub(super) fn fail(&self) {
        self.moved.notify_waiters();
    }

    fn has(&self, time: u64) -> bool {
        time <= self.reserved.load(Ordering::Acquire)
    }

    /// Whether more is to be asked for now that `time` is used. True once for each time that the mark is to move.
    fn ask(&self, time: u64) -> bool {
        let asked = self.asked.load(Ordering::Acquire);
        let further = time.saturating_add(STAMPS_AHEAD).min(TIME_MAX);
        if asked.saturating_sub(time) > STAMPS_AHEAD / 2 || further <= asked {
            return false;
        }
        self.asked.fetch_max(further, Ordering::AcqRel) < further
    }
}

impl Bank {
    /// The largest Lamport time that this bank may have sent or received before it was started: where its clock goes
    /// on.
    #[must_use]
    pub fn lamport(&self) -> u64 {
        self.shared.first_time
    }

    /// Waits until a message with this stamp may be sent: until no later life of this bank will use it again. In the
    /// normal case that is so already.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]: the stamp must not be sent.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn may_send(&self, stamp: u64) -> Result<(), Unavailable> {
        // A clock at its end repeats its last time, and clients refuse it.
        let stamp = stamp.min(TIME_MAX);
        let stamps = &self.shared.stamps;
        if stamps.ask(stamp) {
            // Behind the book, so that the committer either sees the wish or is asleep when it is woken.
            drop(self.shared.book());
            self.shared.work.notify_one();
        }
        loop {
            // Made before looking: a notification in between is not missed.
            let moved = stamps.moved.notified();
            if stamps.has(stamp) {
                return Ok(());
            }
            self.shared.book().must_serve()?;
            moved.await;
        }
    }

    /// Gives back the times after `last`, the latest that was used: the next start goes on from there. To be called
    /// when nothing more is sent, before [`close`](Self::close).
    pub fn give_back_stamps_after(&self, last: u64) {
        self.shared.stamps.ended.store(last, Ordering::Release);
    }
}
