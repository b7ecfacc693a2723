//! Who a client is in the chat, over all its connections: its name, its rooms, and what commands, replies and events
//! mean to it.
//!
//! Pure, like the [`Session`] that it holds: it takes what happened and says what to ask and what to show. The driver
//! does that, in the order given.

mod replies;
mod returning;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use proto::ToldError;

use super::request::{Asked, Request};
use super::session::Output;
use super::{Command, Done, End, Event, Message, Notice, Session, Settings, Ticket, parse_event};
use crate::codes as chat_codes;

/// Messages on their way at a time. With one, what the server refuses for now is said before what comes after it;
/// and the server takes some ten thousand a second over a round trip each, far more than its flood limit lets pass.
const WINDOW: usize = 1;

/// Messages posted and not settled; beyond it no command is taken until the server has caught up.
const UNSETTLED_MAX: usize = 256;

/// What the driver has to do.
#[derive(Debug)]
pub(super) enum Action {
    Ask(Asked),
    Show(Notice),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Member {
    session: Session,
    name: String,
    password: Option<String>,
    /// By which the server knows us again.
    token: Option<String>,
    /// Where to join while no room was entered.
    first_room: String,
    /// What is said without naming a room goes here.
    current: Option<String>,
    /// Rooms that are to be entered again and did not let us in for now, with what they said.
    waiting_outside: VecDeque<(Request, ToldError)>,
    /// Pauses since the last room let us in again.
    pauses_outside: u32,
    finishing: bool,
}

impl Member {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            session: Session::new(WINDOW),
            name: settings.name.clone(),
            password: settings.password.clone(),
            token: None,
            first_room: settings.room.clone(),
            current: None,
            waiting_outside: VecDeque::new(),
            pauses_outside: 0,
            finishing: false,
        }
    }

    /// Whether there is room for another command.
    pub(super) fn takes_commands(&self) -> bool {
        // After the last one only leaving can be wanted, whatever is not settled.
        self.finishing || self.session.unsettled() < UNSETTLED_MAX
    }

    /// Whether everything posted is settled after [`Command::Finish`].
    pub(super) fn has_finished(&self) -> bool {
        self.finishing && self.session.unsettled() == 0
    }

    /// How it ends for who leaves now.
    pub(super) fn left(&self) -> End {
        End::Left(self.session.unsettled())
    }

    /// Whether the server asked us to wait; [`pause_is_over`](Self::pause_is_over) ends that.
    pub(super) fn is_paused(&self) -> bool {
        self.session.is_paused() || !self.waiting_outside.is_empty()
    }

    pub(super) fn pause_is_over(&mut self, actions: &mut Vec<Action>) {
        self.knock(actions);
        self.decide(actions, None, Session::resume);
    }

    /// Somebody wants something while there is a connection.
    pub(super) fn command(&mut self, ticket: Ticket, command: Command, actions: &mut Vec<Action>) {
        let request = match command {
            Command::Say { room, text } => return self.say(ticket, room, text, actions),
            Command::Tell { to, text } => return self.post(ticket, Message::Tell { to, text }, actions),
            Command::Finish => {
                self.finishing = true;
                return;
            }
            Command::Enter(room) => {
                if let Some(known) = self.entered_before(&room) {
                    self.current = Some(known.clone());
                    let done = Done::Entered {
                        room: known,
                        members: 0,
                    };
                    return actions.push(Action::Show(Notice::Done(Some(ticket), done)));
                }
                Request::Enter(room)
            }
            Command::Exit(room) => match self.room_meant(ticket, "exit", room, actions) {
                None => return,
                room => Request::Exit(room),
            },
            Command::Rooms => Request::Rooms,
            Command::Who(room) => match self.room_meant(ticket, "who", room, actions) {
                None => return,
                room => Request::Who(room),
            },
            Command::History { room, limit } => match self.room_meant(ticket, "history", room, actions) {
                None => return,
                room => Request::History { room, limit },
            },
            Command::Rename(name) => Request::Rename(name),
            Command::Register(password) => Request::Register(password),
            Command::Leave => Request::Leave,
        };
        actions.push(Action::Ask(Asked {
            ticket: Some(ticket),
            request,
        }));
    }

    /// Somebody wants something else than to leave while there is no connection. What needs the server is refused.
    pub(super) fn command_offline(&mut self, ticket: Ticket, command: Command, actions: &mut Vec<Action>) {
        let mut wanted = Vec::new();
        self.command(ticket, command, &mut wanted);
        actions.extend(wanted.into_iter().map(|action| match action {
            Action::Ask(Asked { ticket, request }) => refused(
                ticket,
                request.op(),
                error(
                    "not_connected",
                    "there is no connection",
                    "what you say is kept; try this again when it is back",
                ),
            ),
            shown => shown,
        }));
    }

    /// An event came. It may be that somebody with our token has joined elsewhere: that is the end.
    pub(super) fn event(&mut self, line: &Bytes, actions: &mut Vec<Action>) -> Option<End> {
        let event = parse_event(line)?;
        if let Event::Error(error) = &event
            && error.is(chat_codes::TAKEN_OVER)
        {
            return Some(End::Refused(error.clone()));
        }
        self.decide(actions, Some(line), |session, outputs| {
            session.event(event, outputs)
        });
        None
    }

    fn say(&mut self, ticket: Ticket, room: Option<String>, text: String, actions: &mut Vec<Action>) {
        if let Some(room) = self.room_meant(ticket, "say", room, actions) {
            self.post(ticket, Message::Say { room, text }, actions);
        }
    }

    /// The room that is named, or the one spoken to now. If there is neither, the operation is refused.
    fn room_meant(
        &self,
        ticket: Ticket,
        op: &'static str,
        room: Option<String>,
        actions: &mut Vec<Action>,
    ) -> Option<String> {
        let room = room.or_else(|| self.current.clone());
        if room.is_none() {
            let nowhere = error("not_in_room", "you are in no room", "/enter ROOM");
            actions.push(refused(Some(ticket), op, nowhere));
        }
        room
    }

    fn post(&mut self, ticket: Ticket, message: Message, actions: &mut Vec<Action>) {
        self.decide(actions, None, |session, outputs| {
            session.post(ticket, message, outputs);
        });
    }

    /// The room by that name that we are in: going back to it needs no server.
    fn entered_before(&self, room: &str) -> Option<String> {
        self.session
            .rooms()
            .map(|(name, _)| name)
            .find(|name| name.eq_ignore_ascii_case(room))
            .map(str::to_owned)
    }

    /// Lets the session decide; `line` is what an event to show came as.
    fn decide(
        &mut self,
        actions: &mut Vec<Action>,
        line: Option<&Bytes>,
        input: impl FnOnce(&mut Session, &mut Vec<Output>),
    ) {
        let mut outputs = Vec::new();
        input(&mut self.session, &mut outputs);
        translate(outputs, line, actions);
    }
}

/// What the session decided, as what the driver does.
fn translate(outputs: Vec<Output>, line: Option<&Bytes>, actions: &mut Vec<Action>) {
    actions.extend(outputs.into_iter().map(|output| match output {
        Output::Send(ticket, message) => Action::Ask(Asked {
            ticket: Some(ticket),
            request: Request::Message(message),
        }),
        Output::Show(event) => Action::Show(Notice::Event(event, line.cloned().unwrap_or_default())),
        Output::Acknowledged(ticket, seq) => Action::Show(Notice::Acknowledged(ticket, seq)),
        Output::Unsure(ticket, message) => Action::Show(Notice::Unsure(ticket, message)),
        Output::Missed { room, missed } => Action::Show(Notice::Missed { room, missed }),
    }));
}

fn refused(ticket: Option<Ticket>, op: &'static str, error: ToldError) -> Action {
    Action::Show(Notice::Refused { ticket, op, error })
}

/// An error that no server told: we know it ourselves.
fn error(code: &str, message: &str, hint: &str) -> ToldError {
    ToldError {
        code: code.to_owned(),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    }
}
