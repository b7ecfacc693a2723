//! What the engine records of its member's events in the trace.

use super::Engine;
use crate::core::Order;
use crate::core::frame::{Message, StreamId};
use crate::group::Delivery;
use crate::group_file::Members;
use crate::record::{About, Act};

impl Engine {
    /// Records a broadcast, before its delivery to the sender itself.
    pub(super) fn trace_send(&mut self, sent: &Delivery) {
        if !self.tracer.is_on() {
            return;
        }
        let stream = StreamId {
            origin: self.peer.me(),
            incarnation: sent.incarnation,
        };
        // In total order the own delivery is an event of its own.
        let delivered = self.order != Order::Total;
        let about = about(&self.members, stream, sent.sequence);
        Act::Broadcast { delivered }.record(about, sent.text(), |event| {
            self.tracer.record(sent.stamp, event);
        });
    }

    /// Records a delivery, without the text: that stands where the message was sent.
    pub(super) fn trace_delivery(&mut self, message: &Message, time: u64, later: bool, own: bool) {
        if own && !later && self.order != Order::Total {
            return;
        }
        let act = if later || own {
            Act::DeliverLater
        } else {
            Act::Deliver { stamp: message.stamp }
        };
        let about = about(&self.members, message.id.stream, message.id.sequence);
        act.record(about, "", |event| self.tracer.record(time, event));
    }

    pub(super) fn trace_missed(&mut self, time: u64, stream: StreamId, from: u64, through: u64) {
        if self.tracer.is_on() {
            let about = about(&self.members, stream, from);
            Act::Miss { through }.record(about, "", |event| self.tracer.record(time, event));
        }
    }
}

fn about(members: &Members, stream: StreamId, sequence: u64) -> About<'_> {
    About {
        origin: members.id(stream.origin).as_str(),
        incarnation: stream.incarnation,
        sequence,
    }
}
