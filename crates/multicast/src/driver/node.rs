//! A member as its links, its application and its clock share it: one [`Engine`] behind one lock.
//!
//! Whoever has something for the engine, a link a batch of frames, the application its messages, does the work itself:
//! takes the lock, lets the core decide, and hands what is to be sent to the links. So a message wakes no other task between the
//! application and its link, nor between a socket and the application's inbox.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proto::net::Outbox;
use tokio::sync::{Notify, oneshot};

use super::engine::{Engine, Taken};
use super::inbox::Inbox;
use crate::client::Status;
use crate::core::frame::Frame;
use crate::group::{Event, SendError, Sent};
use crate::members::Member;

/// A running member.
pub(crate) struct Node {
    /// Held for one batch, never across an await.
    engine: Mutex<Engine>,
    inbox: Inbox,
    /// Whose turn it is to send: those who wait do so in the order of their coming, and messages of one call stay together.
    turn: tokio::sync::Mutex<()>,
    /// The group takes messages again.
    open: Notify,
    /// The next deadline has come nearer.
    sooner: Notify,
}

/// What is left to do when the engine is unlocked again.
#[derive(Default)]
pub(crate) struct Afterwards {
    /// The application has to be woken.
    pub(crate) told: bool,
    /// Whoever waits to send may.
    pub(crate) opened: bool,
    /// The next deadline is before the one that is waited for.
    pub(crate) sooner: bool,
}

impl Node {
    pub(crate) fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            engine: Mutex::new(engine),
            inbox: Inbox::default(),
            turn: tokio::sync::Mutex::default(),
            open: Notify::new(),
            sooner: Notify::new(),
        })
    }

    /// A link to `member` is there; it lives until `hold` is dropped. False when this member has left.
    pub(crate) fn link_up(
        &self,
        member: Member,
        session: u64,
        incarnation: u64,
        outbox: Outbox,
        hold: oneshot::Sender<()>,
    ) -> bool {
        self.with(|engine| engine.link_up(member, session, incarnation, outbox, hold))
            .is_some()
    }

    /// The link is over.
    pub(crate) fn link_down(&self, member: Member, session: u64) {
        self.with(|engine| engine.link_down(member, session));
    }

    /// Takes what arrived on a link, all of it. False when this member has left.
    pub(crate) fn frames(&self, member: Member, session: u64, frames: &mut Vec<Frame>) -> bool {
        self.with(|engine| engine.frames(member, session, frames))
            .is_some()
    }

    /// Waits while the application does not take what it is told.
    pub(crate) async fn room(&self) {
        self.inbox.room().await;
    }

    /// Sends messages in order, and waits as long as the group takes none.
    pub(crate) async fn send(&self, mut data: VecDeque<Bytes>) -> Result<Vec<Sent>, SendError> {
        let _turn = self.turn.lock().await;
        let mut sent = Vec::with_capacity(data.len());
        loop {
            self.inbox.room().await;
            match self.with(|engine| engine.send(&mut data, &mut sent)) {
                None => return Err(SendError::Left),
                Some(Taken::All) => return Ok(sent),
                Some(Taken::Some) => {}
                Some(Taken::Closed) => self.open.notified().await,
                Some(Taken::Refused) => return Err(SendError::Refused),
            }
        }
    }

    /// The next events, as [`Inbox::take`] gives them.
    pub(crate) async fn take(&self, taken: &mut Vec<Event>) -> bool {
        self.inbox.take(taken).await
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
                () = self.sooner.notified() => {}
            }
        }
    }

    /// Leaves: the links write what they have and end, and nothing more is told.
    pub(crate) fn leave(&self) {
        if let Ok(mut engine) = self.engine.lock() {
            engine.leave();
        }
        self.inbox.abandon();
        self.open.notify_one();
        self.sooner.notify_one();
    }

    fn await_deadline(&self) -> Option<tokio::time::Instant> {
        Some(self.engine.lock().ok()?.await_deadline())
    }

    /// Does `work` on the engine and all that follows from it. `None` when this member has left, or died of a panic.
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> Option<R> {
        let Ok(mut engine) = self.engine.lock() else {
            // What the panic left behind is not to be trusted; the application hears that nothing more comes.
            self.inbox.close();
            return None;
        };
        if engine.has_left() {
            return None;
        }
        let done = work(&mut engine);
        let afterwards = engine.finish(&self.inbox);
        drop(engine);
        if afterwards.told {
            self.inbox.wake();
        }
        if afterwards.opened {
            self.open.notify_one();
        }
        if afterwards.sooner {
            self.sooner.notify_one();
        }
        Some(done)
    }
}
