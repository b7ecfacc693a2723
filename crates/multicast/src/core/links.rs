//! The links to the other members: up and down, who hears whom, and who is silent.

use super::frame::{Frame, StreamId};
use super::{Output, Peer};
use crate::limits::SUSPECT_AFTER;
use crate::members::{Member, MemberSet};

/// The link to another member, and what its last status said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Link {
    pub(super) up: bool,
    /// A status of the current incarnation arrived on this link.
    pub(super) synced: bool,
    /// The number of its last status.
    pub(super) number: u64,
    pub(super) hears: MemberSet,
    pub(super) wants: MemberSet,
    /// The incarnations it knows, in the group's order.
    pub(super) knows: Vec<u64>,
    /// Its watermarks mean something: it has its place.
    pub(super) placed: bool,
    /// Everything its last status lists was taken.
    pub(super) listed: bool,
    /// What its former incarnation had delivered.
    pub(super) before: Vec<(StreamId, u64)>,
    pub(super) heard_at: u64,
    pub(super) suspected: bool,
}

impl Peer {
    /// Members heard directly now.
    #[must_use]
    pub fn hears(&self) -> MemberSet {
        let mut hears = MemberSet::EMPTY;
        for member in MemberSet::all(self.settings.members)
            .without(self.settings.me)
            .iter()
        {
            let link = &self.links[member.index()];
            if link.up && link.synced && !link.suspected && self.takes_data_of(member) {
                hears.insert(member);
            }
        }
        hears
    }

    pub(super) fn link_up(&mut self, member: Member, out: &mut Vec<Output>) {
        let link = &mut self.links[member.index()];
        link.up = true;
        link.synced = false;
        link.listed = false;
        link.heard_at = self.now;
        link.suspected = false;
        self.links_changed();
        let status = self.status();
        out.push(Output::Send(MemberSet::EMPTY.with(member), Frame::Status(status)));
    }

    pub(super) fn link_down(&mut self, member: Member) {
        let link = &mut self.links[member.index()];
        link.up = false;
        link.synced = false;
        self.links_changed();
        self.own_floor_changed();
        // Those who relayed nothing to us because that member did should know now.
        self.status_at = self.now;
        self.repair_at = self.now;
    }

    pub(super) fn linked(&self) -> MemberSet {
        let mut linked = MemberSet::EMPTY;
        for (index, link) in self.links.iter().enumerate() {
            if link.up {
                linked.insert(Member::new(index));
            }
        }
        linked
    }

    /// Whether what others say of `member` is not needed, because it is heard itself. What a member says of itself is believed; what it
    /// says of others could make this peer deaf to them, so that counts only while they are not heard.
    pub(super) fn speaks(&self, member: Member) -> bool {
        let link = &self.links[member.index()];
        member == self.settings.me || (link.up && link.synced && !link.suspected)
    }

    /// How many messages of a stream there are at most, as its origin says, if it is heard, and in the life that sends them.
    pub(super) fn sent_at_most(&self, id: StreamId) -> u64 {
        let place = id.origin.index();
        let is_current = id.incarnation == self.origins[place].incarnation;
        if !is_current || !self.speaks(id.origin) || !self.links[place].listed {
            return u64::MAX;
        }
        self.find(id)
            .map_or(0, |index| self.origins[place].streams[index].views[place].through)
    }

    /// Whether messages may be sent to `member`: linked, heard, and in its place.
    pub(super) fn ready(&self, member: Member) -> bool {
        let link = &self.links[member.index()];
        link.up && link.synced && link.placed
    }

    /// Recomputes what follows from the links: who does not hear whom.
    pub(super) fn links_changed(&mut self) {
        let members = MemberSet::all(self.settings.members);
        for origin in members.iter() {
            let mut deaf = MemberSet::EMPTY;
            for member in members.without(self.settings.me).iter() {
                if member != origin
                    && self.ready(member)
                    && !self.links[member.index()].hears.contains(origin)
                {
                    deaf.insert(member);
                }
            }
            self.deaf[origin.index()] = deaf;
        }
    }

    pub(super) fn suspect(&mut self, out: &mut Vec<Output>) {
        let mut changed = false;
        for (index, link) in self.links.iter_mut().enumerate() {
            if link.up && !link.suspected && self.now.saturating_sub(link.heard_at) > SUSPECT_AFTER {
                link.suspected = true;
                changed = true;
                out.push(Output::Suspected(Member::new(index)));
            }
        }
        if changed {
            self.links_changed();
            self.status_at = self.now;
        }
    }
}
