//! What each operation does. Every check comes before the first change.

mod identity;
mod rooms;

use std::sync::Arc;

use proto::WireError;

use super::Hub;
use super::io::{ConnectionId, Output, Reason, Reply, RoomId};
use crate::codes::NOT_JOINED;
use crate::ops::Op;

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

    fn spelled(&self, rooms: Vec<(RoomId, u64)>) -> Vec<(Arc<str>, u64)> {
        rooms
            .into_iter()
            .map(|(room, seq)| (self.rooms.get(room).name.shared(), seq))
            .collect()
    }
}

/// A request reaches an operation only through a member's connection, so nobody ever reads this.
fn gone() -> WireError {
    WireError::new(NOT_JOINED, "this connection has not joined")
}
