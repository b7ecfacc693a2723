//! What the answers to requests mean.

use std::collections::BTreeMap;

use proto::ToldError;

use super::{Action, Member, refused, translate};
use crate::client::passing::{is_taken_later, lets_in_later};
use crate::client::request::{Asked, Request};
use crate::client::session::Answer;
use crate::client::wire::{Results, RoomLine};
use crate::client::{Done, Notice, Ticket};

impl Member {
    /// A request was answered.
    pub(in crate::client) fn reply(
        &mut self,
        asked: &Asked,
        answer: Result<Results<'_>, ToldError>,
        actions: &mut Vec<Action>,
    ) {
        match answer {
            Ok(results) => self.done(asked, results, actions),
            Err(error) => self.refused(asked, error, actions),
        }
    }

    fn refused(&mut self, asked: &Asked, error: ToldError, actions: &mut Vec<Action>) {
        let Asked { ticket, request } = asked;
        match request {
            Request::Message(_) => {
                let answer = if is_taken_later(&error) {
                    Answer::Later
                } else {
                    Answer::Refused
                };
                let mut outputs = Vec::new();
                if self.session.answered(answer, &mut outputs).is_some() {
                    actions.push(refused(*ticket, request.op(), error));
                }
                translate(outputs, None, actions);
            }
            Request::EnterAgain { .. } if lets_in_later(&error) => {
                self.waiting_outside.push_back((request.clone(), error));
            }
            Request::EnterAgain { room, .. } => self.shut_out(room, request.op(), error, actions),
            _ => actions.push(refused(*ticket, request.op(), error)),
        }
    }

    fn done(&mut self, asked: &Asked, results: Results<'_>, actions: &mut Vec<Action>) {
        let Asked { ticket, request } = asked;
        let room = results.room.clone().unwrap_or_default();
        let seq = results.seq;
        let done = match request {
            Request::Message(_) => {
                return self.decide(actions, None, |session, outputs| {
                    session.answered(Answer::Done(seq), outputs);
                });
            }
            Request::EnterAgain { .. } => {
                self.pauses_outside = 0;
                return self.decide(actions, None, |session, outputs| {
                    session.entered(&room, seq.unwrap_or_default(), outputs);
                });
            }
            Request::Enter(_) => {
                self.current = Some(room.clone());
                let done = Done::Entered {
                    room: room.clone(),
                    members: results.members_count(),
                };
                actions.push(Action::Show(Notice::Done(*ticket, done)));
                return self.decide(actions, None, |session, outputs| {
                    session.entered(&room, seq.unwrap_or_default(), outputs);
                });
            }
            Request::Exit(_) => return self.exited(*ticket, room, actions),
            Request::Rooms => Done::Rooms {
                rooms: results.rooms_as::<Vec<RoomLine>>(),
                more: results.more,
            },
            Request::Who(_) => Done::Who {
                room,
                members: results.members_names(),
                more: results.more,
            },
            Request::History { .. } => Done::History {
                room,
                events: results.parsed_events(),
                more: results.more,
            },
            Request::Rename(_) => {
                for (room, seq) in results.rooms_as::<BTreeMap<String, u64>>() {
                    self.session.own(&room, seq);
                }
                self.name = results.name.unwrap_or_default();
                self.session.named(&self.name);
                Done::Renamed(self.name.clone())
            }
            Request::Register(password) => {
                self.password = Some(password.clone());
                Done::Registered(results.name.unwrap_or_default())
            }
            Request::Join { .. } | Request::Leave => return,
        };
        actions.push(Action::Show(Notice::Done(*ticket, done)));
    }

    /// A room was left, at a command or without one.
    pub(super) fn exited(&mut self, ticket: Option<Ticket>, room: String, actions: &mut Vec<Action>) {
        let mut outputs = Vec::new();
        self.session.exited(&room, &mut outputs);
        if self.current.as_ref() == Some(&room) {
            self.current = self.session.rooms().next().map(|(name, _)| name.to_owned());
        }
        let current = self.current.clone();
        actions.push(Action::Show(Notice::Done(ticket, Done::Exited { room, current })));
        translate(outputs, None, actions);
    }
}
