//! What each operation does. Every check comes before the first change.

use proto::{Text, WireError};

use super::io::{ConnectionId, Event, Output, Reason, Reply, RoomId, Wanted};
use super::people::{Member, RegistrationId};
use super::{Hub, LOBBY, RoomError, check_text, checked_name, checked_room};
use crate::codes::{
    ALREADY_IN_ROOM, INVALID_PASSWORD, NAME_PROTECTED, NAME_TAKEN, NO_SUCH_NAME, NOT_JOINED,
    TOO_MANY_REGISTRATIONS, TOO_MANY_ROOMS, WRONG_PASSWORD,
};
use crate::limits::{
    PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, REGISTRATIONS_MAX, ROOMS_MAX, ROOMS_PER_MEMBER_MAX, WHO_NAMES_MAX,
};
use crate::names::Name;
use crate::ops::{HistoryQuery, Join, Op, Token};

/// A request on its way: whose it is, its id, and where the outputs go.
struct Call<'o, 'a> {
    connection: ConnectionId,
    id: u64,
    outputs: &'o mut Vec<Output<'a>>,
}

impl Call<'_, '_> {
    fn reply(&mut self, reply: Reply) {
        self.outputs.push(Output::Reply {
            connection: self.connection,
            id: self.id,
            reply,
        });
    }
}

impl Hub {
    /// Does what is asked; the caller has checked that the connection has joined, or is about to.
    pub(super) fn act<'a>(
        &mut self,
        connection: ConnectionId,
        id: u64,
        op: Op<'a>,
        outputs: &mut Vec<Output<'a>>,
    ) -> Result<(), WireError> {
        let mut call = Call {
            connection,
            id,
            outputs,
        };
        match op {
            Op::Say { text, room } => self.say(&mut call, text, room.as_deref()),
            Op::Join(join) => self.join(&mut call, join),
            Op::Tell { to, text } => self.tell(&mut call, &to, text),
            Op::Enter { room, since } => self.enter(&mut call, &room, since),
            Op::Exit { room } => self.exit(&mut call, room.as_deref()),
            Op::Rooms => {
                let (rooms, more) = self.rooms.list();
                call.reply(Reply::Rooms { rooms, more });
                Ok(())
            }
            Op::Who { room } => self.who(&mut call, room.as_deref()),
            Op::History(query) => self.history(&mut call, &query),
            Op::Rename { name, password } => self.rename(&mut call, &name, password),
            Op::Register { password } => self.register(&mut call, password),
            Op::Leave => {
                let rooms = self.remove(connection, Reason::Quit, connection, call.outputs);
                call.reply(Reply::Left {
                    rooms: self.spelled(rooms),
                });
                call.outputs.push(Output::Close { connection });
                Ok(())
            }
        }
    }

    /// The answer to `CheckPassword` is here.
    pub(super) fn password_checked<'a>(
        &mut self,
        connection: ConnectionId,
        id: u64,
        wanted: Wanted,
        outcome: Result<bool, WireError>,
        outputs: &mut Vec<Output<'a>>,
    ) -> Result<(), WireError> {
        if self.people.person_mut(connection).is_none() {
            return Ok(());
        }
        if !outcome? {
            return Err(WireError::new(WRONG_PASSWORD, "the password is wrong"));
        }
        let mut call = Call {
            connection,
            id,
            outputs,
        };
        match wanted {
            Wanted::Join {
                name,
                room,
                since,
                fresh,
            } => self.admit(&mut call, name, room, since, fresh, Proof::Password),
            Wanted::Rename { name } => self.take_name(&mut call, name),
        }
    }

    fn join<'a>(&mut self, call: &mut Call<'_, 'a>, join: Join<'a>) -> Result<(), WireError> {
        let Join {
            name,
            room,
            since,
            password,
            token,
            fresh,
        } = join;
        let name = checked_name(&name)?;
        let room = checked_room(room.as_deref().unwrap_or(LOBBY))?;
        let proof = token.map_or(Proof::None, Proof::Token);
        if let Some(protection) = self.people.protection(&name)
            && self.provable_holder(&name, proof).is_none()
        {
            let wanted = Wanted::Join {
                name,
                room,
                since,
                fresh,
            };
            return self.ask_password(call, protection, password, wanted);
        }
        self.admit(call, name, room, since, fresh, proof)
    }

    fn ask_password<'a>(
        &self,
        call: &mut Call<'_, 'a>,
        protection: RegistrationId,
        password: Option<Text<'a>>,
        wanted: Wanted,
    ) -> Result<(), WireError> {
        let Some(password) = password else {
            return Err(
                WireError::new(NAME_PROTECTED, "this name is protected by a password")
                    .with_hint("give its password, or choose another name"),
            );
        };
        let hash = self.people.registration(protection).hash.clone();
        let Call { connection, id, .. } = *call;
        call.outputs.push(Output::CheckPassword {
            connection,
            id,
            password,
            hash,
            wanted,
        });
        Ok(())
    }

    /// The only member with the same name, if `proof` shows that it is the same person.
    fn provable_holder(&self, name: &Name, proof: Proof) -> Option<ConnectionId> {
        let holders = self.people.holders(name);
        let (Some(&holder), 1) = (holders.first(), holders.len()) else {
            return None;
        };
        let member = self.people.member(holder)?;
        let proven = match proof {
            Proof::None => false,
            Proof::Token(token) => member.token == token,
            // The password was that of the name wanted; it says nothing about a look-alike that it does not protect.
            Proof::Password => self.people.protection(&member.name) == self.people.protection(name),
        };
        proven.then_some(holder)
    }

    fn admit(
        &mut self,
        call: &mut Call<'_, '_>,
        name: Name,
        room: Name,
        since: Option<u64>,
        fresh: Token,
        proof: Proof,
    ) -> Result<(), WireError> {
        let taken_over = self.provable_holder(&name, proof);
        if taken_over.is_none() && !self.people.holders(&name).is_empty() {
            return Err(name_taken());
        }
        let room = self.find_or_open(room)?;
        if let Some(holder) = taken_over {
            // The newcomer is in the room by the time this notice is sent, but it enters after it.
            self.remove(holder, Reason::Lost, call.connection, call.outputs);
            call.outputs.push(Output::Close { connection: holder });
        }
        let spelling = name.shared();
        self.people.admit(
            call.connection,
            Member {
                name,
                token: fresh,
                rooms: Vec::new(),
            },
        );
        let (seq, members) = self.enter_room(call, room);
        let room_name = self.rooms.get(room).name.shared();
        call.reply(Reply::Joined {
            name: spelling,
            room: room_name,
            seq,
            members,
            token: fresh,
        });
        self.replay(call, room, since, seq);
        Ok(())
    }

    fn find_or_open(&mut self, name: Name) -> Result<RoomId, WireError> {
        if let Some(room) = self.rooms.find(&name) {
            return Ok(room);
        }
        if !self.rooms.has_space() {
            return Err(WireError::new(
                TOO_MANY_ROOMS,
                format!("there is somebody in each of {ROOMS_MAX} rooms"),
            )
            .with_hint("enter one of those that are there"));
        }
        Ok(self.rooms.open(name, self.rooms.begins_after()))
    }

    /// Puts a member into a room; returns the number of that event and how many are there now.
    fn enter_room(&mut self, call: &mut Call<'_, '_>, room: RoomId) -> (u64, u64) {
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
    fn replay(&self, call: &mut Call<'_, '_>, room: RoomId, since: Option<u64>, seq: u64) {
        let Some(since) = since else { return };
        // A number that was not given out yet is from a room that began anew: everything in it is news.
        let after = if since < seq { since } else { 0 };
        let through = seq - 1;
        if after < through {
            let (connection, room) = (call.connection, self.rooms.get(room).name.shared());
            call.outputs.push(Output::Replay {
                connection,
                room,
                after,
                through,
            });
        }
    }

    fn say<'a>(
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

    fn tell<'a>(&mut self, call: &mut Call<'_, 'a>, to: &str, text: Text<'a>) -> Result<(), WireError> {
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

    fn enter(&mut self, call: &mut Call<'_, '_>, room: &str, since: Option<u64>) -> Result<(), WireError> {
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

    fn exit(&mut self, call: &mut Call<'_, '_>, room: Option<&str>) -> Result<(), WireError> {
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

    /// The room that a question is about: any room, whether the member is in it or not.
    fn any_room(&self, call: &Call<'_, '_>, room: Option<&str>) -> Result<RoomId, WireError> {
        let member = self.people.member(call.connection).ok_or_else(gone)?;
        match self.room_of(member, room) {
            Ok(room) | Err(RoomError::Elsewhere(room)) => Ok(room),
            Err(error) => Err(error.into()),
        }
    }

    fn who(&self, call: &mut Call<'_, '_>, room: Option<&str>) -> Result<(), WireError> {
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

    fn history(&self, call: &mut Call<'_, '_>, query: &HistoryQuery<'_>) -> Result<(), WireError> {
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

    fn rename<'a>(
        &mut self,
        call: &mut Call<'_, 'a>,
        name: &str,
        password: Option<Text<'a>>,
    ) -> Result<(), WireError> {
        let name = checked_name(name)?;
        let own = &self.people.member(call.connection).ok_or_else(gone)?.name;
        // Who has a protected name has proved it, and may spell it as it likes.
        if let Some(protection) = self.people.protection(&name)
            && self.people.protection(own) != Some(protection)
        {
            return self.ask_password(call, protection, password, Wanted::Rename { name });
        }
        self.take_name(call, name)
    }

    fn take_name(&mut self, call: &mut Call<'_, '_>, name: Name) -> Result<(), WireError> {
        if self
            .people
            .holders(&name)
            .iter()
            .any(|&holder| holder != call.connection)
        {
            return Err(name_taken());
        }
        let to = name.shared();
        let before = self
            .people
            .rename(call.connection, name)
            .ok_or_else(gone)?
            .shared();
        let mut numbers = Vec::new();
        if before != to {
            for room in self
                .people
                .member(call.connection)
                .ok_or_else(gone)?
                .rooms
                .clone()
            {
                let event = Event::Renamed {
                    name: before.clone(),
                    to: to.clone(),
                };
                numbers.push((room, self.broadcast(call.connection, room, event, call.outputs)));
            }
        }
        call.reply(Reply::Renamed {
            name: to,
            rooms: self.spelled(numbers),
        });
        Ok(())
    }

    fn register<'a>(&mut self, call: &mut Call<'_, 'a>, password: Text<'a>) -> Result<(), WireError> {
        let own = &self.people.member(call.connection).ok_or_else(gone)?.name;
        if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            return Err(WireError::new(
                INVALID_PASSWORD,
                format!("a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes"),
            ));
        }
        let name = match self.people.protection(own) {
            Some(known) => self.people.registration(known).name.clone(),
            None if self.people.registrations_count() < REGISTRATIONS_MAX => own.clone(),
            None => {
                return Err(WireError::new(
                    TOO_MANY_REGISTRATIONS,
                    "no more names can be protected here",
                ));
            }
        };
        let (connection, id) = (call.connection, call.id);
        call.outputs.push(Output::StorePassword {
            connection,
            id,
            password,
            name,
        });
        Ok(())
    }

    fn spelled(&self, rooms: Vec<(RoomId, u64)>) -> Vec<(std::sync::Arc<str>, u64)> {
        rooms
            .into_iter()
            .map(|(room, seq)| (self.rooms.get(room).name.shared(), seq))
            .collect()
    }
}

/// What shows that a name taken already belongs to whoever asks for it.
#[derive(Debug, Clone, Copy)]
enum Proof {
    None,
    Token(Token),
    Password,
}

fn name_taken() -> WireError {
    WireError::new(
        NAME_TAKEN,
        "somebody with this name, or one that looks like it, is here",
    )
    .with_hint("choose another name; if it is yours, give the token or the password you have for it")
}

/// A request reaches an operation only through a member's connection, so nobody ever reads this.
fn gone() -> WireError {
    WireError::new(NOT_JOINED, "this connection has not joined")
}
