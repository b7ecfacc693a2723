//! A member as its links, its application and its clock share it: one [`Engine`] behind one lock.
//!
//! Whoever has something for the engine, a link a batch of frames, the application its messages, does the work itself:
//! takes the lock, lets the core decide, and writes what is to be sent after letting go of the lock. So a message wakes no other
//! task between the application and the socket, nor between the socket and the application's inbox. A link that finds the lock
//! taken [leaves its frames](flat_combining) to whoever has it, and reads on; it waits for the lock only when it comes with
//! more while those are still there.

use std::collections::VecDeque;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use flat_combining::{Combiner, Combining, Gone, Hold};
use proto::WireError;
use proto::net::Outbox;
use tokio::sync::{Notify, oneshot, watch};

use super::engine::{Accepted, Batch, Engine};
use super::inbox::{Given, Inbox};
use crate::client::Status;
use crate::core::frame::Frame;
use crate::durable::journal::JournalError;
use crate::group::{Event, Failure, SendError, Sent};
use crate::limits::{COMBINING_ROUNDS_MAX, STORING_MAX};
use crate::members::Member;

/// A running member.
pub(crate) struct Node {
    /// Held for one batch of every link at most, and one of what its holder comes with; never across an await.
    engine: Combining<Engine, Batch>,
    durable: bool,
    inbox: Inbox,
    /// Whose turn it is to send: those who wait do so in the order of their coming, and messages of one call stay together.
    turn: tokio::sync::Mutex<()>,
    /// The group takes messages again.
    open: Notify,
    /// Calls the task that keeps the time: the next deadline has come nearer, or frames wait for somebody to take them.
    timekeeper: Notify,
    /// The ticket of the last batch that a durable member gave to its journal: who asks need not wait for the engine.
    ticket: AtomicU64,
    /// How far its batches are stored.
    stored: watch::Sender<Stored>,
    /// Why the member left by itself.
    failure: OnceLock<Failure>,
}

/// How far batches are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stored {
    ticket: u64,
    /// Nothing more will be.
    over: bool,
}

/// What is left to do when the engine is unlocked again.
#[derive(Default)]
pub(crate) struct Afterwards {
    /// Links that were given something to write.
    pub(crate) written: Vec<Outbox>,
    /// The application has to be woken.
    pub(crate) told: bool,
    /// Whoever waits to send may.
    pub(crate) opened: bool,
    /// The next deadline is before the one that is waited for.
    pub(crate) sooner: bool,
    /// The core does nothing more: the member has to leave, and this is why.
    pub(crate) disowned: Option<WireError>,
}

impl Node {
    /// A member with the engine that `engine` makes; it gets the node to tell it what comes from elsewhere.
    pub(crate) fn new_cyclic(engine: impl FnOnce(&Weak<Self>) -> Engine) -> Arc<Self> {
        Arc::new_cyclic(|node| Self::new(engine(node)))
    }

    fn new(engine: Engine) -> Self {
        let members = engine.members();
        Self {
            durable: engine.is_durable(),
            engine: Combining::new(engine, members, COMBINING_ROUNDS_MAX),
            inbox: Inbox::default(),
            turn: tokio::sync::Mutex::default(),
            open: Notify::new(),
            timekeeper: Notify::new(),
            ticket: AtomicU64::new(0),
            stored: watch::Sender::default(),
            failure: OnceLock::new(),
        }
    }

    /// A link to `member` is there; it lives until `hold` is dropped. False when this member has left.
    pub(crate) fn link_up(
        &self,
        member: Member,
        link_number: u64,
        incarnation: u64,
        outbox: Outbox,
        hold: oneshot::Sender<()>,
    ) -> bool {
        self.with(|engine| engine.link_up(member, link_number, incarnation, outbox, hold))
            .is_some()
    }

    /// A link to a member was not made, and why. True if that is news since the last link to it.
    pub(crate) fn not_linked(&self, member: Member, why: String) -> bool {
        self.with(|engine| engine.not_linked(member, why))
            .unwrap_or(false)
    }

    /// The link is over.
    pub(crate) fn link_down(&self, member: Member, link_number: u64) {
        self.with(|engine| engine.link_down(member, link_number));
    }

    /// Takes what arrived on a link, all of it, or leaves it to whoever is at the engine. False when this member has left.
    pub(crate) fn frames(&self, member: Member, link_number: u64, frames: &mut Vec<Frame>) -> bool {
        let mut batch = Batch {
            link_number,
            frames: std::mem::take(frames),
        };
        let live = match self.engine.publish(self, member.index(), &mut batch) {
            // What it left before goes first.
            Ok(false) => self
                .with(|engine| engine.take_batch(member, &mut batch))
                .is_some(),
            published => self.unless_gone(published).is_some(),
        };
        *frames = batch.frames;
        live
    }

    /// Waits while the application does not take what it is told, or the disk does not keep up.
    pub(crate) async fn room(&self) {
        self.inbox.room().await;
        if !self.durable {
            return;
        }
        let keeps_up = |stored: &Stored| stored.over || self.ticket() <= stored.ticket + STORING_MAX;
        // The node has the sender.
        let _ = self.stored.subscribe().wait_for(keeps_up).await;
    }

    /// Sends messages in order, and waits as long as the group takes none.
    pub(crate) async fn send(&self, mut data: VecDeque<Bytes>) -> Result<Vec<Sent>, SendError> {
        let turn = self.turn.lock().await;
        let mut sent = Vec::with_capacity(data.len());
        loop {
            self.room().await;
            match self.with(|engine| engine.send(&mut data, &mut sent)) {
                None => return Err(SendError::Left),
                Some(Accepted::All) => {
                    drop(turn);
                    return if self.all_stored().await {
                        Ok(sent)
                    } else {
                        Err(SendError::Left)
                    };
                }
                Some(Accepted::Some) => {}
                Some(Accepted::Closed) => self.open.notified().await,
                Some(Accepted::Refused) => return Err(SendError::Refused),
            }
        }
    }

    /// The next events, as [`Inbox::take`] gives them.
    pub(crate) async fn take(&self, taken: &mut Vec<Event>) -> bool {
        self.inbox.take(taken).await
    }

    /// The application took what it was given.
    pub(crate) fn note_taken(&self, given: &Given) {
        self.inbox.note_taken(given);
        if given.number > 0 && self.durable {
            // A durable member does not wait for its clock: what is not noted would be told again after a crash.
            self.with(|_| ());
        }
    }

    /// Tells the application what a former life left to be told.
    pub(crate) fn tell_again(&self, mut events: Vec<Event>) {
        if self.inbox.put(&mut events) {
            self.inbox.wake();
        }
    }

    /// The keeper's word: everything up to a ticket is stored, or nothing will be any more.
    pub(crate) fn stored(&self, stored: Result<u64, JournalError>) {
        match stored {
            Ok(ticket) => {
                self.with(|engine| engine.stored(ticket));
                self.stored.send_modify(|stored| stored.ticket = ticket);
            }
            Err(error) => {
                tracing::error!("nothing is sent or delivered any more: {error}");
                self.fail(Failure::Journal(error));
            }
        }
    }

    /// Waits until everything that the engine did so far is stored. False when that will never be.
    pub(crate) async fn all_stored(&self) -> bool {
        if !self.durable {
            return true;
        }
        let ticket = self.ticket();
        let mut stored = self.stored.subscribe();
        let settled = stored
            .wait_for(|stored| stored.over || stored.ticket >= ticket)
            .await;
        settled.is_ok_and(|stored| stored.ticket >= ticket)
    }

    /// Why the member has left by itself, if it has.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    /// Leaves, because nothing else is left to do. The first reason counts.
    fn fail(&self, failure: Failure) {
        let _ = self.failure.set(failure);
        self.leave();
    }

    /// At least the ticket of whatever this thread, or one that it heard from, had the engine do.
    fn ticket(&self) -> u64 {
        self.ticket.load(Ordering::Relaxed)
    }

    /// How the member is; `None` once it has left.
    pub(crate) fn status(&self) -> Option<Status> {
        self.with(|engine| engine.status())
    }

    /// Does what is due when nothing arrives, until this member leaves.
    pub(crate) async fn keep_time(&self) {
        while let Some(deadline) = self.with(|_| ()).and_then(|()| self.await_deadline()) {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                () = self.timekeeper.notified() => {}
            }
            // Links may leave more and more for it.
            tokio::task::yield_now().await;
        }
    }

    /// Leaves: the links write what they have and end, and nothing more is told.
    pub(crate) fn leave(&self) {
        let store = self.look(Engine::leave);
        // Its thread may want the lock before it ends.
        drop(store);
        self.stored.send_modify(|stored| stored.over = true);
        self.inbox.abandon();
        self.open.notify_one();
        self.timekeeper.notify_one();
    }

    fn await_deadline(&self) -> Option<tokio::time::Instant> {
        self.look(Engine::await_deadline)
    }

    /// Looks at the engine, even of a member that has left. `None` if it died of a panic.
    fn look<R>(&self, look: impl FnOnce(&mut Engine) -> R) -> Option<R> {
        self.unless_gone(self.engine.look(self, look))
    }

    /// Does `work` on the engine and all that follows from it. `None` when this member has left, or died of a panic.
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> Option<R> {
        self.unless_gone(self.engine.with(self, work))
    }

    /// What a panic left behind is not to be trusted; the application hears that nothing more comes.
    fn unless_gone<R>(&self, done: Result<R, Gone>) -> Option<R> {
        if matches!(done, Err(Gone::Poisoned)) {
            let _ = self.failure.set(Failure::Panicked);
            self.inbox.close();
        }
        done.ok()
    }
}

impl Combiner<Engine, Batch> for Node {
    fn combine<R>(
        &self,
        mut engine: Hold<'_, Engine, Batch>,
        work: impl FnOnce(&mut Engine) -> R,
    ) -> Option<R> {
        if engine.has_left() {
            return None;
        }
        engine.take_published(|engine, place, batch| engine.take_batch(Member::new(place), batch));
        let done = work(&mut engine);
        let afterwards = engine.finish(&self.inbox);
        self.ticket.store(engine.ticket(), Ordering::Relaxed);
        drop(engine);
        for outbox in afterwards.written {
            outbox.deliver();
        }
        if afterwards.told {
            self.inbox.wake();
        }
        if afterwards.opened {
            self.open.notify_one();
        }
        if afterwards.sooner {
            self.timekeeper.notify_one();
        }
        if let Some(why) = afterwards.disowned {
            self.fail(Failure::Disowned(why));
        }
        Some(done)
    }

    fn hand_over(&self) {
        self.timekeeper.notify_one();
    }
}

#[cfg(test)]
mod tests;
