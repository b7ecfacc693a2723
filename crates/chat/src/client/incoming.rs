//! Replies and events of one connection, merged into the order in which they came.
//!
//! The connection's task hands replies to whoever waits for each and events into a channel. Which came first matters
//! here, because a reply to `say` gives our own line its place among those of the others. Every receive has a time of
//! its own on the clock, so the smaller time came first; and as one task hands out both in order, everything with a
//! smaller time is there already when a later one is seen.

use std::collections::VecDeque;

use proto::net::{ReceivedEvent, ReceivedReply};
use tokio::sync::{mpsc, oneshot};

/// What comes next. `Q` says which request a reply answers.
pub(super) enum Next<Q> {
    Event(ReceivedEvent),
    Reply(Q, ReceivedReply),
    /// The connection is over and everything that it brought was given out.
    Over,
}

pub(super) struct Incoming<Q> {
    events: mpsc::Receiver<ReceivedEvent>,
    requests: VecDeque<(Q, oneshot::Receiver<ReceivedReply>)>,
    event: Option<ReceivedEvent>,
    reply: Option<ReceivedReply>,
    no_more_events: bool,
    no_more_replies: bool,
}

impl<Q> Incoming<Q> {
    pub(super) fn new(events: mpsc::Receiver<ReceivedEvent>) -> Self {
        let requests = VecDeque::new();
        Self {
            events,
            requests,
            event: None,
            reply: None,
            no_more_events: false,
            no_more_replies: false,
        }
    }

    /// The reply to `request` will come out of `reply`.
    pub(super) fn expect(&mut self, request: Q, reply: oneshot::Receiver<ReceivedReply>) {
        self.requests.push_back((request, reply));
    }

    /// Requests without a reply yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Q> {
        self.requests.iter().map(|(request, _)| request)
    }

    /// The next reply or event. Cancel safe.
    pub(super) async fn next(&mut self) -> Next<Q> {
        loop {
            // Looking again after something was found finds whatever came before it.
            while self.look() {}
            let reply_is_first = match (&self.event, &self.reply) {
                (Some(event), Some(reply)) => reply.received < event.received,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (None, None) if self.no_more_events => return Next::Over,
                (None, None) => {
                    self.wait().await;
                    continue;
                }
            };
            if reply_is_first
                && let Some(reply) = self.reply.take()
                && let Some((request, _)) = self.requests.pop_front()
            {
                return Next::Reply(request, reply);
            }
            if let Some(event) = self.event.take() {
                return Next::Event(event);
            }
        }
    }

    /// Takes what is there without waiting; false when that was nothing new.
    fn look(&mut self) -> bool {
        let before = (self.event.is_some(), self.reply.is_some());
        if self.event.is_none() {
            self.event = self.events.try_recv().ok();
        }
        if self.reply.is_none()
            && let Some((_, reply)) = self.requests.front_mut()
        {
            self.reply = reply.try_recv().ok();
        }
        before != (self.event.is_some(), self.reply.is_some())
    }

    async fn wait(&mut self) {
        let front = self.requests.front_mut().filter(|_| !self.no_more_replies);
        tokio::select! {
            event = self.events.recv() => match event {
                Some(event) => self.event = Some(event),
                None => self.no_more_events = true,
            },
            reply = async {
                match front {
                    Some((_, reply)) => reply.await.ok(),
                    None => std::future::pending().await,
                }
            } => match reply {
                Some(reply) => self.reply = Some(reply),
                None => self.no_more_replies = true,
            },
        }
    }
}
