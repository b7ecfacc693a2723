//! A message at its origin and where it is seen for the first time: its stamp, its place in the sequence, and whom it goes to
//! at once. When it may be delivered is for [`order`](super::order) to say, who is sent it later for [`relay`](super::relay).

use bytes::Bytes;
use lamport::{HORIZON_PER_SECOND, after_receive, after_send};

use super::frame::{Frame, Message, MessageId, StreamId};
use super::stream::Place;
use super::{Order, Output, Peer, Refusal};
use crate::limits::{ACK_AFTER, WINDOW_BYTES};
use crate::members::{Member, MemberSet};

impl Peer {
    /// Stamps a message of the local application, keeps it and sends it to those who have room.
    pub(super) fn broadcast(&mut self, data: Bytes, out: &mut Vec<Output>) {
        let Ok(clock) = after_send(self.clock) else {
            return out.push(Output::Refused(Refusal::NotNow));
        };
        if !self.accepts() {
            return out.push(Output::Refused(Refusal::NotNow));
        }
        let me = self.settings.me;
        self.clock = clock;
        self.sequence += 1;
        let id = MessageId {
            stream: StreamId {
                origin: me,
                incarnation: self.incarnation,
            },
            sequence: self.sequence,
        };
        #[cfg(test)]
        let id = self.planted_id(id);
        let message = Message {
            id,
            stamp: clock,
            after: self.take_after(),
            data,
        };
        let to = self.send_own(&message);
        let bytes = message.data.len() as u64;
        self.retained += 1;
        self.retained_bytes += bytes;
        if self.unreported_sent.count(bytes) {
            self.status_at = self.now;
        }
        let now = self.now;
        let own = self.origins[me.index()]
            .streams
            .last_mut()
            .expect("the own stream is open from the start");
        #[cfg(test)]
        if own.place(id.sequence) == Place::Duplicate {
            self.sequence = id.sequence;
            return out.push(Output::Send(to, Frame::Data(message)));
        }
        own.insert(message.clone(), clock, now);
        self.undelivered += 1;
        if self.settings.durable {
            let message = message.clone();
            out.push(Output::Keep { message, time: clock });
        }
        if to == MemberSet::all(self.settings.members).without(me) {
            self.promised = clock;
        }
        if !to.is_empty() {
            out.push(Output::Send(to, Frame::Data(message)));
        }
        self.release(me, out);
        if !self.accepts() {
            // Nobody may be linked whose acknowledgement would open the window again.
            self.own_floor_changed();
        }
    }

    /// The members that the next own message goes to at once: those that have been sent everything before it and have
    /// room. The others get it from the store as they acknowledge.
    fn send_own(&mut self, message: &Message) -> MemberSet {
        let me = self.settings.me;
        let mut to = MemberSet::EMPTY;
        for index in 0..self.settings.members {
            let member = Member::new(index);
            if member == me || !self.ready(member) {
                continue;
            }
            let now = self.now;
            let own = self.origins[me.index()]
                .streams
                .last_mut()
                .expect("the own stream is open from the start");
            let view = &own.views[index];
            let under_way = view.cursor - view.through - 1;
            if view.cursor == message.id.sequence
                && under_way < view.window
                && (under_way < view.window / 2 || own.bytes_under_way(view) < WINDOW_BYTES)
            {
                let view = &mut own.views[index];
                if under_way == 0 {
                    view.moved_at = now;
                }
                view.cursor += 1;
                to.insert(member);
            }
        }
        to
    }

    /// How far ahead of the clock a stamp may lie. A member that was cut off comes back to a group whose clocks went on, as fast
    /// as honest members make them go.
    pub(super) fn leap_after_silence(&self) -> u64 {
        let silence = self.absent.saturating_add(self.now - self.received_at);
        self.settings
            .leap_max
            .saturating_add((silence / 1_000_000).saturating_mul(HORIZON_PER_SECOND))
    }

    /// Takes a message from its origin or a relay: a copy is dropped before it touches the clock.
    pub(super) fn receive_data(&mut self, from: Member, message: Message, out: &mut Vec<Output>) {
        let MessageId { stream: id, sequence } = message.id;
        if !self.links[from.index()].synced || !self.takes_data_of(from) || sequence == 0 {
            return;
        }
        let origin = id.origin;
        if origin.index() >= self.settings.members {
            return out.push(Output::Refused(Refusal::Stranger { origin }));
        }
        if origin == self.settings.me && id.incarnation >= self.incarnation {
            if id.incarnation > self.incarnation {
                out.push(Output::Refused(Refusal::Superseded {
                    incarnation: id.incarnation,
                }));
            } else if sequence > self.sequence {
                out.push(Output::Refused(Refusal::Forged));
            } else {
                self.duplicates += 1;
            }
            return;
        }
        if !self.wants.is_empty()
            && self.find(id).is_none()
            && id.incarnation >= self.origins[origin.index()].closed
        {
            // Where this peer stands in that stream is for a welcome to say, or for a status that still has all of it.
            return;
        }
        let Some(index) = self.open(id, from) else {
            self.duplicates += 1;
            return;
        };
        let order = self.settings.order;
        let leap_max = self.leap_after_silence();
        let is_overfull = self.is_overfull();
        let sender = &mut self.origins[origin.index()];
        let superseded = id.incarnation < sender.incarnation;
        let stream = &mut sender.streams[index];
        let view = &mut stream.views[from.index()];
        if view.through + 1 == sequence {
            view.learn(sequence);
        }
        match stream.place(sequence) {
            Place::New => {}
            Place::Duplicate => {
                self.duplicates += 1;
                return;
            }
            Place::TooFar => return,
        }
        if is_overfull && sequence > stream.delivered + 1 {
            return;
        }
        if order == Order::Total && superseded && stream.ended.is_none_or(|ended| sequence > ended.last) {
            return;
        }
        let is_next = sequence == stream.through + 1;
        let breaks_order = match order {
            Order::Total => {
                (!superseded && message.stamp <= sender.horizon)
                    || (is_next && message.stamp <= stream.last_stamp)
            }
            // What another member took is taken: it may have seen them in another order, and its own messages come after.
            _ => from == origin && is_next && message.stamp <= stream.last_stamp,
        };
        if breaks_order {
            return out.push(Output::Refused(Refusal::StampOrder { origin }));
        }
        let Ok(time) = after_receive(self.clock, message.stamp, leap_max) else {
            return out.push(Output::Refused(Refusal::Stamp { origin, from }));
        };
        self.clock = time;
        self.received_at = self.now;
        self.absent = 0;
        self.stamp_max = self.stamp_max.max(message.stamp);
        let bytes = message.data.len() as u64;
        if self.settings.durable {
            let message = message.clone();
            out.push(Output::Keep {
                message,
                time: self.clock,
            });
        }
        if order == Order::None {
            out.push(Output::Deliver {
                message: message.clone(),
                time: self.clock,
                later: false,
            });
            self.told += 1;
            stream.untaken.tell(sequence, self.told);
        }
        let before = stream.through;
        stream.insert(message, self.clock, self.now);
        if order == Order::None {
            stream.delivered = stream.through;
        } else {
            self.undelivered += stream.through - before;
        }
        // Until a new incarnation has told how the former ones ended, more of those may come.
        if !superseded && (order != Order::Total || sender.announced == sender.incarnation) {
            sender.horizon = sender.horizon.max(stream.last_stamp);
            let through = stream.through;
            if let Some(promise) = sender.promise.take_if(|promise| promise.sent <= through) {
                sender.horizon = sender.horizon.max(promise.clock);
            }
        }
        self.retained += 1;
        self.retained_bytes += bytes;
        if self.unreported_received.count(bytes) {
            self.status_at = self.now;
        } else if self.unreported_received.is_one() {
            self.status_at = self.status_at.min(self.now + ACK_AFTER);
        }
        self.relay_at_first_sight(from, origin, index, out);
        self.release(origin, out);
    }

    /// A sequence used twice, when that bug is planted.
    #[cfg(test)]
    fn planted_id(&self, id: MessageId) -> MessageId {
        if self.planted(crate::sim::Planted::ReuseSequence) && id.sequence.is_multiple_of(4) {
            return MessageId {
                sequence: id.sequence - 1,
                ..id
            };
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use lamport::{HORIZON_PER_SECOND, LEAP_MAX_DEFAULT};

    use crate::core::frame::{Frame, Message};
    use crate::core::stage::{OTHER, message, peer, peer_back_after, status};
    use crate::core::{Input, Output, Peer};
    use crate::members::Member;

    const SECOND: u64 = 1_000_000;

    /// Whether `peer` takes, at `now`, the message `sequence` with `stamp`.
    fn takes(peer: &mut Peer, now: u64, sequence: u64, stamp: u64) -> bool {
        let message = Message {
            stamp,
            ..message(OTHER, sequence, &[])
        };
        let mut out = Vec::new();
        peer.step(
            now,
            Input::Frame(Member::new(OTHER), Frame::Data(message)),
            &mut out,
        );
        let refused = out.iter().any(|output| matches!(output, Output::Refused(_)));
        assert_eq!(refused, peer.clock() <= stamp, "what is taken moves the clock");
        !refused
    }

    #[test]
    fn a_silence_lets_a_stamp_leap_as_far_as_the_others_may_have_gone() {
        let mut peer = peer();
        peer.step(
            0,
            Input::Frame(Member::new(OTHER), status(1, 1, 0)),
            &mut Vec::new(),
        );
        assert!(!takes(&mut peer, 0, 1, LEAP_MAX_DEFAULT + 1));
        assert!(takes(&mut peer, 0, 1, LEAP_MAX_DEFAULT));
        let next = peer.clock() + LEAP_MAX_DEFAULT + 10 * HORIZON_PER_SECOND;
        assert!(!takes(&mut peer, 10 * SECOND - 1, 2, next));
        assert!(takes(&mut peer, 10 * SECOND, 2, next));
        // The silence is over.
        let next = peer.clock() + LEAP_MAX_DEFAULT + 1;
        assert!(!takes(&mut peer, 10 * SECOND, 3, next));
    }

    #[test]
    fn the_time_between_two_lives_counts_as_silence_once() {
        let leap = LEAP_MAX_DEFAULT + 3600 * HORIZON_PER_SECOND;
        let mut peer = peer_back_after(3600 * SECOND);
        peer.step(
            0,
            Input::Frame(Member::new(OTHER), status(1, 1, 0)),
            &mut Vec::new(),
        );
        assert!(!takes(&mut peer, 0, 1, leap + 1));
        assert!(takes(&mut peer, 0, 1, leap));
        let next = peer.clock() + LEAP_MAX_DEFAULT + 1;
        assert!(!takes(&mut peer, 0, 2, next));
    }
}
