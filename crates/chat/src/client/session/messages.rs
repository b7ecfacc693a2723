//! The messages that were posted and are not settled yet, in the order in which they were posted.

use std::collections::VecDeque;

use super::{Answer, Message, Output, Ticket};

#[derive(Debug)]
pub(super) struct Messages {
    window: usize,
    posted: VecDeque<Posted>,
    paused: bool,
}

#[derive(Debug)]
struct Posted {
    ticket: Ticket,
    message: Message,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    InFlight,
    /// Sent on a connection that was lost before the answer.
    Doubtful,
    /// The replay holds it, under this number.
    Found(u64),
}

impl Messages {
    /// None yet; at most `window` are on their way at a time.
    pub(super) fn new(window: usize) -> Self {
        Self {
            window: window.max(1),
            posted: VecDeque::new(),
            paused: false,
        }
    }

    pub(super) fn unsettled(&self) -> usize {
        self.posted.len()
    }

    pub(super) fn post(&mut self, ticket: Ticket, message: Message) {
        self.posted.push_back(Posted {
            ticket,
            message,
            state: State::Waiting,
        });
    }

    /// Whether those on their way were handled is now in doubt.
    pub(super) fn lost(&mut self) {
        for posted in &mut self.posted {
            if posted.state == State::InFlight {
                posted.state = State::Doubtful;
            }
        }
    }

    /// The answer to the oldest message on its way, which is returned if that settles it.
    pub(super) fn answered(&mut self, answer: Answer) -> Option<(Ticket, Message)> {
        let index = self
            .posted
            .iter()
            .position(|posted| posted.state == State::InFlight)?;
        if answer == Answer::Later {
            self.posted[index].state = State::Waiting;
            self.paused = true;
            return None;
        }
        let Posted { ticket, message, .. } = self.posted.remove(index)?;
        Some((ticket, message))
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    /// Marks the first doubtful message that is this line of ours, if there is one.
    pub(super) fn find(&mut self, room: &str, text: &str, seq: u64) -> bool {
        let found = self.posted.iter_mut().find(|posted| {
            posted.state == State::Doubtful
                && matches!(&posted.message, Message::Say { room: to, text: said } if to == room && said == text)
        });
        found.map(|posted| posted.state = State::Found(seq)).is_some()
    }

    /// Every replay is through: decides about the doubtful messages. `is_whole` says of a room whether its replay holds
    /// everything.
    pub(super) fn settle(&mut self, is_whole: impl Fn(&str) -> bool, outputs: &mut Vec<Output>) {
        if !self
            .posted
            .iter()
            .any(|posted| matches!(posted.state, State::Doubtful | State::Found(_)))
        {
            return;
        }
        let handled = self
            .posted
            .iter()
            .rposition(|posted| matches!(posted.state, State::Found(_)))
            .map_or(0, |last| last + 1);
        let unhandled = (handled..self.posted.len()).find(|&index| {
            let Posted { message, state, .. } = &self.posted[index];
            *state == State::Waiting || matches!(message, Message::Say { room, .. } if is_whole(room))
        });
        let unhandled = unhandled.unwrap_or(self.posted.len());
        for index in 0..unhandled {
            let Posted {
                ticket,
                message,
                state,
            } = self.posted.pop_front().expect("there are that many");
            outputs.push(match state {
                State::Found(seq) => Output::Acknowledged(ticket, Some(seq)),
                _ if index < handled => Output::Acknowledged(ticket, None),
                _ => Output::Unsure(ticket, message),
            });
        }
        for posted in self
            .posted
            .iter_mut()
            .filter(|posted| posted.state == State::Doubtful)
        {
            posted.state = State::Waiting;
        }
    }

    /// Sends what waits, as far as the window lets it.
    pub(super) fn pump(&mut self, outputs: &mut Vec<Output>) {
        if self.paused {
            return;
        }
        let on_their_way = self
            .posted
            .iter()
            .filter(|posted| posted.state == State::InFlight)
            .count();
        let free = self.window.saturating_sub(on_their_way);
        for posted in self
            .posted
            .iter_mut()
            .filter(|posted| posted.state == State::Waiting)
            .take(free)
        {
            posted.state = State::InFlight;
            outputs.push(Output::Send(posted.ticket, posted.message.clone()));
        }
    }
}
