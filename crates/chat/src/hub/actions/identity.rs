//! Who goes by which name, and what proves it: joining, renaming, protecting.

use proto::{Text, WireError};

use super::{Call, gone};
use crate::codes::{INVALID_PASSWORD, NAME_PROTECTED, NAME_TAKEN, TOO_MANY_REGISTRATIONS, WRONG_PASSWORD};
use crate::hub::check::{checked_name, checked_room};
use crate::hub::io::{ConnectionId, Event, Output, Reason, Reply, Wanted};
use crate::hub::people::{Member, RegistrationId};
use crate::hub::{Hub, LOBBY};
use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, REGISTRATIONS_MAX};
use crate::names::Name;
use crate::ops::{Join, Token};

/// What shows that a name taken already belongs to whoever asks for it.
#[derive(Debug, Clone, Copy)]
enum Proof {
    None,
    Token(Token),
    Password,
}

impl Hub {
    pub(super) fn join<'a>(&mut self, call: &mut Call<'_, 'a>, join: Join<'a>) -> Result<(), WireError> {
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

    pub(super) fn rename<'a>(
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

    pub(super) fn register<'a>(
        &mut self,
        call: &mut Call<'_, 'a>,
        password: Text<'a>,
    ) -> Result<(), WireError> {
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

    /// The answer to `CheckPassword` is here.
    pub(in crate::hub) fn password_checked<'a>(
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
}

fn name_taken() -> WireError {
    WireError::new(
        NAME_TAKEN,
        "somebody with this name, or one that looks like it, is here",
    )
    .with_hint("choose another name; if it is yours, give the token or the password you have for it")
}
