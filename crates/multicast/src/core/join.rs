//! Incarnations: how a peer begins, how others notice that it began again, and how it finds its place without its state.
//!
//! A peer that kept its state goes on from it. One that lost it asks every member for a welcome: where the member last knew
//! its former self to be. In the first three orders each welcome opens the link it came on. In total order the peer waits for
//! all of them, because only all members together know where its former sequences end: from the moment a member greets the
//! new incarnation it takes nothing more of the former ones, so the last message that any of them holds is the end,
//! and what lies behind it can be delivered without anything of the past still turning up (the flush of virtual
//! synchrony, reduced to one sender: K. Birman and T. Joseph, *Exploiting Virtual Synchrony in Distributed Systems*, SOSP
//! 1987).

use std::sync::Arc;

use super::frame::{About, Ended, Frame, StreamId, Welcome};
use super::stream::Stream;
use super::{Order, Output, Peer, Saved, SavedStream};
use crate::limits::STREAMS_MAX;
use crate::members::{Member, MemberSet};

impl Peer {
    /// Opens the own stream and what was saved.
    pub(super) fn begin(&mut self, saved: Option<Saved>) {
        let me = self.settings.me;
        let total = self.settings.order == Order::Total;
        let (members, streams) = saved.map_or_else(Default::default, |saved| (saved.members, saved.streams));
        for (origin, about) in self.origins.iter_mut().zip(members) {
            origin.incarnation = about.incarnation;
            origin.announced = about.announced;
            origin.closed = about.closed;
            origin.horizon = about.horizon;
        }
        for SavedStream {
            id,
            base: _,
            through,
            delivered,
            stable,
            dropped,
            had,
            last,
            messages,
        } in streams
        {
            let start = messages
                .first()
                .map_or(delivered, |(first, _)| delivered.min(first.id.sequence - 1));
            let origin = &mut self.origins[id.origin.index()];
            origin.incarnation = origin.incarnation.max(id.incarnation);
            let Some(index) = self.open(id, me) else { continue };
            let stream = &mut self.origins[id.origin.index()].streams[index];
            *stream = Stream::new(id, start, self.settings.members);
            for (message, received) in messages {
                stream.insert(message, received, 0);
            }
            // What was out of reach leaves no message behind. The promises of others rest on how far this peer was.
            stream.skip_again(through.max(delivered));
            stream.delivered = delivered.max(start);
            stream.skip_missed();
            stream.stable = stable;
            stream.dropped = dropped;
            stream.had = had;
            if id.origin == me && total {
                stream.ended = Some(Ended {
                    by: self.incarnation,
                    last: last.unwrap_or(stream.through),
                });
            }
        }
        // Restored predecessors count as new for the next own message.
        self.fresh = MemberSet::all(self.settings.members);
        let origin = &mut self.origins[me.index()];
        assert!(
            origin.incarnation < self.incarnation,
            "an incarnation is larger than every former one"
        );
        origin.incarnation = self.incarnation;
        let id = StreamId {
            origin: me,
            incarnation: self.incarnation,
        };
        origin.streams.push(Stream::new(id, 0, self.settings.members));
        if !self.joining() {
            self.origins[me.index()].announced = self.incarnation;
        }
        self.recount();
    }

    /// What a later incarnation needs to go on from here. `None` in total order before this peer has found its place: then there
    /// is nothing to go on from.
    #[must_use]
    pub fn save(&self) -> Option<Saved> {
        let mut saved = self.outline()?;
        let streams = self.origins.iter().flat_map(|origin| &origin.streams);
        for (saved, stream) in saved.streams.iter_mut().zip(streams) {
            saved.messages = (stream.base..=stream.top())
                .filter_map(|sequence| stream.held(sequence))
                .map(|held| (held.message.clone(), held.received))
                .collect();
        }
        Some(saved)
    }

    /// The same without the messages, which [`Output::Keep`] tells one by one.
    #[must_use]
    pub fn outline(&self) -> Option<Saved> {
        if self.joining() {
            return None;
        }
        let members = self.origins.iter().map(|origin| About {
            incarnation: origin.incarnation,
            announced: origin.announced,
            closed: origin.closed,
            horizon: origin.horizon,
            sent: 0,
        });
        let streams = self.origins.iter().flat_map(|origin| &origin.streams);
        let streams = streams.map(|stream| SavedStream {
            id: stream.id,
            base: stream.base,
            through: stream.through,
            delivered: stream.delivered,
            stable: stream.stable,
            dropped: stream.dropped,
            had: stream.had,
            last: stream.ended.map(|ended| ended.last),
            messages: Vec::new(),
        });
        Some(Saved {
            wants: self.wants,
            members: members.collect(),
            streams: streams.collect(),
        })
    }

    /// The place of a stream among its origin's, if it is open.
    pub(super) fn find(&self, id: StreamId) -> Option<usize> {
        // The current incarnation is the last, and nearly every message is of it.
        self.origins[id.origin.index()]
            .streams
            .iter()
            .rposition(|stream| stream.id == id)
    }

    /// The place of a stream among its origin's, opened if it is new, as `by` says. `None` if it is closed, if it would be that of a
    /// later life of a member that [speaks for itself](Self::speaks), or if there are too many.
    pub(super) fn open(&mut self, id: StreamId, by: Member) -> Option<usize> {
        if let Some(index) = self.find(id) {
            return Some(index);
        }
        let origin = &self.origins[id.origin.index()];
        if id.incarnation < origin.closed {
            return None;
        }
        if id.incarnation > origin.incarnation {
            if by != id.origin && self.speaks(id.origin) {
                return None;
            }
            self.new_incarnation(id.origin, id.incarnation);
        }
        if self.origins[id.origin.index()].streams.len() >= STREAMS_MAX - 1 {
            // The oldest is closed soon. What is not taken until then comes again.
            return None;
        }
        let members = self.settings.members;
        let streams = &mut self.origins[id.origin.index()].streams;
        let index = streams.partition_point(|stream| stream.id < id);
        streams.insert(index, Stream::new(id, 0, members));
        if self.settings.order == Order::Total && id.origin == self.settings.me {
            self.end_unnamed();
        }
        Some(index)
    }

    /// A member lives again: its former self's promises and whereabouts are void, and the link to that self is dead.
    pub(super) fn new_incarnation(&mut self, member: Member, incarnation: u64) {
        let place = member.index();
        let origin = &mut self.origins[place];
        origin.incarnation = incarnation;
        origin.promise = None;
        let link = &mut self.links[place];
        let was_placed = link.placed;
        let mut before = Vec::new();
        link.synced = false;
        link.placed = false;
        link.listed = false;
        link.number = 0;
        link.hears = MemberSet::EMPTY;
        for stream in self.origins.iter_mut().flat_map(|origin| &mut origin.streams) {
            let view = std::mem::take(&mut stream.views[place]);
            before.push((stream.id, view.delivered));
        }
        if was_placed {
            self.links[place].before = before;
        }
        self.links_changed();
        self.own_floor_changed();
    }

    /// Tells a member that lost its state where it was.
    pub(super) fn greet(&mut self, member: Member, incarnation: u64, out: &mut Vec<Output>) {
        let origin = &self.origins[member.index()];
        let former = origin
            .streams
            .iter()
            .filter(|stream| stream.id.incarnation < incarnation);
        let sent = origin.streams.iter().map(Stream::top_stamp).max();
        let mut clock = sent.unwrap_or(0).max(origin.horizon);
        let delivered = self.whereabouts(member);
        if delivered.iter().any(|&(_, through)| through > 0) {
            // What its former self received it will not receive again, and in total order others wait for its clock to be past
            // that. Whoever still waits has it, and greets with a clock that is.
            clock = clock.max(self.clock);
        }
        let welcome = Welcome {
            incarnation,
            from: self.incarnation,
            clock,
            delivered,
            // What is held above a gap is delivered once the gap is given up.
            former: former
                .map(|stream| (stream.id.incarnation, stream.top().max(stream.through)))
                .collect(),
        };
        out.push(Output::Send(
            MemberSet::EMPTY.with(member),
            Frame::Welcome(Arc::new(welcome)),
        ));
    }

    /// How far the former self of a member was: what it told, and what is known to be everywhere.
    fn whereabouts(&self, member: Member) -> Vec<(StreamId, u64)> {
        let before = &self.links[member.index()].before;
        let streams = self.origins.iter().flat_map(|origin| &origin.streams);
        streams
            .map(|stream| {
                let told = before
                    .iter()
                    .find(|(id, _)| *id == stream.id)
                    .map_or(0, |(_, delivered)| *delivered);
                (stream.id, told.max(stream.stable))
            })
            .collect()
    }

    pub(super) fn receive_welcome(&mut self, from: Member, welcome: &Welcome, out: &mut Vec<Output>) {
        if welcome.incarnation != self.incarnation
            || welcome.from != self.origins[from.index()].incarnation
            || !self.wants.contains(from)
        {
            return;
        }
        let joining = self.joining();
        // However far ahead: a peer that lost its state has no time of its own to defend, and its group may be old.
        self.clock = self.clock.max(welcome.clock);

        let own = self.own().id;
        for &(id, delivered) in &welcome.delivered {
            if id.origin.index() >= self.settings.members || id >= own && id.origin == own.origin {
                continue;
            }
            let Some(index) = self.open(id, from) else {
                continue;
            };
            let delivered = delivered.min(self.sent_at_most(id));
            // Every member knows another part of where the former self was. Each part holds the causes of what it holds, and so do
            // several together; one part alone, stream by stream, would not.
            let stream = &mut self.origins[id.origin.index()].streams[index];
            stream.had(delivered);
            if self.settings.order == Order::None {
                stream.delivered = stream.through;
            }
        }
        let former = welcome.former.iter().filter(|(life, _)| *life < own.incarnation);
        for &(incarnation, through) in former {
            match self.former.iter_mut().find(|(known, _)| *known == incarnation) {
                Some((_, last)) => *last = through.max(*last),
                None => self.former.push((incarnation, through)),
            }
        }
        self.wants.remove(from);
        if joining && self.wants.is_empty() {
            self.announce();
        }
        self.status_at = self.now;
        self.links_changed();
        self.recount();
        self.release_all(out);
    }

    /// All welcomes are in: tells how the former incarnations ended.
    fn announce(&mut self) {
        let me = self.settings.me;
        let members = self.settings.members;
        for (incarnation, last) in std::mem::take(&mut self.former) {
            let id = StreamId {
                origin: me,
                incarnation,
            };
            let Some(index) = self.open(id, me) else {
                continue;
            };
            let stream = &mut self.origins[me.index()].streams[index];
            if stream.delivered > last {
                // The former self was ahead of everybody with a message that died with it.
                let views = std::mem::take(&mut stream.views);
                *stream = Stream::new(id, last, members);
                stream.views = views;
            }
            stream.ended = Some(Ended {
                by: self.incarnation,
                last,
            });
        }
        self.origins[me.index()].announced = self.incarnation;
        self.end_unnamed();
    }

    /// The announcement names the ends of all former lives that anybody knew of. One that turns up later was empty everywhere when
    /// this life was greeted, and so it stays.
    fn end_unnamed(&mut self) {
        let (me, by) = (self.settings.me, self.incarnation);
        let own = &mut self.origins[me.index()];
        if own.announced != by {
            return;
        }
        let former = own.streams.iter_mut().filter(|stream| stream.id.incarnation < by);
        for stream in former.filter(|stream| stream.ended.is_none() && stream.top() == 0) {
            stream.ended = Some(Ended { by, last: 0 });
        }
    }

    /// Counts again what is kept over all streams.
    pub(super) fn recount(&mut self) {
        self.undelivered = 0;
        self.retained = 0;
        self.retained_bytes = 0;
        for stream in self.origins.iter().flat_map(|origin| &origin.streams) {
            self.undelivered += stream.through - stream.delivered;
            self.retained += stream.slots.len() as u64;
            self.retained_bytes += stream.kept_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lamport::LEAP_MAX_DEFAULT;

    use crate::core::frame::{Frame, Have, Status};
    use crate::core::stage::{
        OTHER, THIRD, feed_frame, have, message, newcomer, peer, status, status_of, stream, welcome,
    };
    use crate::core::{Input, Output};
    use crate::members::{Member, MemberSet};

    #[test]
    fn who_lost_its_state_is_let_into_an_old_group() {
        let mut peer = newcomer();
        let old = 100 * LEAP_MAX_DEFAULT;
        feed_frame(&mut peer, status(1, 0, 0));
        feed_frame(&mut peer, welcome(old, Vec::new(), Vec::new()));
        assert_eq!(peer.clock(), old);
    }

    /// Member 1's second message came after member 2's first.
    #[test]
    fn what_a_former_self_delivered_comes_with_all_that_it_came_after() {
        let mut peer = newcomer();
        feed_frame(&mut peer, status_of(1, vec![have(OTHER, 3), have(THIRD, 1)]));
        let nothing = vec![(stream(OTHER), 0), (stream(THIRD), 0)];
        feed_frame(&mut peer, welcome(0, nothing, Vec::new()));
        let waits_for_the_first = message(THIRD, 1, &[OTHER]);
        assert_eq!(feed_frame(&mut peer, Frame::Data(waits_for_the_first)), []);
        assert_eq!(feed_frame(&mut peer, Frame::Data(message(OTHER, 3, &[]))), []);

        let everywhere = |of, through, stable| Have {
            purged: stable,
            stable,
            ..have(of, through)
        };
        let status = status_of(2, vec![everywhere(OTHER, 3, 2), everywhere(THIRD, 1, 1)]);
        assert_eq!(feed_frame(&mut peer, status), [(OTHER, 3, 3)]);
    }

    #[test]
    fn a_former_life_ends_behind_all_that_anybody_may_still_deliver_of_it() {
        let mut peer = peer();
        let kept = Have {
            delivered: 0,
            ..have(OTHER, 3)
        };
        feed_frame(&mut peer, status_of(1, vec![kept]));
        for sequence in [1, 3] {
            feed_frame(&mut peer, Frame::Data(message(OTHER, sequence, &[])));
        }
        let Frame::Status(status) = status_of(1, Vec::new()) else {
            unreachable!("it is a status")
        };
        let lost_its_state = Status {
            incarnation: 2,
            wants: MemberSet::EMPTY.with(Member::new(0)),
            ..(*status).clone()
        };
        let mut out = Vec::new();
        let frame = Frame::Status(Arc::new(lost_its_state));
        peer.step(0, Input::Frame(Member::new(OTHER), frame), &mut out);
        let welcome = out.iter().find_map(|output| match output {
            Output::Send(_, Frame::Welcome(welcome)) => Some(welcome),
            _ => None,
        });
        let welcome = welcome.expect("it is wanted");
        assert_eq!((welcome.clock, &welcome.former), (3, &vec![(1, 3)]));
    }
}
