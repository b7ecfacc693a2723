//! Who sends what to whom: the origin first, others where it does not reach, everybody in the end.

use super::frame::Frame;
use super::{Output, Peer};
use crate::limits::{
    RELAY_AFTER, RELAY_STEP, RESEND_AFTER, RESEND_DOUBLINGS_MAX, WINDOW_AFTER_LOSS, WINDOW_BYTES,
    WINDOW_MESSAGES,
};
use crate::members::{Member, MemberSet};

impl Peer {
    /// Passes a message on at once to those whom its sender does not reach and for whom this peer is on duty.
    pub(super) fn relay_at_first_sight(
        &mut self,
        from: Member,
        origin: Member,
        index: usize,
        out: &mut Vec<Output>,
    ) {
        #[cfg(test)]
        if self.planted(crate::sim::Planted::SkipRelay) {
            return;
        }
        let stream = &self.origins[origin.index()].streams[index];
        let current = stream.id.incarnation == self.origins[origin.index()].incarnation;
        let lacking = if current {
            self.deaf[origin.index()].without(from).without(origin)
        } else {
            self.linked().without(from)
        };
        for member in lacking.iter() {
            if self.ready(member) && self.is_nearest(member, origin) {
                self.pump(member, origin, index, out);
            }
        }
    }

    /// Looks at every stream for members that lack something of it: sends again what seems lost, and takes over from
    /// whoever was on duty and did not manage.
    pub(super) fn repair(&mut self, out: &mut Vec<Output>) {
        for place in 0..self.settings.members {
            let origin = Member::new(place);
            for index in 0..self.origins[place].streams.len() {
                for other in 0..self.settings.members {
                    self.repair_one(Member::new(other), origin, index, out);
                }
            }
        }
    }

    fn repair_one(&mut self, member: Member, origin: Member, index: usize, out: &mut Vec<Output>) {
        if member == self.settings.me || !self.ready(member) {
            return;
        }
        let stream = &self.origins[origin.index()].streams[index];
        let view = &stream.views[member.index()];
        if view.through >= stream.top() || self.is_own_of(member, origin, index) {
            return;
        }
        if !self.on_duty(member, origin, index) {
            #[cfg(test)]
            if self.planted(crate::sim::Planted::SkipRelay) {
                return;
            }
            let rank = self.settings.me.index() as u64;
            let next = (view.through + 1).max(stream.base);
            let patience = RELAY_AFTER + rank * RELAY_STEP;
            let Some(held) = (next..=stream.top()).find_map(|sequence| stream.held(sequence)) else {
                return;
            };
            if self.now.saturating_sub(held.seen_at.max(view.moved_at)) < patience {
                return;
            }
        }
        let now = self.now;
        let stream = &mut self.origins[origin.index()].streams[index];
        let view = &mut stream.views[member.index()];
        let under_way = view.cursor > view.through + 1;
        if under_way && now.saturating_sub(view.moved_at) >= RESEND_AFTER << view.resent {
            view.resent = (view.resent + 1).min(RESEND_DOUBLINGS_MAX);
            view.cursor = view.through + 1;
            view.window = WINDOW_AFTER_LOSS;
        }
        self.pump(member, origin, index, out);
    }

    /// Whether the stream is the member's own of this life: it has all of it.
    fn is_own_of(&self, member: Member, origin: Member, index: usize) -> bool {
        let of = &self.origins[origin.index()];
        member == origin && of.streams[index].id.incarnation == of.incarnation
    }

    /// Whether it is this peer's task to give `member` the messages of `origin`: the origin's own while the member hears
    /// it, then that of the first member known to have them whom the member hears.
    pub(super) fn on_duty(&self, member: Member, origin: Member, index: usize) -> bool {
        let me = self.settings.me;
        #[cfg(test)]
        if origin != me && self.planted(crate::sim::Planted::SkipRelay) {
            return false;
        }
        let of = &self.origins[origin.index()];
        let stream = &of.streams[index];
        let current = stream.id.incarnation == of.incarnation;
        if current && origin == me {
            return true;
        }
        let hears = self.links[member.index()].hears;
        if current && hears.contains(origin) {
            return false;
        }
        let next = stream.views[member.index()].through + 1;
        let first = hears.iter().find(|&other| {
            other == me
                || (other != member
                    && stream.views[other.index()].can_give(next)
                    && self.links[other.index()].placed)
        });
        first.is_none_or(|first| first == me)
    }

    /// Whether this peer is the first among those who hear the origin and whom `member` hears: it passes a message on at
    /// first sight, before it knows who else has it.
    fn is_nearest(&self, member: Member, origin: Member) -> bool {
        let me = self.settings.me;
        let first = self.links[member.index()].hears.iter().find(|&other| {
            other == me
                || (other != member && other != origin && self.links[other.index()].hears.contains(origin))
        });
        first.is_none_or(|first| first == me)
    }

    /// Sends `member` what it lacks of a stream, from where it was left, as far as the window goes.
    pub(super) fn pump(&mut self, member: Member, origin: Member, index: usize, out: &mut Vec<Output>) {
        if self.is_own_of(member, origin, index) {
            return;
        }
        let now = self.now;
        let stream = &mut self.origins[origin.index()].streams[index];
        let top = stream.top();
        let mut view = std::mem::take(&mut stream.views[member.index()]);
        view.cursor = view.cursor.max(view.through + 1).max(stream.base);
        let to = MemberSet::EMPTY.with(member);
        while view.cursor <= top && view.cursor - view.through <= view.window {
            if !view.has(view.cursor)
                && let Some(held) = stream.held(view.cursor)
            {
                if stream.bytes_under_way(&view) > WINDOW_BYTES {
                    break;
                }
                out.push(Output::Send(to, Frame::Data(held.message.clone())));
                view.moved_at = now;
            }
            view.cursor += 1;
        }
        stream.views[member.index()] = view;
    }

    /// Recomputes how far every linked member has followed the own messages.
    pub(super) fn own_floor_changed(&mut self) {
        let mut floor = self.sequence;
        let mut safe = self.sequence;
        for member in MemberSet::all(self.settings.members)
            .without(self.settings.me)
            .iter()
        {
            if self.ready(member) {
                let view = &self.own().views[member.index()];
                floor = floor.min(view.through);
                safe = safe.min(view.delivered);
            }
        }
        let own = self.own();
        let bytes_up_to = |last: u64| own.held(last + 1).map_or(own.bytes, |held| held.bytes_before);
        (self.own_floor_bytes, self.own_safe_bytes) = (bytes_up_to(floor), bytes_up_to(safe));
        (self.own_floor, self.own_safe) = (floor, safe);
    }

    /// A member told what it has: the window grows back with every sign of progress.
    pub(super) fn progressed(view: &mut super::stream::View, now: u64) {
        view.moved_at = now;
        view.resent = 0;
        view.window = (view.window * 2).min(WINDOW_MESSAGES);
    }
}
