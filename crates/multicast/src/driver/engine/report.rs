//! What the engine tells of its member to who asks.

use super::Engine;
use crate::client::{MemberStatus, Status};
use crate::driver::handshake::order_word;
use crate::members::MemberSet;

impl Engine {
    /// How the member is.
    pub(in crate::driver) fn status(&self) -> Status {
        let me = self.peer.me();
        let (retained, retained_bytes) = self.peer.retained();
        let all = MemberSet::all(self.members.len());
        let members = all.iter().map(|member| {
            let place = member.index();
            let state = match (&self.links[place], self.suspected.contains(member)) {
                _ if member == me => "self",
                (Some(_), false) => "up",
                (Some(_), true) => "suspected",
                (None, _) => "down",
            };
            let known = if member == me {
                self.peer.incarnation()
            } else {
                self.incarnations[place]
            };
            MemberStatus {
                id: self.members.id(member).to_string(),
                address: Some(self.members.address(member).to_owned()),
                state: Some(state.to_owned()),
                incarnation: (known > 0).then_some(known),
                refused: self.not_linked[place].clone(),
                heard_ms: self.heard[place].map(|heard| heard.elapsed().as_millis() as u64),
                lacks: (member != me).then(|| self.peer.lacks(member)),
            }
        });
        Status {
            process: self.members.id(me).to_string(),
            order: Some(order_word(self.order).to_owned()),
            incarnation: Some(self.peer.incarnation()),
            lamport: Some(self.peer.clock()),
            sent: Some(self.peer.sequence()),
            delivered: Some(self.delivered),
            undelivered: Some(self.peer.undelivered()),
            retained: Some(retained),
            retained_bytes: Some(retained_bytes),
            duplicates: Some(self.peer.duplicates()),
            watchers: None,
            waiting: self
                .ids(self.waits_for.minus(MemberSet::EMPTY.with(me)))
                .iter()
                .map(ToString::to_string)
                .collect(),
            frames: Some(self.frame_counts),
            members: members.collect(),
        }
    }
}
