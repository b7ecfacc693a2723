//! Draws what will happen in a run: when each peer starts, says something, crashes, and which links go wrong when.

use super::Random;
use super::agenda::{Agenda, Step};
use crate::members::{Member, MemberSet};

/// When everything heals, in microseconds.
pub(super) const HEAL_AT: u64 = 5_000_000;

/// The plan of a run of so many members.
pub(super) fn draw(members: usize, random: &mut Random) -> Agenda {
    let mut plan = Plan {
        members,
        random,
        agenda: Agenda::default(),
    };
    plan.starts();
    plan.broadcasts();
    plan.faults();
    plan.agenda.at(HEAL_AT, Step::Heal);
    plan.agenda.at(0, Step::Sample);
    plan.agenda
}

struct Plan<'a> {
    members: usize,
    random: &'a mut Random,
    agenda: Agenda,
}

impl Plan<'_> {
    fn starts(&mut self) {
        for index in 0..self.members {
            // Peers start in any order; now and then one only after the others have done a lot.
            let late = if self.random.chance(10) {
                HEAL_AT / 2
            } else {
                100_000
            };
            let at = self.random.below(late);
            self.agenda.at(at, Step::Restart(Member::new(index)));
        }
    }

    fn broadcasts(&mut self) {
        for _ in 0..self.random.between(10, 90) {
            let (at, member) = (self.random.below(HEAL_AT), self.member());
            self.agenda.at(at, Step::Broadcast(member));
        }
    }

    fn faults(&mut self) {
        let stormy = self.random.chance(70);
        for _ in 0..if stormy { self.random.below(6) } else { 0 } {
            let (at, member) = (self.random.below(HEAL_AT), self.member());
            self.agenda.at(at, Step::Crash(member));
            let back = at + self.random.between(1_000, 2_000_000);
            self.agenda.at(back, Step::Restart(member));
        }
        for _ in 0..if stormy { self.random.below(10) } else { 0 } {
            let (at, from) = (self.random.below(HEAL_AT), self.member());
            let to = self.other(from);
            let end = at + self.random.between(1_000, 2_500_000);
            if self.random.chance(50) {
                self.agenda.at(at, Step::Cut(from, to));
                self.agenda.at(end, Step::Mend(from, to));
            } else {
                self.agenda.at(at, Step::Break(from, to));
                self.agenda.at(end, Step::Join(from, to));
            }
        }
        if self.random.chance(15) {
            // One member is cut off altogether.
            let (at, member) = (self.random.below(HEAL_AT / 2), self.member());
            let end = at + self.random.between(100_000, 4_000_000);
            for other in MemberSet::all(self.members).without(member).iter() {
                self.agenda.at(at, Step::Break(member, other));
                self.agenda.at(end, Step::Join(member, other));
            }
        }
    }

    fn member(&mut self) -> Member {
        Member::new(self.random.below(self.members as u64) as usize)
    }

    fn other(&mut self, than: Member) -> Member {
        let others: Vec<Member> = MemberSet::all(self.members).without(than).iter().collect();
        self.random.one_of(&others)
    }
}
