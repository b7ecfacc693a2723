//! The engine's links to the other members, and what arrives on them.

use proto::Code;
use proto::net::Outbox;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Engine, wall_ms};
use crate::core::frame::Frame;
use crate::core::{Input, Output};
use crate::driver::refusal;
use crate::members::Member;

pub(super) struct Link {
    number: u64,
    pub(super) outbox: Outbox,
    /// The code of the last refusal that was answered on it.
    pub(super) refused: Option<Code>,
    /// Dropped when the link is to end.
    _hold: oneshot::Sender<()>,
}

/// Frames that arrived together on one link.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) link_number: u64,
    pub(crate) frames: Vec<Frame>,
}

impl Engine {
    pub(in crate::driver) fn link_up(
        &mut self,
        member: Member,
        link_number: u64,
        incarnation: u64,
        outbox: Outbox,
        hold: oneshot::Sender<()>,
    ) {
        let place = member.index();
        let now = self.now();
        if self.links[place].take().is_some() {
            self.step(now, Input::LinkDown(member));
        }
        self.links[place] = Some(Link {
            number: link_number,
            outbox,
            refused: None,
            _hold: hold,
        });
        self.heard[place] = Some(Instant::now());
        self.not_linked[place] = None;
        self.incarnations[place] = incarnation;
        self.step(now, Input::LinkUp(member));
    }

    pub(in crate::driver) fn link_down(&mut self, member: Member, link_number: u64) {
        if self.is_current(member, link_number) {
            self.links[member.index()] = None;
            self.step(self.now(), Input::LinkDown(member));
        }
    }

    /// Takes all frames of `batch`, unless another link has taken the place of theirs.
    pub(in crate::driver) fn take_batch(&mut self, member: Member, batch: &mut Batch) {
        if !self.is_current(member, batch.link_number) {
            return batch.frames.clear();
        }
        self.heard[member.index()] = Some(Instant::now());
        let (now, at) = (self.now(), wall_ms());
        for frame in batch.frames.drain(..) {
            if matches!(frame, Frame::Data(_)) {
                self.frame_counts.payload_received += 1;
            } else {
                self.frame_counts.control_received += 1;
            }
            self.peer
                .step(now, Input::Frame(member, frame), &mut self.outputs);
            // A frame that is refused does nothing else; its refusal comes last.
            if let Some(Output::Refused(refusal)) =
                self.outputs.pop_if(|last| matches!(last, Output::Refused(_)))
            {
                self.refuse(member, &refusal::told(&refusal, &self.members));
            }
            self.act(at);
        }
    }

    /// A link to a member was not made, and why. True if that is news since the last link to it.
    pub(in crate::driver) fn not_linked(&mut self, member: Member, why: String) -> bool {
        let before = self.not_linked[member.index()].replace(why);
        before != self.not_linked[member.index()]
    }

    fn is_current(&self, member: Member, link_number: u64) -> bool {
        self.links[member.index()]
            .as_ref()
            .is_some_and(|link| link.number == link_number)
    }
}
