//! Which rooms' numbers the next requests may use up.
//!
//! The driver reserves numbers durably before the hub gives them out, so it has to know beforehand. What is said here
//! may be more than is used in the end, never less.

use std::sync::Arc;

use super::Hub;
use super::io::{ConnectionId, RoomId, Wanted};
use crate::names::Name;
use crate::ops::Op;

/// A room whose numbers may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stake {
    /// The room's name.
    pub room: Arc<str>,
    /// The number of its latest event, or the one after which it would begin.
    pub seq: u64,
}

/// A room that may be entered, under a name that may have to be taken over.
#[derive(Debug)]
pub struct Entering {
    name: Option<Name>,
    room: Name,
}

impl Entering {
    /// The room's name.
    #[must_use]
    pub fn room(&self) -> &Name {
        &self.room
    }

    /// The room that an operation enters, if it is one that does.
    #[must_use]
    pub fn by(op: &Op<'_>) -> Option<Self> {
        match op {
            Op::Join(join) => Some(Self {
                name: Some(Name::member(&join.name).ok()?),
                room: Name::room(join.room.as_deref().unwrap_or(super::LOBBY)).ok()?,
            }),
            Op::Enter { room, .. } => Some(Self {
                name: None,
                room: Name::room(room).ok()?,
            }),
            _ => None,
        }
    }

    /// The room that is entered once a password is right.
    #[must_use]
    pub fn once(wanted: &Wanted) -> Option<Self> {
        match wanted {
            Wanted::Join { name, room, .. } => Some(Self {
                name: Some(name.clone()),
                room: room.clone(),
            }),
            Wanted::Rename { .. } => None,
        }
    }
}

impl Hub {
    /// Forgets empty rooms where those that are entered would be too many. Returns their names: what is stored of them is
    /// to be forgotten too.
    pub fn make_space(&mut self, entering: &[Entering]) -> Vec<Arc<str>> {
        let new = entering.iter().filter(|entering| !self.has_room(&entering.room));
        let count = new.count();
        self.rooms.make_space(count)
    }

    /// The rooms whose numbers may be used by what `connection` does next: those it is in, those it enters, and those
    /// of a member that it may take the place of. A request, or the end of the connection, uses at most two numbers
    /// of each.
    #[must_use]
    pub fn stakes(&self, connection: ConnectionId, entering: &[Entering]) -> Vec<Stake> {
        let mut rooms: Vec<RoomId> = self
            .people
            .member(connection)
            .map_or(Vec::new(), |member| member.rooms.clone());
        let mut stakes = Vec::new();
        for Entering { name, room } in entering {
            for holder in name.iter().flat_map(|name| self.people.holders(name)) {
                rooms.extend(
                    self.people
                        .member(holder)
                        .into_iter()
                        .flat_map(|member| &member.rooms),
                );
            }
            match self.rooms.find(room) {
                Some(room) => rooms.push(room),
                None if self.rooms.has_space() => stakes.push(Stake {
                    room: room.shared(),
                    seq: self.rooms.begins_after(),
                }),
                None => {}
            }
        }
        rooms.sort_unstable();
        rooms.dedup();
        stakes.extend(rooms.into_iter().map(|id| {
            let room = self.rooms.get(id);
            Stake {
                room: room.name.shared(),
                seq: room.seq,
            }
        }));
        stakes
    }
}
