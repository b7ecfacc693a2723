//! The chat itself: rooms, members, names and numbers.
//!
//! The hub is a pure state machine. [`Hub::step`] takes what happened and gives back what is to be done; it opens no
//! socket, reads no clock, draws no random number and iterates ordered maps only. The driver runs it under one lock
//! and does what it says, in the order it says it: that order is what every member of a room sees.
//!
//! What it promises:
//!
//! - Every event of a room (said, entered, left, renamed) has the next number of that room, without a gap.
//! - A member receives every event of its rooms between its `entered` and its `left`, except its own; the numbers of
//!   these are in the replies to its requests. So its view has no gap.
//! - No two members have the [same](crate::names::Name::is_same) name at the same time.
//! - A refused request changes nothing, apart from what the flood limit counts.
//! - There are so many rooms at most. One more takes the place of an empty one, which is forgotten with all that is
//!   stored of it. Every room that is opened from then on begins with a higher number than any that was forgotten:
//!   whoever comes back to a room, under whatever spelling, meets no number twice.

mod actions;
mod check;
mod flood;
mod io;
mod people;
mod rooms;
mod stakes;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::Arc;

use proto::{WireError, codes};

pub use flood::FloodLimit;
pub use io::{
    ConnectionId, Event, Facts, Input, Output, Reason, Registration, Reply, RoomId, RoomLine, Wanted,
};
pub use stakes::{Entering, Stake};

use people::People;
use rooms::Rooms;

use crate::codes::{ALREADY_JOINED, NOT_JOINED};
use crate::names::Name;
use crate::ops::Op;

/// The room of those who name none.
pub const LOBBY: &str = "lobby";

/// The state of the chat.
#[derive(Debug)]
pub struct Hub {
    rooms: Rooms,
    people: People,
    flood: Option<FloodLimit>,
}

impl Hub {
    /// A hub that knows nobody and nothing, for at most `rooms_max` rooms. No flood limit holds if `flood` is `None`.
    #[must_use]
    pub fn new(rooms_max: NonZeroUsize, flood: Option<FloodLimit>) -> Self {
        Self {
            rooms: Rooms::new(rooms_max.get()),
            people: People::default(),
            flood,
        }
    }

    /// Goes on with what is known from before. Returns the rooms that it does not go on with, to be forgotten where they
    /// are stored: those that would be too many, and those whose name could be taken for that of a longer one.
    #[must_use]
    pub fn remember(&mut self, facts: Facts) -> Vec<Arc<str>> {
        self.rooms.leave_out(facts.forgotten_through);
        let mut rooms = facts.rooms;
        rooms.sort_by_key(|(_, seq)| std::cmp::Reverse(*seq));
        let mut forgotten = Vec::new();
        for (name, seq) in rooms {
            if self.rooms.find(&name).is_none() {
                self.rooms.recall(name, seq);
            } else {
                self.rooms.leave_out(seq);
                forgotten.push(name.shared());
            }
        }
        forgotten.extend(self.rooms.make_space(0));
        for registration in facts.registrations {
            self.people.register(registration);
        }
        forgotten
    }

    /// Takes one input at a time of `now_ns` nanoseconds on a clock that never goes back, and appends what is to be
    /// done to `outputs`.
    pub fn step<'a>(&mut self, now_ns: u64, input: Input<'a>, outputs: &mut Vec<Output<'a>>) {
        match input {
            Input::Opened { connection } => self.people.open(connection),
            Input::Request { connection, id, op } => {
                if let Err(error) = self.request(now_ns, connection, id, op, outputs) {
                    outputs.push(Output::Refuse {
                        connection,
                        id,
                        error,
                    });
                }
            }
            Input::PasswordChecked {
                connection,
                id,
                wanted,
                outcome,
            } => {
                if let Err(error) = self.password_checked(connection, id, wanted, outcome, outputs) {
                    outputs.push(Output::Refuse {
                        connection,
                        id,
                        error,
                    });
                }
            }
            Input::PasswordStored {
                connection,
                id,
                outcome,
            } => {
                outputs.push(match outcome {
                    Ok(registration) => {
                        let name = registration.name.shared();
                        self.people.register(registration);
                        Output::Reply {
                            connection,
                            id,
                            reply: Reply::Registered { name },
                        }
                    }
                    Err(error) => Output::Refuse {
                        connection,
                        id,
                        error,
                    },
                });
            }
            Input::Ended { connection, reason } => {
                self.remove(connection, reason, connection, outputs);
            }
            Input::ShutDown => self.shut_down(outputs),
        }
    }

    /// Whether there is a room that goes by this name.
    #[must_use]
    pub fn has_room(&self, name: &Name) -> bool {
        self.rooms.find(name).is_some()
    }

    /// How many requests of a connection the flood limit lets pass now, at most.
    #[must_use]
    pub fn allowance(&self, connection: ConnectionId, now_ns: u64) -> usize {
        match (self.flood, self.people.person(connection)) {
            (Some(limit), Some(person)) => person.bucket.allowance(limit, now_ns),
            _ => usize::MAX,
        }
    }

    /// Who is in a room.
    pub fn members(&self, room: RoomId) -> impl Iterator<Item = ConnectionId> {
        self.rooms.get(room).members.iter().copied()
    }

    /// Whether two connections are members of one room.
    #[must_use]
    pub fn share_a_room(&self, one: ConnectionId, other: ConnectionId) -> bool {
        let (Some(one), Some(other)) = (self.people.member(one), self.people.member(other)) else {
            return false;
        };
        one.rooms.iter().any(|room| other.rooms.contains(room))
    }

    /// How many memberships there are in all rooms together: the numbers that a shutdown uses.
    #[must_use]
    pub fn memberships(&self) -> u64 {
        self.rooms.memberships()
    }

    /// The name a connection has joined under.
    #[must_use]
    pub fn name(&self, connection: ConnectionId) -> Option<&Name> {
        self.people.member(connection).map(|member| &member.name)
    }

    fn request<'a>(
        &mut self,
        now_ns: u64,
        connection: ConnectionId,
        id: u64,
        op: Op<'a>,
        outputs: &mut Vec<Output<'a>>,
    ) -> Result<(), WireError> {
        // A connection that has left may still have lines on their way.
        let Some(person) = self.people.person_mut(connection) else {
            return Ok(());
        };
        if let Some(limit) = self.flood {
            person
                .bucket
                .take(limit, now_ns)
                .map_err(|wait_ns| rate_limited(limit, wait_ns))?;
        }
        match (&person.member, &op) {
            (Some(_), Op::Join(_)) => {
                return Err(
                    WireError::new(ALREADY_JOINED, "this connection has joined already")
                        .with_hint("rename takes another name, enter another room"),
                );
            }
            (None, op) if !matches!(op, Op::Join(_)) => {
                return Err(WireError::new(NOT_JOINED, "this connection has not joined")
                    .with_hint("join with a name first: {\"id\":1,\"op\":\"join\",\"name\":\"Ana\"}"));
            }
            _ => {}
        }
        self.act(connection, id, op, outputs)
    }

    /// A connection is over: everybody it shared a room with is told, except `unseen`. Returns the number of each
    /// `left`.
    fn remove(
        &mut self,
        connection: ConnectionId,
        reason: Reason,
        unseen: ConnectionId,
        outputs: &mut Vec<Output<'_>>,
    ) -> Vec<(RoomId, u64)> {
        let Some(member) = self.people.remove(connection) else {
            return Vec::new();
        };
        let mut numbers = Vec::new();
        for room in member.rooms {
            self.rooms.get_mut(room).members.remove(&connection);
            let event = Event::Left {
                name: member.name.shared(),
                reason,
            };
            numbers.push((room, self.broadcast(unseen, room, event, outputs)));
        }
        numbers
    }

    fn shut_down(&mut self, outputs: &mut Vec<Output<'_>>) {
        // Everybody is out before the first notice goes out: a thousand members are not told of each other's end.
        for (room, connection) in self.rooms.empty_all() {
            if let Some(name) = self.people.member(connection).map(|member| member.name.shared()) {
                self.broadcast(
                    connection,
                    room,
                    Event::Left {
                        name,
                        reason: Reason::Lost,
                    },
                    outputs,
                );
            }
        }
        self.people.clear();
    }

    /// Gives the event the room's next number. `except` does not receive it.
    fn broadcast<'a>(
        &mut self,
        except: ConnectionId,
        room: RoomId,
        event: Event<'a>,
        outputs: &mut Vec<Output<'a>>,
    ) -> u64 {
        let in_room = self.rooms.get_mut(room);
        let seq = in_room.next_seq();
        outputs.push(Output::Broadcast {
            room,
            name: in_room.name.shared(),
            seq,
            except,
            event,
        });
        seq
    }
}

fn rate_limited(limit: FloodLimit, wait_ns: u64) -> WireError {
    WireError::new(
        codes::RATE_LIMITED,
        format!("more than {} requests a second", limit.rate),
    )
    .with_hint(format!("wait {} ms", wait_ns.div_ceil(1_000_000)))
}
