//! What a member says to have, stream by stream.
//!
//! Of its own copies it is believed. What it says of others (what everybody delivered, where a stream ends) counts as far as they do not
//! [speak](Peer::speaks) themselves, and for a peer that lost its state, which has nothing to compare it with.

use super::frame::{Have, Status};
use super::{Order, Peer};
use crate::limits::WINDOW_MESSAGES;
use crate::members::{Member, MemberSet};

impl Peer {
    /// Takes what a member has; on a new link this peer begins after it. False when something must wait for this peer to find its
    /// place.
    pub(super) fn take_haves(&mut self, from: Member, status: &Status, first: bool) -> bool {
        let place = from.index();
        let none = self.settings.order == Order::None;
        let was_here = self.believes_to_have_had(from, status);
        let others = MemberSet::all(self.settings.members).without(self.settings.me);
        let heard: Vec<Member> = others.iter().filter(|other| self.speaks(*other)).collect();
        let mut all = true;
        for have in self.of_members(status) {
            if !self.takes_have_of(from, have) {
                all = false;
                continue;
            }
            let Some(index) = self.open(have.stream, from) else {
                continue;
            };
            let now = self.now;
            let is_own = have.stream == self.own().id;
            let may_end = self.may_end(from, have);
            let stream = &mut self.origins[have.stream.origin.index()].streams[index];
            let view = &mut stream.views[place];
            if have.through > view.through || have.beyond != view.beyond {
                view.beyond.clone_from(&have.beyond);
                if have.through > view.through {
                    view.learn(have.through);
                    Self::progressed(view, now);
                }
            }
            view.delivered = view.delivered.max(have.delivered);
            view.purged = view.purged.max(have.purged);
            view.dropped = view.dropped.max(have.dropped);
            view.had = view.had.max(have.had);
            view.lost.clone_from(&have.lost);
            if was_here && !is_own && have.stable > stream.delivered {
                stream.had(have.stable);
                stream.stable = have.stable;
                if none {
                    stream.delivered = stream.through;
                }
            }
            let mut known = stream.safe();
            if from != have.stream.origin {
                let delivered = heard.iter().map(|other| stream.views[other.index()].delivered);
                known = delivered.fold(known, u64::min);
            }
            stream.stable = stream.stable.max(have.stable.min(known));
            if may_end
                && let Some(ended) = have.ended
                && stream.ended.is_none_or(|known| known.by < ended.by)
                // Of a member that goes on from an old copy of its journal, and will be told so.
                && ended.last.max(stream.had) >= stream.delivered
            {
                stream.ended = Some(ended);
                if stream.top() > ended.last {
                    stream.cut(ended.last);
                }
            }
        }
        if first {
            for stream in self.origins.iter_mut().flat_map(|origin| &mut origin.streams) {
                let view = &mut stream.views[place];
                view.cursor = view.through + 1;
                view.window = WINDOW_MESSAGES;
                view.resent = 0;
                view.moved_at = self.now;
            }
        }
        self.recount();
        all
    }

    /// Whether this peer, which lost its state, believes that its former self had what `status` says everybody delivered. That is
    /// taken of all streams or of none: together they hold the causes of what they hold, and some of them would not.
    fn believes_to_have_had(&self, from: Member, status: &Status) -> bool {
        let own = self.own().id;
        !self.wants.is_empty()
            && self.of_members(status).all(|have| {
                let is_sent = have.stream == own || have.stable <= self.sent_at_most(have.stream);
                is_sent && self.takes_have_of(from, have)
            })
    }

    fn of_members<'s>(&self, status: &'s Status) -> impl Iterator<Item = &'s Have> + use<'s> {
        let members = self.settings.members;
        let of = move |have: &&Have| have.stream.origin.index() < members;
        status.streams.iter().filter(of)
    }

    /// Whether `from` may say where a stream ends: a life that is over, which a later one known here announced, in total order.
    fn may_end(&self, from: Member, have: &Have) -> bool {
        let Some(ended) = have.ended else {
            return false;
        };
        let origin = have.stream.origin;
        let lives = have.stream.incarnation + 1..=self.origins[origin.index()].incarnation;
        self.settings.order == Order::Total
            && lives.contains(&ended.by)
            && origin != self.settings.me
            && (from == origin || !self.speaks(origin))
    }

    /// A peer without its place learns of streams from welcomes, which say where it stands in them.
    fn takes_have_of(&self, from: Member, have: &Have) -> bool {
        let opens = self.wants.is_empty() || have.purged == 0;
        (self.takes_data_of(from) && opens) || self.find(have.stream).is_some()
    }
}
