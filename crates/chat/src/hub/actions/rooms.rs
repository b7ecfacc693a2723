//! What is said, and where: texts, rooms, questions about rooms.

use proto::{Text, WireError};

use super::{Call, gone};
use crate::codes::{ALREADY_IN_ROOM, NO_SUCH_NAME, NO_SUCH_ROOM, NOT_IN_ROOM, TOO_MANY_ROOMS};
use crate::hub::Hub;
use crate::hub::check::{check_text, checked_name, checked_room, invalid_room};
use crate::hub::io::{Event, Output, Reason, Reply, RoomId};
use crate::hub::people::Member;
use crate::limits::{ROOMS_PER_MEMBER_MAX, WHO_NAMES_MAX};
use crate::names::Name;
use crate::ops::HistoryQuery;

impl Hub {
    pub(super) fn say<'a>(
        &mut self,
        call: &mut Call<'_, 'a>,
        text: Text<'a>,
        room: Option<&str>,
    ) -> Result<(), WireError> {
        let member = self.people.member(call.connection).ok_or_else(gone)?;
        let room = self.room_of(member, room);
        if let Err(RoomError::Invalid(error)) = room {
            return Err(error);
        }
        check_text(&text)?;
        let room = room?;
        let from = member.name.shared();
        let seq = self.broadcast(call.connection, room, Event::Said { from, text }, call.outputs);
        call.reply(Reply::Said {
            room: self.rooms.get(room).name.shared(),
            seq,
        });
        Ok(())
    }

    pub(super) fn tell<'a>(
        &mut self,
        call: &mut Call<'_, 'a>,
        to: &str,
        text: Text<'a>,
    ) -> Result<(), WireError> {
        let from = self
            .people
            .member(call.connection)
            .ok_or_else(gone)?
            .name
            .shared();
        let to = checked_name(to)?;
        check_text(&text)?;
        let holder = self.people.holders(&to).first().copied();
        let Some((connection, name)) =
            holder.and_then(|id| Some((id, self.people.member(id)?.name.shared())))
        else {
            return Err(WireError::new(NO_SUCH_NAME, "nobody with this name is here")
                .with_hint("who lists the members of a room"));
        };
        call.outputs.push(Output::Told {
            connection,
            from,
            text,
        });
        call.reply(Reply::Told { to: name });
        Ok(())
    }

    pub(super) fn enter(
        &mut self,
        call: &mut Call<'_, '_>,
        room: &str,
        since: Option<u64>,
    ) -> Result<(), WireError> {
        let room = checked_room(room)?;
        let member = self.people.member(call.connection).ok_or_else(gone)?;
        if self
            .rooms
            .find(&room)
            .is_some_and(|room| member.rooms.contains(&room))
        {
            return Err(WireError::new(ALREADY_IN_ROOM, "you are in that room already"));
        }
        if member.rooms.len() >= ROOMS_PER_MEMBER_MAX {
            return Err(
                WireError::new(TOO_MANY_ROOMS, format!("you are in {ROOMS_PER_MEMBER_MAX} rooms"))
                    .with_hint("exit one of them first"),
            );
        }
        let room = self.find_or_open(room)?;
        let (seq, members) = self.enter_room(call, room);
        call.reply(Reply::Entered {
            room: self.rooms.get(room).name.shared(),
            seq,
            members,
        });
        self.replay(call, room, since, seq);
        Ok(())
    }

    pub(super) fn exit(&mut self, call: &mut Call<'_, '_>, room: Option<&str>) -> Result<(), WireError> {
        let member = self.people.member(call.connection).ok_or_else(gone)?;
        let room = self.room_of(member, room)?;
        let name = member.name.shared();
        self.rooms.get_mut(room).members.remove(&call.connection);
        let seq = self.broadcast(
            call.connection,
            room,
            Event::Left {
                name,
                reason: Reason::Quit,
            },
            call.outputs,
        );
        self.people
            .member_mut(call.connection)
            .ok_or_else(gone)?
            .rooms
            .retain(|&other| other != room);
        call.reply(Reply::Exited {
            room: self.rooms.get(room).name.shared(),
            seq,
        });
        Ok(())
    }

    pub(super) fn who(&self, call: &mut Call<'_, '_>, room: Option<&str>) -> Result<(), WireError> {
        let room = self.rooms.get(self.any_room(call, room)?);
        let mut members: Vec<_> = room
            .members
            .iter()
            .filter_map(|&id| Some(self.people.member(id)?.name.shared()))
            .collect();
        members.sort();
        let more = members.len() > WHO_NAMES_MAX;
        members.truncate(WHO_NAMES_MAX);
        call.reply(Reply::Who {
            room: room.name.shared(),
            members,
            more,
        });
        Ok(())
    }

    pub(super) fn history(&self, call: &mut Call<'_, '_>, query: &HistoryQuery<'_>) -> Result<(), WireError> {
        let room = self
            .rooms
            .get(self.any_room(call, query.room.as_deref())?)
            .name
            .shared();
        let (connection, id) = (call.connection, call.id);
        let HistoryQuery {
            after, before, limit, ..
        } = *query;
        call.outputs.push(Output::ReadHistory {
            connection,
            id,
            room,
            after,
            before,
            limit,
        });
        Ok(())
    }

    pub(super) fn find_or_open(&mut self, name: Name) -> Result<RoomId, WireError> {
        if let Some(room) = self.rooms.find(&name) {
            return Ok(room);
        }
        if !self.rooms.has_space() {
            return Err(WireError::new(
                TOO_MANY_ROOMS,
                format!("there is somebody in each of {} rooms", self.rooms.max()),
            )
            .with_hint("enter one of those that are there"));
        }
        Ok(self.rooms.open(name))
    }

    /// Puts a member into a room; returns the number of that event and how many are there now.
    pub(super) fn enter_room(&mut self, call: &mut Call<'_, '_>, room: RoomId) -> (u64, u64) {
        let member = self
            .people
            .member_mut(call.connection)
            .expect("only members enter rooms");
        member.rooms.push(room);
        let name = member.name.shared();
        let members = &mut self.rooms.get_mut(room).members;
        members.insert(call.connection);
        let count = members.len() as u64;
        (
            self.broadcast(call.connection, room, Event::Entered { name }, call.outputs),
            count,
        )
    }

    /// Asks for what a member missed in a room that it has just entered with event `seq`.
    pub(super) fn replay(&self, call: &mut Call<'_, '_>, room: RoomId, since: Option<u64>, seq: u64) {
        let Some(since) = since else { return };
        // A number that was not given out yet is from a room that began anew: everything in it is news.
        let after = if since < seq { since } else { 0 };
        let through = seq - 1;
        if after < through {
            call.outputs.push(Output::Replay {
                connection: call.connection,
                room: self.rooms.get(room).name.shared(),
                after,
                through,
            });
        }
    }

    /// The room that a question is about: any room, whether the member is in it or not.
    fn any_room(&self, call: &Call<'_, '_>, room: Option<&str>) -> Result<RoomId, WireError> {
        let member = self.people.member(call.connection).ok_or_else(gone)?;
        match self.room_of(member, room) {
            Ok(room) | Err(RoomError::Elsewhere(room)) => Ok(room),
            Err(error) => Err(error.into()),
        }
    }

    /// The room that a member means: the one named, or the one entered last.
    fn room_of(&self, member: &Member, room: Option<&str>) -> Result<RoomId, RoomError> {
        let Some(text) = room else {
            return member.rooms.last().copied().ok_or(RoomError::NotIn);
        };
        // Spelled as we spell it, as programs do, it is found without folding anything.
        let spelled = |&&id: &&RoomId| self.rooms.get(id).name.as_str() == text;
        if let Some(&id) = member.rooms.iter().find(spelled) {
            return Ok(id);
        }
        let name = Name::room(text).map_err(|error| RoomError::Invalid(invalid_room(&error)))?;
        let id = self.rooms.find(&name).ok_or(RoomError::NoSuch)?;
        if member.rooms.contains(&id) {
            Ok(id)
        } else {
            Err(RoomError::Elsewhere(id))
        }
    }
}

/// Why a text names no room that a member is in.
enum RoomError {
    Invalid(WireError),
    NoSuch,
    NotIn,
    /// There is one, but the member is not in it.
    Elsewhere(RoomId),
}

impl From<RoomError> for WireError {
    fn from(error: RoomError) -> Self {
        match error {
            RoomError::Invalid(error) => error,
            RoomError::NoSuch => WireError::new(NO_SUCH_ROOM, "there is no such room")
                .with_hint("rooms lists them, enter opens one"),
            RoomError::NotIn | RoomError::Elsewhere(_) => {
                WireError::new(NOT_IN_ROOM, "you are not in that room").with_hint("enter it first")
            }
        }
    }
}
