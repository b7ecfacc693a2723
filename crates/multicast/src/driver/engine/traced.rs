//! What the engine records of its member's events in the trace.

use super::Engine;
use crate::core::Order;
use crate::core::frame::{Message, StreamId};
use crate::group::Delivery;
use crate::members::Member;
use crate::record::{About, Act};

impl Engine {
    /// Records a broadcast, before its delivery to the sender itself.
    pub(super) fn trace_send(&self, sent: &Delivery) {
        if !self.tracer.is_on() {
            return;
        }
        let about = self.about(self.peer.me(), sent.incarnation, sent.sequence);
        // In total order the own delivery is an event of its own.
        let delivered = self.order != Order::Total;
        Act::Broadcast { delivered }.record(about, sent.text(), |event| {
            self.tracer.record(sent.stamp, event);
        });
    }

    pub(super) fn trace_delivery(&self, message: &Message, time: u64, later: bool, own: bool) {
        if own && !later && self.order != Order::Total {
            return;
        }
        let stream = message.id.stream;
        let about = self.about(stream.origin, stream.incarnation, message.id.sequence);
        let act = if later || own {
            Act::DeliverLater
        } else {
            Act::Deliver { stamp: message.stamp }
        };
        act.record(about, &String::from_utf8_lossy(&message.data), |event| {
            self.tracer.record(time, event);
        });
    }

    pub(super) fn trace_missed(&self, time: u64, stream: StreamId, from: u64, through: u64) {
        if self.tracer.is_on() {
            let about = self.about(stream.origin, stream.incarnation, from);
            Act::Miss { through }.record(about, "", |event| self.tracer.record(time, event));
        }
    }

    fn about(&self, origin: Member, incarnation: u64, sequence: u64) -> About<'_> {
        About {
            origin: self.members.id(origin).as_str(),
            incarnation,
            sequence,
        }
    }
}
