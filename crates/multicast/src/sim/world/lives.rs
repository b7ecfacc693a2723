//! The lives of a member: how it ends, what it leaves behind, and how it begins again.

use super::World;
use crate::core::{Input, Memory, Peer, Settings};
use crate::members::Member;
use crate::sim::Planted;
use crate::sim::agenda::Step;
use crate::sim::history::Chain;
use crate::sim::host::Keeping;

impl World {
    pub(super) fn crash(&mut self, member: Member) {
        let keeps = self.random.chance(50);
        let Some(peer) = self.hosts[member.index()].peer.take() else {
            return;
        };
        let how = match (self.keeping, keeps) {
            (Keeping::Journal, true) => "and what it was writing is stored",
            (Keeping::Journal, false) => "and what it was writing is not stored",
            (Keeping::AllOrNothing, true) => "with its state",
            (Keeping::AllOrNothing, false) => "and loses it",
        };
        if self.tell {
            self.say(&format!("{member:?} crashes {how}"));
        }
        let host = &mut self.hosts[member.index()];
        match (self.keeping, keeps) {
            (Keeping::Journal, stored) => {
                if stored {
                    // Stored, and nothing of it said any more.
                    for batch in host.stored() {
                        let sent = batch.sent.into_iter().map(|event| (self.now, event));
                        self.history.chains[host.chain].events.extend(sent);
                    }
                }
                host.crash();
            }
            (Keeping::AllOrNothing, true) => {
                host.kept = peer.save().map(|saved| Memory {
                    incarnation: 0,
                    clock: peer.clock(),
                    absent: 0,
                    saved: Some(saved),
                });
            }
            (Keeping::AllOrNothing, false) => host.kept = None,
        }
        for other in self.others(member) {
            self.network.leave(member, other);
            if let Some(link_number) = self.network.link_number(other, member) {
                // What was on its way may still arrive until the other side notices.
                let notice = self.now + self.random.below(100_000);
                self.agenda.at(
                    notice,
                    Step::Notice {
                        at: other,
                        of: member,
                        link_number,
                    },
                );
            }
        }
    }

    pub(super) fn restart(&mut self, member: Member) {
        let first = self.hosts[member.index()].incarnation == 0;
        let host = &mut self.hosts[member.index()];
        if host.peer.is_some() {
            return;
        }
        let mut kept = host.kept.take();
        if self.keeping == Keeping::Journal && !first {
            kept = Some(host.memory(0, self.planted));
        }
        if kept.is_none() {
            host.forget();
        }
        if !(self.planted == Some(Planted::ForgetIncarnation) && kept.is_none() && !first) {
            host.incarnation += 1;
        }
        if kept.is_none() && !first {
            self.history.chains[host.chain].last = false;
            host.chain = self.history.chains.len();
            self.history.chains.push(Chain {
                member,
                first: false,
                last: true,
                events: vec![],
            });
        }
        let mut settings = Settings::new(member, self.history.members, self.order);
        settings.retain_messages = self.retain;
        settings.planted = self.planted;
        settings.durable = self.keeping == Keeping::Journal;
        let incarnation = host.incarnation;
        let memory = Memory {
            incarnation,
            ..kept.unwrap_or_default()
        };
        if self.tell {
            self.say(&format!("{member:?} starts as incarnation {incarnation}"));
        }
        self.hosts[member.index()].peer = Some(Peer::new(settings, memory));
        self.feed(member, Input::Tick);
        self.agenda.at(self.now + 1, Step::Take(member));
        for other in self.others(member) {
            let at = self.now + self.random.below(200_000);
            self.agenda.at(at, Step::Join(member, other));
        }
    }
}
