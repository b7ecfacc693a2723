//! What a client knows, kept over lost connections: which messages are acknowledged, how far each room was seen, what
//! must be sent again.
//!
//! Pure: no socket, no clock. The driver tells it what happens, in the order in which the server sent it, and does
//! what comes out.
//!
//! # Nothing lost, nothing doubled
//!
//! A connection may end between a message and its acknowledgement. Was it said? The server handles the requests of a
//! connection in order, so what it handled of the unacknowledged ones is a beginning. After the reconnect each room is
//! entered with `since`, the last number seen there, and the replay holds everything that came after, our own lines
//! too. So:
//!
//! - a message found in the replay was handled, and everything sent before it too;
//! - a message whose room's replay is complete and does not hold it was not handled, nor anything sent after it: it is
//!   sent again;
//! - what lies between, a private message for example, or one whose replay has a hole after a crash of the server, can
//!   be neither confirmed nor repeated safely. It is handed back as [`Output::Unsure`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::wire::{Event, What};

/// A message, by the order in which it was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// To everybody in a room.
    Say {
        /// The room.
        room: String,
        /// The text.
        text: String,
    },
    /// To one member.
    Tell {
        /// Whom.
        to: String,
        /// The text.
        text: String,
    },
}

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done; a text said in a room has a number there.
    Done(Option<u64>),
    /// Not now, but the same request may pass later: too many at once, or the server goes down.
    Later,
    /// Never.
    Refused,
}

/// What the driver has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this message; its [`Answer`] comes before that of any message sent after it.
    Send(Ticket, Message),
    /// Show this event: it is new.
    Show(Event),
    /// The message was said, with its number where it is known.
    Acknowledged(Ticket, Option<u64>),
    /// The connection was lost at this message, and nobody can tell whether it was said.
    Unsure(Ticket, Message),
    /// So many events of a room will not be seen.
    Missed {
        /// The room.
        room: String,
        /// How many.
        missed: u64,
    },
}

/// See the [module](self).
#[derive(Debug)]
pub struct Session {
    window: usize,
    mine: BTreeSet<String>,
    rooms: BTreeMap<String, Room>,
    posted: VecDeque<Posted>,
    next_ticket: u64,
    online: bool,
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

/// Invariant: every event up to `cursor` was seen, or reported as missed.
#[derive(Debug, Default)]
struct Room {
    cursor: u64,
    replay: Replay,
    /// Our own lines in the replay are ours up to where we are seen leaving.
    still_ours: bool,
    /// The replay has a hole, or is of another room by the same name.
    has_hole: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Replay {
    #[default]
    None,
    /// The connection was lost and the room is not entered again yet.
    Awaited,
    /// Entered again with this number; the replay goes up to the one before.
    Until(u64),
}

impl Session {
    /// A session that has nothing and is not connected. At most `window` messages are on their way at a time; with 1,
    /// the order in which they are said is the order in which they were posted even if the server refuses one for
    /// now.
    #[must_use]
    pub fn new(window: usize) -> Self {
        Self {
            window: window.max(1),
            mine: BTreeSet::new(),
            rooms: BTreeMap::new(),
            posted: VecDeque::new(),
            next_ticket: 1,
            online: false,
            paused: false,
        }
    }

    /// The rooms to enter after a (re)connect, each with the last number seen there.
    pub fn rooms(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rooms.iter().map(|(name, room)| (&**name, room.cursor))
    }

    /// Messages posted and not settled yet.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.posted.len()
    }

    /// Takes a message in; it is sent as soon as that is safe.
    pub fn post(&mut self, message: Message, outputs: &mut Vec<Output>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.posted.push_back(Posted {
            ticket,
            message,
            state: State::Waiting,
        });
        self.pump(outputs);
        ticket
    }

    /// A connection is there; once every room is entered again and its replay is through, messages follow.
    pub fn connected(&mut self, outputs: &mut Vec<Output>) {
        self.online = true;
        self.settle(outputs);
    }

    /// The connection is over; everything that it brought has been told before.
    pub fn lost(&mut self) {
        self.online = false;
        for posted in &mut self.posted {
            if posted.state == State::InFlight {
                posted.state = State::Doubtful;
            }
        }
        for room in self.rooms.values_mut() {
            room.replay = Replay::Awaited;
            room.still_ours = true;
            room.has_hole = false;
        }
    }

    /// A room is entered, again or for the first time: our own `entered` has the number `seq`.
    pub fn entered(&mut self, name: &str, seq: u64, outputs: &mut Vec<Output>) {
        match self.rooms.get_mut(name) {
            None => {
                let room = Room {
                    cursor: seq,
                    ..Room::default()
                };
                self.rooms.insert(name.to_owned(), room);
            }
            Some(room) => {
                if seq <= room.cursor {
                    // The server has forgotten the room, and everything in it is news.
                    room.cursor = 0;
                    room.has_hole = true;
                }
                room.replay = Replay::Until(seq);
                room.end_replay();
            }
        }
        self.settle(outputs);
    }

    /// A room cannot be entered again, or was left.
    pub fn exited(&mut self, name: &str, outputs: &mut Vec<Output>) {
        self.rooms.remove(name);
        self.settle(outputs);
    }

    /// We are known as `name`. Names from before still count as ours in a replay.
    pub fn named(&mut self, name: &str) {
        self.mine.insert(name.to_owned());
    }

    /// Something of our own has the number `seq` in a room: we do not receive it as an event.
    pub fn own(&mut self, name: &str, seq: u64) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.cursor = room.cursor.max(seq);
        }
    }

    /// The answer to the oldest message on its way.
    pub fn answered(&mut self, answer: Answer, outputs: &mut Vec<Output>) -> Option<(Ticket, Message)> {
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
        if let Answer::Done(seq) = answer {
            if let (Message::Say { room, .. }, Some(seq)) = (&message, seq) {
                self.own(room, seq);
            }
            outputs.push(Output::Acknowledged(ticket, seq));
        }
        self.pump(outputs);
        Some((ticket, message))
    }

    /// Whether the server asked us to wait; [`resume`](Self::resume) ends that.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The pause is over.
    pub fn resume(&mut self, outputs: &mut Vec<Output>) {
        self.paused = false;
        self.pump(outputs);
    }

    /// An event came.
    pub fn event(&mut self, event: Event, outputs: &mut Vec<Output>) {
        match event {
            Event::Told { .. } | Event::Error(_) => outputs.push(Output::Show(event)),
            Event::Lagged { room, missed } => {
                if let Some(known) = self.rooms.get_mut(&room) {
                    known.cursor += missed;
                    known.has_hole = true;
                    known.end_replay();
                }
                outputs.push(Output::Missed { room, missed });
            }
            Event::Room {
                ref room,
                seq,
                ref name,
                ref what,
                ..
            } => {
                let Some(known) = self.rooms.get_mut(room) else {
                    outputs.push(Output::Show(event));
                    return;
                };
                if seq <= known.cursor {
                    return;
                }
                let missed = seq - known.cursor - 1;
                if missed > 0 {
                    known.has_hole = true;
                    outputs.push(Output::Missed {
                        room: room.clone(),
                        missed,
                    });
                }
                known.cursor = seq;
                let is_old = known.replay != Replay::None;
                let is_ours = is_old && self.mine.contains(name);
                let known_already = match what {
                    What::Said(text) => {
                        is_ours && known.still_ours && find(&mut self.posted, room, text, seq)
                    }
                    What::Left(_) => {
                        known.still_ours &= !is_ours;
                        is_ours
                    }
                    What::Entered | What::Renamed(_) => is_ours,
                };
                known.end_replay();
                if !known_already {
                    outputs.push(Output::Show(event));
                }
            }
        }
        self.settle(outputs);
    }

    /// Once every room is up to date, decides about the doubtful messages; see the [module](self).
    fn settle(&mut self, outputs: &mut Vec<Output>) {
        if !self.online || self.rooms.values().any(|room| room.replay != Replay::None) {
            return;
        }
        if !self
            .posted
            .iter()
            .any(|posted| matches!(posted.state, State::Doubtful | State::Found(_)))
        {
            return self.pump(outputs);
        }
        let handled = self
            .posted
            .iter()
            .rposition(|posted| matches!(posted.state, State::Found(_)))
            .map_or(0, |last| last + 1);
        let unhandled = (handled..self.posted.len()).find(|&index| {
            let Posted { message, state, .. } = &self.posted[index];
            let whole = |room| self.rooms.get(room).is_some_and(|room| !room.has_hole);
            *state == State::Waiting || matches!(message, Message::Say { room, .. } if whole(room))
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
        self.pump(outputs);
    }

    fn pump(&mut self, outputs: &mut Vec<Output>) {
        let is_replaying = self.rooms.values().any(|room| room.replay != Replay::None);
        if !self.online || self.paused || is_replaying {
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

impl Room {
    fn end_replay(&mut self) {
        if let Replay::Until(seq) = self.replay
            && self.cursor + 1 >= seq
        {
            self.cursor = self.cursor.max(seq);
            self.replay = Replay::None;
        }
    }
}

/// Marks the first doubtful message that is this line, if there is one.
fn find(posted: &mut VecDeque<Posted>, room: &str, text: &str, seq: u64) -> bool {
    let found = posted.iter_mut().find(|posted| {
        posted.state == State::Doubtful
            && matches!(&posted.message, Message::Say { room: to, text: said } if to == room && said == text)
    });
    found.map(|posted| posted.state = State::Found(seq)).is_some()
}

#[cfg(test)]
mod tests;
