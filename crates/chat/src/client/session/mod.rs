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

mod messages;
mod room;

use std::collections::{BTreeMap, BTreeSet};

use self::messages::Messages;
use self::room::{Room, Seen};
use super::wire::{Event, What};

/// What names a command, and the message it says, in what is told of it later. No two commands of a member have the same.
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
    mine: BTreeSet<String>,
    rooms: BTreeMap<String, Room>,
    messages: Messages,
    online: bool,
}

impl Session {
    /// A session that has nothing and is not connected. At most `window` messages are on their way at a time; with 1,
    /// the order in which they are said is the order in which they were posted even if the server refuses one for
    /// now.
    #[must_use]
    pub fn new(window: usize) -> Self {
        Self {
            mine: BTreeSet::new(),
            rooms: BTreeMap::new(),
            messages: Messages::new(window),
            online: false,
        }
    }

    /// The rooms to enter after a (re)connect, each with the last number seen there.
    pub fn rooms(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rooms
            .iter()
            .map(|(name, room)| (&**name, room.seen_through()))
    }

    /// Messages posted and not settled yet.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.messages.unsettled()
    }

    /// Takes a message in, which `ticket` names; it is sent as soon as that is safe.
    pub fn post(&mut self, ticket: Ticket, message: Message, outputs: &mut Vec<Output>) {
        self.messages.post(ticket, message);
        self.pump(outputs);
    }

    /// A connection is there; once every room is entered again and its replay is through, messages follow.
    pub fn connected(&mut self, outputs: &mut Vec<Output>) {
        self.online = true;
        self.settle(outputs);
    }

    /// The connection is over; everything that it brought has been told before.
    pub fn lost(&mut self) {
        self.online = false;
        self.messages.lost();
        self.rooms.values_mut().for_each(Room::lost);
    }

    /// A room is entered, again or for the first time: our own `entered` has the number `seq`.
    pub fn entered(&mut self, name: &str, seq: u64, outputs: &mut Vec<Output>) {
        match self.rooms.get_mut(name) {
            None => drop(self.rooms.insert(name.to_owned(), Room::entered(seq))),
            Some(room) => room.entered_again(seq),
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
            room.own(seq);
        }
    }

    /// The answer to the oldest message on its way.
    pub fn answered(&mut self, answer: Answer, outputs: &mut Vec<Output>) -> Option<(Ticket, Message)> {
        let (ticket, message) = self.messages.answered(answer)?;
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
        self.messages.is_paused()
    }

    /// The pause is over.
    pub fn resume(&mut self, outputs: &mut Vec<Output>) {
        self.messages.resume();
        self.pump(outputs);
    }

    /// An event came.
    pub fn event(&mut self, event: Event, outputs: &mut Vec<Output>) {
        match event {
            Event::Told { .. } | Event::Error(_) => outputs.push(Output::Show(event)),
            Event::Lagged { room, missed } => {
                if let Some(known) = self.rooms.get_mut(&room) {
                    known.lagged(missed);
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
                let Some(Seen { missed, is_replayed }) = known.see(seq) else {
                    return;
                };
                if missed > 0 {
                    outputs.push(Output::Missed {
                        room: room.clone(),
                        missed,
                    });
                }
                let is_ours = is_replayed && self.mine.contains(name);
                let known_already = match what {
                    What::Said(text) => {
                        is_ours && known.is_still_ours() && self.messages.find(room, text, seq)
                    }
                    What::Left(_) => {
                        if is_ours {
                            known.left();
                        }
                        is_ours
                    }
                    What::Entered | What::Renamed(_) => is_ours,
                };
                if !known_already {
                    outputs.push(Output::Show(event));
                }
            }
        }
        self.settle(outputs);
    }

    /// Once every room is up to date, decides about the doubtful messages; see the [module](self).
    fn settle(&mut self, outputs: &mut Vec<Output>) {
        if self.is_up_to_date() {
            let is_whole = |room: &str| self.rooms.get(room).is_some_and(Room::is_whole);
            self.messages.settle(is_whole, outputs);
            self.messages.pump(outputs);
        }
    }

    fn pump(&mut self, outputs: &mut Vec<Output>) {
        if self.is_up_to_date() {
            self.messages.pump(outputs);
        }
    }

    /// Connected, and with every replay through.
    fn is_up_to_date(&self) -> bool {
        self.online && !self.rooms.values().any(Room::is_replaying)
    }
}

#[cfg(test)]
mod tests;
