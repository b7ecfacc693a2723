//! What became of the deliveries: only what is safe is told to the others.
//!
//! A member that says that it delivered a message allows the others to forget it. If it crashed then and the application had not
//! taken the message, nobody could give it to the member's next life. So a delivery counts for the group when it is safe: with the
//! application, or in the member's own store.

use super::Peer;
use crate::limits::ACK_AFTER;

impl Peer {
    /// The oldest `count` deliveries are safe.
    pub(super) fn taken(&mut self, count: u64) {
        self.taken = self.told.min(self.taken + count);
        let mut of_others = false;
        for (index, origin) in self.origins.iter_mut().enumerate() {
            for stream in &mut origin.streams {
                of_others |= stream.untaken.take(self.taken) && index != self.settings.me.index();
            }
        }
        if of_others {
            self.status_at = self.status_at.min(self.now + ACK_AFTER);
        }
        if self.taken == self.told {
            self.stabilise();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::core::frame::Frame;
    use crate::core::stage::{OTHER, THIRD, feed, feed_frame, message, peer, status, stream};
    use crate::core::{Input, Peer};

    /// How far of member 1's messages `peer` says to be.
    fn told_to_others(peer: &mut Peer) -> u64 {
        let status = peer.status();
        let of = status.streams.iter().find(|have| have.stream == stream(OTHER));
        of.expect("something of it came").delivered
    }

    /// A miss is told when it is known, which may be before the message that it follows may be delivered. An application that
    /// took the miss does not have that message yet.
    #[test]
    fn a_miss_taken_first_does_not_make_the_delivery_before_it_safe() {
        let mut peer = peer();
        feed_frame(&mut peer, status(1, 1, 0));
        let waits = Frame::Data(message(OTHER, 1, &[THIRD]));
        assert_eq!(feed_frame(&mut peer, waits), [], "its cause is not here");
        assert_eq!(feed_frame(&mut peer, status(2, 2, 2)), [(OTHER, 2, 2)], "missed");
        let cause = Frame::Data(message(THIRD, 1, &[]));
        assert_eq!(feed_frame(&mut peer, cause), [(THIRD, 1, 1), (OTHER, 1, 1)]);

        let mut after_taking = || {
            feed(&mut peer, Input::Taken(1));
            told_to_others(&mut peer)
        };
        assert_eq!(after_taking(), 0, "the miss, 2");
        assert_eq!(after_taking(), 0, "the cause");
        assert_eq!(after_taking(), 2, "the delivery before the miss, 1");
    }
}
