//! What the engine records of its member's events in the trace.

use super::Engine;
use crate::core::Order;
use crate::core::frame::Message;
use crate::members::Member;
use crate::record::{About, Act};

impl Engine {
    /// Records a broadcast before the core takes it: its delivery to the sender itself comes after it.
    pub(super) fn trace_send(&self, data: &[u8]) {
        if !self.tracer.is_on() {
            return;
        }
        let incarnation = self.peer.incarnation();
        let about = self.about(self.peer.me(), incarnation, self.peer.sequence() + 1);
        // In total order the own delivery is an event of its own.
        let delivered = self.order != Order::Total;
        let time = self.peer.clock() + 1;
        Act::Broadcast { delivered }.record(about, &String::from_utf8_lossy(data), |event| {
            self.tracer.record(time, event);
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

    pub(super) fn trace_missed(&self, origin: Member, incarnation: u64, from: u64, through: u64) {
        if self.tracer.is_on() {
            let about = self.about(origin, incarnation, from);
            Act::Miss { through }.record(about, "", |event| self.tracer.record(self.peer.clock(), event));
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
