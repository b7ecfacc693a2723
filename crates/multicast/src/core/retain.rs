//! What is kept and for how long: stability, the retention bound, what is out of reach, and streams that are over.

use lamport::after_send;

use super::frame::StreamId;
use super::stream::Stream;
use super::{Order, Output, Peer};
use crate::limits::{OLD_INCARNATIONS_MAX, RETAIN_BYTES, RETAIN_MESSAGES};
use crate::members::{Member, MemberSet};

impl Peer {
    fn others(&self) -> MemberSet {
        MemberSet::all(self.settings.members).without(self.settings.me)
    }

    /// Drops what every member has delivered.
    pub(super) fn stabilise(&mut self) {
        let others = self.others();
        for stream in self.origins.iter_mut().flat_map(|origin| &mut origin.streams) {
            let seen = others
                .iter()
                .map(|other| stream.views[other.index()].delivered)
                .min();
            let seen = seen.unwrap_or(u64::MAX);
            stream.stable = stream.stable.max(seen.min(stream.safe()));
            let mut forgets = false;
            while stream.base <= stream.stable.min(stream.delivered) && stream.purge_one().is_some() {
                forgets = true;
            }
            if forgets && stream.purged() > seen {
                // On another's word. Should it be wrong, who lacks it must not wait for it.
                stream.dropped = stream.dropped.max(stream.purged());
            }
            stream.give_back_room();
        }
        self.recount();
    }

    /// Keeps the retention bound: the longest stream gives up its oldest messages.
    pub(super) fn retain(&mut self) {
        while self.retained > self.settings.retain_messages
            || self.retained_bytes > self.settings.retain_bytes
        {
            let longest = self
                .origins
                .iter_mut()
                .flat_map(|origin| &mut origin.streams)
                .filter(|stream| stream.base <= stream.delivered && !stream.slots.is_empty())
                .max_by_key(|stream| (stream.kept_bytes, stream.slots.len()));
            let Some(stream) = longest else { return };
            let Some(bytes) = stream.purge_one() else { return };
            stream.dropped = stream.dropped.max(stream.purged());
            self.retained -= 1;
            self.retained_bytes -= bytes;
        }
    }

    /// Whether more is kept than may be, although what was delivered is forgotten beyond that: then only what is next in its stream is
    /// taken. An honest sender waits for its receivers long before.
    pub(super) fn is_overfull(&self) -> bool {
        self.retained > self.settings.retain_messages.max(RETAIN_MESSAGES)
            || self.retained_bytes > self.settings.retain_bytes.max(RETAIN_BYTES)
    }

    /// Gives up what nobody within reach keeps any more, and says so.
    pub(super) fn miss(&mut self, out: &mut Vec<Output>) {
        let mut within_reach = MemberSet::EMPTY;
        for member in self.others().iter() {
            let link = &self.links[member.index()];
            if link.up && link.synced && self.takes_data_of(member) {
                if !link.listed {
                    return;
                }
                within_reach.insert(member);
            }
        }
        let none = self.settings.order == Order::None;
        let mut changed = false;
        let own = StreamId {
            origin: self.settings.me,
            incarnation: self.incarnation,
        };
        let agreed = self.incarnations_agreed();
        let others = self.others();
        let streams = self.origins.iter_mut().flat_map(|origin| {
            let current = origin.incarnation;
            origin
                .streams
                .iter_mut()
                .map(move |stream| (stream.id.incarnation < current, stream))
        });
        for (superseded, stream) in streams.filter(|(_, stream)| stream.id != own) {
            // The sender of the stream knows it best.
            let sender = stream.id.origin;
            let heard = !superseded && within_reach.contains(sender);
            loop {
                let next = stream.through + 1;
                let mut dropped = u64::MAX;
                let mut can_be_had = false;
                for member in within_reach.iter() {
                    let view = &stream.views[member.index()];
                    can_be_had |= view.can_give(next);
                    if let Some(gave_up) = view.gave_up(next) {
                        dropped = dropped.min(gave_up);
                    }
                }
                if can_be_had {
                    break;
                } else if dropped == u64::MAX {
                    // It died with its sender, if nobody has it and no former self can bring it any more.
                    let alive = others
                        .iter()
                        .any(|other| stream.views[other.index()].can_give(next));
                    dropped = stream.lost_through();
                    if !agreed || !superseded || alive || dropped < next {
                        break;
                    }
                }
                if heard {
                    dropped = dropped.min(stream.views[sender.index()].dropped);
                }
                // What somebody within the range can still give is not given up.
                let last = dropped.min(stream.lost_through());
                if last < next {
                    // A member that is away has it: it is worth waiting for.
                    break;
                }
                changed = true;
                for (from, to) in stream.give_up(last) {
                    self.told += 1;
                    stream.untaken.tell(from, self.told);
                    out.push(missed(stream.id, from, to, &mut self.clock));
                }
                if none {
                    stream.delivered = stream.through;
                }
                if stream.through < last {
                    // There is no room to skip more.
                    break;
                }
            }
        }
        if changed {
            self.recount();
        }
    }

    /// Whether every member has said that it knows the same incarnations of everybody as this peer: then no frame of a former
    /// self is taken anywhere any more.
    fn incarnations_agreed(&self) -> bool {
        self.others().iter().all(|other| {
            let link = &self.links[other.index()];
            let knows = link
                .knows
                .iter()
                .zip(&self.origins)
                .all(|(known, origin)| *known == origin.incarnation);
            link.placed && link.listed && knows
        })
    }

    /// Closes what somebody saw everybody deliver: this peer too, now or before it lost its state.
    pub(super) fn close_below(&mut self, index: usize, closed: u64, out: &mut Vec<Output>) {
        let origin = &mut self.origins[index];
        if closed <= origin.closed || closed > origin.incarnation {
            return;
        }
        origin.closed = closed;
        let open = origin
            .streams
            .partition_point(|stream| stream.id.incarnation < closed);
        for stream in origin.streams.drain(..open) {
            self.told += tell_missed(&stream, &mut self.clock, out);
        }
        self.recount();
    }

    /// Closes superseded streams of which everybody has delivered the same, once everybody knows the same incarnations of
    /// everybody, so that no former self can bring more of them.
    pub(super) fn close_superseded(&mut self, out: &mut Vec<Output>) {
        let others = self.others();
        let agreed = self.incarnations_agreed();
        let total = self.settings.order == Order::Total;
        let mut changed = false;
        for origin in &mut self.origins {
            while let Some(stream) = origin.streams.first() {
                if stream.id.incarnation >= origin.incarnation {
                    break;
                }
                let over = agreed
                    && stream.slots.is_empty()
                    && (!total || stream.ended.is_some_and(|ended| stream.through >= ended.last))
                    && others.iter().all(|other| {
                        let view = &stream.views[other.index()];
                        view.delivered == stream.delivered
                            && stream.safe() == stream.delivered
                            && view.through == stream.through
                            && view.beyond.is_empty()
                    });
                if !over && origin.streams.len() <= OLD_INCARNATIONS_MAX + 1 {
                    break;
                }
                let stream = origin.streams.remove(0);
                origin.closed = stream.id.incarnation + 1;
                changed = true;
                self.told += tell_missed(&stream, &mut self.clock, out);
            }
        }
        if changed {
            self.recount();
            self.release_all(out);
        }
    }

    /// The member's own part in a [`MemberSet`], for callers that print.
    #[must_use]
    pub fn me(&self) -> Member {
        self.settings.me
    }
}

/// Tells what is known of a stream that is closed and was not delivered. Returns how many misses that are.
fn tell_missed(stream: &Stream, clock: &mut u64, out: &mut Vec<Output>) -> u64 {
    let elsewhere = stream.views.iter().map(|view| view.through).max();
    let known = elsewhere.unwrap_or(0).max(stream.through);
    if known <= stream.delivered {
        return 0;
    }
    out.push(missed(stream.id, stream.delivered + 1, known, clock));
    1
}

/// That these will never come is an event like any other.
fn missed(stream: StreamId, from: u64, to: u64, clock: &mut u64) -> Output {
    *clock = after_send(*clock).unwrap_or(*clock);
    Output::Missed {
        stream,
        from,
        to,
        time: *clock,
    }
}
