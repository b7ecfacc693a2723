//! When a message may be delivered.

use std::sync::Arc;

use lamport::after_send;

use super::frame::{Message, MessageId, Promise};
use super::{Order, Output, Peer};
use crate::members::{Member, MemberSet};

impl Peer {
    /// Delivers what a new message of `origin` allows.
    pub(super) fn release(&mut self, origin: Member, out: &mut Vec<Output>) {
        match self.settings.order {
            Order::None => self.release_own(origin, out),
            Order::Fifo | Order::Causal => {
                self.release_stream(origin, out);
                if self.undelivered > 0 {
                    self.release_causal(out);
                }
            }
            Order::Total => self.release_total(out),
        }
    }

    /// Delivers whatever is deliverable, wherever it is.
    pub(super) fn release_all(&mut self, out: &mut Vec<Output>) {
        match self.settings.order {
            Order::None => {}
            Order::Fifo | Order::Causal => self.release_causal(out),
            Order::Total => self.release_total(out),
        }
    }

    /// Without order everything received is delivered at once; only the own message comes this way.
    fn release_own(&mut self, origin: Member, out: &mut Vec<Output>) {
        if origin == self.settings.me {
            let last = self.origins[origin.index()].streams.len() - 1;
            if self.origins[origin.index()].streams[last].head().is_some() {
                self.deliver(origin, last, out);
            }
        }
    }

    fn release_causal(&mut self, out: &mut Vec<Output>) {
        loop {
            let before = self.undelivered;
            for index in 0..self.settings.members {
                self.release_stream(Member::new(index), out);
            }
            if self.undelivered == before || self.undelivered == 0 {
                return;
            }
        }
    }

    /// Delivers from one sender as long as its next message's predecessors are delivered.
    fn release_stream(&mut self, origin: Member, out: &mut Vec<Output>) {
        for index in 0..self.origins[origin.index()].streams.len() {
            while self.origins[origin.index()].streams[index]
                .head()
                .is_some_and(|held| self.follows_all(&held.message))
            {
                self.deliver(origin, index, out);
            }
        }
    }

    fn follows_all(&self, message: &Message) -> bool {
        #[cfg(test)]
        if self.planted(crate::sim::Planted::IgnoreCauses) {
            return true;
        }
        message
            .after
            .as_ref()
            .is_none_or(|after| after.iter().all(|id| self.is_delivered(id)))
    }

    fn is_delivered(&self, id: &MessageId) -> bool {
        let Some(origin) = self.origins.get(id.stream.origin.index()) else {
            return false;
        };
        id.stream.incarnation < origin.closed
            || origin
                .streams
                .iter()
                .any(|stream| stream.id == id.stream && stream.delivered >= id.sequence)
    }

    /// Lamport's rule: a merge of all senders' sequences, where a sender with nothing held stands at the smallest stamp
    /// that can still come from it.
    fn release_total(&mut self, out: &mut Vec<Output>) {
        if self.joining() {
            return;
        }
        while self.undelivered > 0 {
            let mut least = Bound {
                stamp: u64::MAX,
                head: None,
            };
            let mut origin = Member::new(0);
            for index in 0..self.settings.members {
                let bound = self.bound(index);
                #[cfg(test)]
                if bound.head.is_none() && self.planted(crate::sim::Planted::DeliverBeforeAcknowledged) {
                    continue;
                }
                // Members come in ascending order, so that `<` lets the smaller process win a tie.
                if bound.stamp < least.stamp {
                    least = bound;
                    origin = Member::new(index);
                }
            }
            match least.head {
                Some(stream) => self.deliver(origin, stream, out),
                None => return,
            }
        }
    }

    /// The smallest stamp that a member's next message can have.
    fn bound(&self, index: usize) -> Bound {
        let origin = &self.origins[index];
        for (place, stream) in origin.streams.iter().enumerate() {
            if let Some(held) = stream.head() {
                let superseded_unannounced =
                    stream.id.incarnation == origin.incarnation && origin.announced < origin.incarnation;
                return if superseded_unannounced {
                    Bound {
                        stamp: origin.horizon.min(held.message.stamp),
                        head: None,
                    }
                } else {
                    Bound {
                        stamp: held.message.stamp,
                        head: Some(place),
                    }
                };
            }
            let ended = stream.ended.is_some_and(|ended| stream.delivered >= ended.last);
            if stream.id.incarnation < origin.incarnation && !ended {
                return Bound {
                    stamp: stream.last_stamp + 1,
                    head: None,
                };
            }
        }
        let horizon = if index == self.settings.me.index() {
            self.clock
        } else {
            origin.horizon
        };
        Bound {
            stamp: horizon + 1,
            head: None,
        }
    }

    /// Who keeps the oldest undelivered message waiting in total order.
    pub(super) fn blocking(&self) -> MemberSet {
        let mut blocking = self.wants;
        if self.settings.order != Order::Total || self.joining() {
            return blocking;
        }
        let bounds: Vec<Bound> = (0..self.settings.members)
            .map(|index| self.bound(index))
            .collect();
        let Some(head) = bounds
            .iter()
            .filter(|bound| bound.head.is_some())
            .map(|bound| bound.stamp)
            .min()
        else {
            return blocking;
        };
        for (index, bound) in bounds.iter().enumerate() {
            if bound.head.is_none() && bound.stamp <= head {
                blocking.insert(Member::new(index));
            }
        }
        blocking
    }

    pub(super) fn receive_promise(&mut self, from: Member, promise: Promise, out: &mut Vec<Output>) {
        if self.settings.order == Order::Total && self.links[from.index()].synced {
            self.note_promise(from, promise);
            self.release_total(out);
        }
    }

    /// Takes a member's promise, told by itself or by others, once its messages are here.
    pub(super) fn note_promise(&mut self, of: Member, promise: Promise) {
        let leap_max = self.leap_after_silence();
        let origin = &mut self.origins[of.index()];
        if of == self.settings.me
            || promise.incarnation != origin.incarnation
            || origin.announced != origin.incarnation
            || promise.clock > self.clock.max(origin.horizon).saturating_add(leap_max)
        {
            return;
        }
        let through = match origin.streams.last() {
            Some(stream) if stream.id.incarnation == promise.incarnation => stream.through,
            _ => 0,
        };
        if promise.sent <= through {
            origin.horizon = origin.horizon.max(promise.clock);
        } else if origin.promise.is_none_or(|pending| pending.clock < promise.clock) {
            origin.promise = Some(promise);
        }
    }

    fn deliver(&mut self, origin: Member, index: usize, out: &mut Vec<Output>) {
        let stream = &mut self.origins[origin.index()].streams[index];
        let before = stream.delivered;
        let held = stream
            .head()
            .expect("a stream is delivered from only when its head stands ready");
        // Delivered in the step of its receive (or send), that is one event; later it is an event of its own. In total order an own
        // message always is: it may wait for the others, and nothing that they answer moves the clock.
        let own_in_total = origin == self.settings.me && self.settings.order == Order::Total;
        let later = own_in_total || held.received != self.clock;
        if later {
            self.clock = after_send(self.clock).unwrap_or(self.clock);
        }
        out.push(Output::Deliver {
            message: held.message.clone(),
            time: self.clock,
            later,
        });
        let sequence = held.message.id.sequence;
        self.told += 1;
        stream.untaken.tell(sequence, self.told);
        stream.delivered += 1;
        stream.skip_missed();
        self.undelivered -= stream.delivered - before;
        self.fresh.insert(origin);
    }

    /// What the next own message must be delivered after, as far as that changed since the last.
    pub(super) fn take_after(&mut self) -> Option<Arc<[MessageId]>> {
        let me = self.settings.me;
        let senders = match self.settings.order {
            Order::Causal => self.fresh,
            // A sender that kept its state over a restart goes on after its former self.
            Order::Fifo => self.fresh.and(MemberSet::EMPTY.with(me)),
            Order::None | Order::Total => return None,
        };
        self.fresh = MemberSet::EMPTY;
        let mut after = Vec::new();
        for sender in senders.iter() {
            for stream in &mut self.origins[sender.index()].streams {
                let own = sender == me && stream.id.incarnation == self.incarnation;
                if !own && stream.delivered > stream.declared {
                    stream.declared = stream.delivered;
                    after.push(MessageId {
                        stream: stream.id,
                        sequence: stream.delivered,
                    });
                }
            }
        }
        if after.is_empty() {
            None
        } else {
            Some(after.into())
        }
    }
}

/// The smallest stamp that can come next from a member.
struct Bound {
    stamp: u64,
    /// The stream whose head has exactly this stamp; `None` if nothing is held.
    head: Option<usize>,
}
