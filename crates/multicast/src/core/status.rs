//! Statuses: acknowledgement, heart-beat and first word on a new link in one.

use std::sync::Arc;

use super::frame::{About, Have, Promise, Status, StreamId};
use super::stream::Stream;
use super::{Order, Output, Peer, Refusal};
use crate::limits::{ACK_BYTES, ACK_MESSAGES};
use crate::members::{Member, MemberSet};

/// Messages since the last status. About many of them the next does not wait for its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Unreported {
    messages: u64,
    bytes: u64,
}

impl Unreported {
    /// Counts a message with so much payload. True when they are many.
    pub(super) fn count(&mut self, bytes: u64) -> bool {
        self.messages += 1;
        self.bytes += bytes;
        self.messages >= ACK_MESSAGES || self.bytes >= ACK_BYTES
    }

    /// Whether it is a single message.
    pub(super) fn is_one(&self) -> bool {
        self.messages == 1
    }
}

impl Peer {
    /// What this peer has to say now.
    pub(super) fn status(&mut self) -> Arc<Status> {
        self.status_number += 1;
        let me = self.settings.me.index();
        let total = self.settings.order == Order::Total;
        let mut members = Vec::with_capacity(self.settings.members);
        let mut streams = Vec::with_capacity(self.settings.members);
        for (index, origin) in self.origins.iter().enumerate() {
            let (horizon, sent) = match (index == me, total) {
                (_, false) => (0, 0),
                (true, true) if self.joining() => (0, 0),
                (true, true) => (self.clock, self.sequence),
                (false, true) => {
                    let last = origin
                        .streams
                        .last()
                        .filter(|stream| stream.id.incarnation == origin.incarnation);
                    (origin.horizon, last.map_or(0, |stream| stream.through))
                }
            };
            members.push(About {
                incarnation: origin.incarnation,
                announced: origin.announced,
                closed: origin.closed,
                horizon,
                sent,
            });
            for stream in &origin.streams {
                let (purged, lost) = stream.unavailable();
                streams.push(Have {
                    stream: stream.id,
                    through: stream.through,
                    delivered: self.told(stream),
                    purged,
                    stable: stream.stable,
                    dropped: stream.dropped,
                    had: stream.had,
                    lost,
                    beyond: stream.beyond(),
                    ended: stream.ended,
                });
            }
        }
        Arc::new(Status {
            incarnation: self.incarnation,
            number: self.status_number,
            hears: self.hears(),
            wants: self.wants,
            members,
            streams,
        })
    }

    /// How far a status says that this peer is.
    fn told(&self, stream: &Stream) -> u64 {
        #[cfg(test)]
        if self.planted(crate::sim::Planted::TellBeforeTaken) {
            return stream.delivered;
        }
        stream.safe()
    }

    pub(super) fn receive_status(&mut self, from: Member, status: &Status, out: &mut Vec<Output>) {
        let place = from.index();
        let members = self.settings.members;
        if status.incarnation < self.origins[place].incarnation || status.members.len() != members {
            return;
        }
        self.supersede(from, status.incarnation);
        if status.number <= self.links[place].number {
            return;
        }
        let me = self.settings.me;
        let link = &mut self.links[place];
        link.number = status.number;
        for (known, about) in link.knows.iter_mut().zip(&status.members) {
            *known = about.incarnation;
        }
        if let Some(incarnation) = self.superseded_by(from) {
            return self.disown(Refusal::Superseded { incarnation }, out);
        }
        if self.is_outdated_by(status) {
            return self.disown(Refusal::Outdated, out);
        }
        for (index, about) in status.members.iter().enumerate() {
            let member = Member::new(index);
            if !self.speaks(member) && member != from {
                self.supersede(member, about.incarnation);
            }
            self.close_below(index, about.closed, out);
        }
        let wanted = status.wants.contains(me);
        let link = &mut self.links[place];
        let heard_before = (link.hears, link.placed, link.synced);
        link.hears = status.hears;
        link.wants = status.wants;
        link.placed = if self.settings.order == Order::Total {
            status.wants.is_empty()
        } else {
            !wanted
        };
        let first = !std::mem::replace(&mut link.synced, true);
        let changed = heard_before != (link.hears, link.placed, link.synced);
        if wanted {
            self.greet(from, status.incarnation, out);
        }
        let all = self.take_haves(from, status, first);
        self.links[place].listed = all && self.takes_data_of(from);
        if self.settings.order == Order::Total {
            self.take_promises(from, status);
        }
        if changed {
            self.links_changed();
            if first {
                self.status_at = self.now;
            }
        }
        self.own_floor_changed();
        self.stabilise();
        self.miss(out);
        for origin in MemberSet::all(members).iter() {
            for index in 0..self.origins[origin.index()].streams.len() {
                let stream = &self.origins[origin.index()].streams[index];
                let view = &stream.views[place];
                // A member that others feed is left to them unless it is this peer's turn.
                if self.ready(from) && view.through < stream.top() && self.on_duty(from, origin, index) {
                    self.pump(from, origin, index, out);
                }
            }
        }
        self.release_all(out);
    }

    /// The later life of this member that `from` knows, unless another linked member knows this life as the latest: one that is
    /// mistaken does not end it.
    fn superseded_by(&self, from: Member) -> Option<u64> {
        let me = self.settings.me;
        let known = |member: Member| self.links[member.index()].knows[me.index()];
        let later = known(from);
        let all = MemberSet::all(self.settings.members);
        let mut others = all.without(me).without(from).iter();
        let contradicts = |other: Member| {
            let link = &self.links[other.index()];
            link.up && link.synced && known(other) == self.incarnation
        };
        (later > self.incarnation && !others.any(contradicts)).then_some(later)
    }

    /// Whether another member knows a life of this one that its journal does not, or a message of the latest that it does. A durable
    /// member stores what it says before it says it; so the journal is not the one that was written last.
    fn is_outdated_by(&self, status: &Status) -> bool {
        let Some(recalled) = self.recalled else {
            return false;
        };
        let me = self.settings.me;
        let known = status.members[me.index()].incarnation;
        let is_later = |have: &Have| {
            let top = have.beyond.last().map_or(have.through, |range| range.1);
            let own = self.find(have.stream);
            own.is_some_and(|index| top > self.origins[me.index()].streams[index].through)
        };
        let latest = StreamId {
            origin: me,
            incarnation: recalled,
        };
        (recalled < known && known < self.incarnation)
            || status
                .streams
                .iter()
                .any(|have| have.stream == latest && is_later(have))
    }

    fn take_promises(&mut self, from: Member, status: &Status) {
        if !self.takes_data_of(from) {
            return;
        }
        for (index, about) in status.members.iter().enumerate() {
            let member = Member::new(index);
            if member != from && self.speaks(member) {
                continue;
            }
            let origin = &mut self.origins[index];
            let current = about.announced == origin.incarnation && about.incarnation == origin.incarnation;
            if current && index != self.settings.me.index() && origin.announced < about.announced {
                origin.announced = about.announced;
                if let Some(stream) = origin.streams.last()
                    && stream.id.incarnation == origin.incarnation
                {
                    origin.horizon = origin.horizon.max(stream.last_stamp);
                }
            }
            let promise = Promise {
                incarnation: about.incarnation,
                clock: about.horizon,
                sent: about.sent,
            };
            if about.announced == about.incarnation {
                self.note_promise(member, promise);
            }
        }
    }

    /// Notes that another member lives in a later incarnation than known.
    fn supersede(&mut self, member: Member, incarnation: u64) {
        if incarnation > self.origins[member.index()].incarnation {
            self.new_incarnation(member, incarnation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::Frame;
    use crate::core::{Input, Memory, Saved, SavedStream, Settings};

    fn peer(index: usize, incarnation: u64) -> Peer {
        let memory = Memory {
            incarnation,
            ..Memory::default()
        };
        Peer::new(Settings::new(Member::new(index), 2, Order::Causal), memory)
    }

    fn feed(peer: &mut Peer, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        peer.step(0, input, &mut out);
        out
    }

    /// What `two` says to member 0, which comes as `incarnation`: the statuses of the new link.
    fn meet(two: &mut Peer, incarnation: u64) -> (Peer, Vec<Output>) {
        let mut one = peer(0, incarnation);
        let mut said = Vec::new();
        for output in feed(&mut one, Input::LinkUp(Member::new(1))) {
            if let Output::Send(_, frame) = output {
                said.extend(feed(two, Input::Frame(Member::new(0), frame)));
            }
        }
        said.extend(feed(two, Input::Tick));
        (one, said)
    }

    #[test]
    fn a_peer_whose_later_life_is_known_does_nothing_any_more() {
        let mut two = peer(1, 1);
        feed(&mut two, Input::LinkUp(Member::new(0)));
        meet(&mut two, 7);
        let (mut former, _) = meet(&mut two, 6);
        assert!(former.accepts() && former.disowned().is_none());
        let status = Frame::Status(two.status());
        let known = Refusal::Superseded { incarnation: 7 };
        assert_eq!(
            feed(&mut former, Input::Frame(Member::new(1), status)),
            [Output::Refused(known.clone())]
        );
        assert_eq!(former.disowned(), Some(&known));
        assert!(!former.accepts());
        for input in [
            Input::Tick,
            Input::LinkDown(Member::new(1)),
            Input::Broadcast("x".into()),
        ] {
            assert_eq!(feed(&mut former, input), []);
        }
    }

    /// What the life after `incarnation` begins with, whose journal has `sent` messages.
    fn journal(incarnation: u64, sent: u64) -> Memory {
        let about = About {
            incarnation,
            announced: incarnation,
            ..About::default()
        };
        let own = SavedStream {
            id: StreamId {
                origin: Member::new(0),
                incarnation,
            },
            base: sent + 1,
            through: sent,
            delivered: sent,
            stable: 0,
            dropped: 0,
            had: 0,
            last: None,
            messages: Vec::new(),
        };
        Memory {
            incarnation: 9,
            saved: Some(Saved {
                wants: MemberSet::EMPTY,
                members: vec![about, About::default()],
                streams: vec![own],
            }),
            ..Memory::default()
        }
    }

    #[test]
    fn a_journal_that_is_older_than_what_others_know_is_no_beginning() {
        let mut known = Status::clone(&peer(1, 1).status());
        known.members[0].incarnation = 7;
        known.streams = vec![Have {
            stream: StreamId {
                origin: Member::new(0),
                incarnation: 7,
            },
            through: 2,
            delivered: 0,
            purged: 0,
            stable: 0,
            dropped: 0,
            had: 0,
            lost: Vec::new(),
            beyond: Vec::new(),
            ended: None,
        }];
        let known = Arc::new(known);
        for (incarnation, sent, expected) in [
            (7, 2, None),
            (7, 1, Some(Refusal::Outdated)),
            (6, 2, Some(Refusal::Outdated)),
        ] {
            let mut settings = Settings::new(Member::new(0), 2, Order::Causal);
            settings.durable = true;
            let mut next = Peer::new(settings, journal(incarnation, sent));
            feed(&mut next, Input::LinkUp(Member::new(1)));
            feed(
                &mut next,
                Input::Frame(Member::new(1), Frame::Status(known.clone())),
            );
            assert_eq!(
                next.disowned(),
                expected.as_ref(),
                "{sent} messages of life {incarnation}"
            );
        }
    }
}
