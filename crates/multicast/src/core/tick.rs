//! What is due when time passes: statuses and promises, repairs, and what waits for too long.

use super::frame::{Frame, Promise};
use super::status::Unreported;
use super::{Order, Output, Peer};
use crate::limits::{HEARTBEAT_AFTER, REPAIR_EVERY, WAIT_TOLD_AFTER};
use crate::members::MemberSet;

impl Peer {
    /// When the next [`Input::Tick`](super::Input::Tick) is due at the latest.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        let mut deadline = self.status_at.min(self.repair_at);
        if self.owes_promise() {
            deadline = self.now;
        }
        deadline
    }

    pub(super) fn tick(&mut self, out: &mut Vec<Output>) {
        let others = self.linked();
        if self.now >= self.status_at {
            self.status_at = self.now + HEARTBEAT_AFTER;
            self.unreported_received = Unreported::default();
            self.unreported_sent = Unreported::default();
            if !others.is_empty() {
                let status = self.status();
                out.push(Output::Send(others, Frame::Status(status)));
                self.promised = self.clock;
            }
        } else if self.owes_promise() {
            self.promised = self.clock;
            let promise = Promise {
                incarnation: self.incarnation,
                clock: self.clock,
                sent: self.sequence,
            };
            out.push(Output::Send(others, Frame::Promise(promise)));
        }
        if self.now >= self.repair_at {
            self.repair_at = self.now + REPAIR_EVERY;
            self.suspect(out);
            self.repair(out);
            self.close_superseded(out);
            self.tell_waiting(out);
        }
    }

    fn owes_promise(&self) -> bool {
        self.settings.order == Order::Total
            && !self.joining()
            && self.stamp_max > self.promised
            && !self.linked().is_empty()
    }

    fn tell_waiting(&mut self, out: &mut Vec<Output>) {
        if self.settings.order != Order::Total {
            return;
        }
        let blocking = self.blocking();
        if blocking.is_empty() {
            self.waiting_since = None;
        }
        let since = *self.waiting_since.get_or_insert(self.now);
        let tell = if blocking.is_empty() || self.now - since < WAIT_TOLD_AFTER {
            MemberSet::EMPTY
        } else {
            blocking
        };
        if tell != self.waiting_told {
            self.waiting_told = tell;
            out.push(Output::Waiting(tell));
        }
    }
}
