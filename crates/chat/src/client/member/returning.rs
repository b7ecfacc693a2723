//! Joining, and coming back to every room after the connection was lost.
//!
//! The room spoken to last is joined; the others are entered again, each from the last number seen there. One that does not
//! let us in for now is asked again, pause by pause, and messages wait meanwhile: what was said while we were away comes first.

use proto::ToldError;

use super::{Action, Member, error, refused};
use crate::client::request::{Asked, Request};
use crate::client::wire::Results;
use crate::client::{Joined, Notice, Session};

/// Pauses in a row after which no room let us in again: then those that are left count as left. With the driver's pauses, ten
/// seconds; messages wait meanwhile.
pub(super) const PAUSES_OUTSIDE_MAX: u32 = 200;

impl Member {
    /// How to join, or to come back: to the room spoken to last, from the last number seen there.
    pub(in crate::client) fn join(&self) -> Request {
        let known = |room: &String| self.session.rooms().find(|(name, _)| name == room);
        let back = match &self.current {
            Some(current) => known(current),
            None => self.session.rooms().next(),
        };
        let (room, since) = match back {
            Some((room, since)) => (room, Some(since)),
            None => (&*self.first_room, None),
        };
        Request::Join {
            name: self.name.clone(),
            room: room.to_owned(),
            since,
            token: self.token.clone(),
            password: self.password.clone(),
        }
    }

    /// The server let us in.
    pub(in crate::client) fn joined(&mut self, results: Results<'_>) -> Joined {
        let joined = Joined {
            members: results.members_count(),
            name: results.name.unwrap_or_default(),
            room: results.room.unwrap_or_default(),
            seq: results.seq.unwrap_or_default(),
        };
        self.token = results.token;
        self.name.clone_from(&joined.name);
        self.current = Some(joined.room.clone());
        self.session.named(&joined.name);
        let mut outputs = Vec::new();
        self.session.entered(&joined.room, joined.seq, &mut outputs);
        debug_assert!(
            outputs.is_empty(),
            "nothing is sent before the session is connected"
        );
        joined
    }

    /// After a join: enters the other rooms again.
    pub(in crate::client) fn enter_again(&mut self, actions: &mut Vec<Action>) {
        self.waiting_outside.clear();
        self.pauses_outside = 0;
        let joined = self.current.as_deref();
        let others = self.session.rooms().filter(|(room, _)| Some(*room) != joined);
        actions.extend(others.map(|(room, since)| {
            Action::Ask(Asked::unbidden(Request::EnterAgain {
                room: room.to_owned(),
                since,
            }))
        }));
        self.decide(actions, None, Session::connected);
    }

    /// The connection is over, with these requests unanswered.
    pub(in crate::client) fn lost<'a>(
        &mut self,
        unanswered: impl Iterator<Item = &'a Asked>,
        actions: &mut Vec<Action>,
    ) {
        self.session.lost();
        for Asked { ticket, request } in unanswered {
            match request {
                // Messages are the session's; the others are asked again by whoever comes back, or not needed.
                Request::Message(_) | Request::Join { .. } | Request::EnterAgain { .. } | Request::Leave => {
                    continue;
                }
                // If it was stored, coming back takes it.
                Request::Register(password) if self.password.is_none() => {
                    self.password = Some(password.clone())
                }
                _ => {}
            }
            actions.push(refused(
                *ticket,
                request.op(),
                error(
                    "lost",
                    "the connection ended before the answer",
                    "try again when it is back",
                ),
            ));
        }
        actions.push(Action::Show(Notice::Disconnected));
    }

    /// Asks for one of the rooms again that did not let us in: all at once would be refused as before.
    pub(super) fn knock(&mut self, actions: &mut Vec<Action>) {
        if self.waiting_outside.is_empty() {
            return;
        }
        self.pauses_outside += 1;
        if self.pauses_outside <= PAUSES_OUTSIDE_MAX {
            let next = self.waiting_outside.pop_front();
            return actions.extend(next.map(|(request, _)| Action::Ask(Asked::unbidden(request))));
        }
        for (request, error) in std::mem::take(&mut self.waiting_outside) {
            if let Request::EnterAgain { room, .. } = &request {
                self.shut_out(room, request.op(), error, actions);
            }
        }
    }

    /// A room does not let us in again: that is told, and what waited for it goes on.
    pub(super) fn shut_out(
        &mut self,
        room: &str,
        op: &'static str,
        error: ToldError,
        actions: &mut Vec<Action>,
    ) {
        actions.push(refused(None, op, error));
        self.exited(None, room.to_owned(), actions);
    }
}
