//! What became of the deliveries: only what is safe is told to the others.
//!
//! A member that says that it delivered a message allows the others to forget it. If it crashed then and the application had not
//! taken the message, nobody could give it to the member's next life. So a delivery counts for the group when it is safe: with the
//! application, or in the member's own store.

use super::{Order, Peer};
use crate::limits::ACK_AFTER;

impl Peer {
    /// The oldest `count` deliveries are safe.
    pub(super) fn taken(&mut self, count: u64) {
        let in_sequence = self.settings.order != Order::None;
        let mut of_others = false;
        for _ in 0..count {
            let Some(id) = self.untaken.pop_front() else { break };
            // A stream may have been closed since.
            let Some(index) = self.find(id.stream) else {
                continue;
            };
            self.origins[id.stream.origin.index()].streams[index].take(id.sequence, in_sequence);
            of_others |= id.stream.origin != self.settings.me;
        }
        if of_others {
            self.status_at = self.status_at.min(self.now + ACK_AFTER);
        }
        if self.untaken.is_empty() {
            self.stabilise();
        }
    }
}
