//! The links between the members: what is on them, and what goes wrong with it.
//!
//! A link carries frames in order, as TCP does, except that single frames may be lost (up to 30 %) or come again later
//! (up to 50 %): more than TCP ever does, so that nothing rests on it. Its two ends learn of its breaking one by one.

use std::collections::BTreeMap;

use super::Random;
use crate::members::{Member, MemberSet};

/// One end of what may be linked: the number of its link, if it has one.
#[derive(Clone, Copy, Default)]
struct End {
    link_number: Option<u64>,
    last_arrival: u64,
    cut: bool,
}

pub(super) struct Network {
    /// By (at, of): the end at `at` of the link with `of`.
    ends: BTreeMap<(Member, Member), End>,
    /// The number of the latest link.
    last_link_number: u64,
    loss: u64,
    replay: u64,
    delay_max: u64,
}

impl Network {
    /// Links between so many members, all down, that fail as `random` has it.
    pub(super) fn draw(members: usize, random: &mut Random) -> Self {
        let everybody = MemberSet::all(members);
        let ends = everybody
            .iter()
            .flat_map(|at| {
                everybody
                    .without(at)
                    .iter()
                    .map(move |of| ((at, of), End::default()))
            })
            .collect();
        Self {
            ends,
            last_link_number: 0,
            loss: random.one_of(&[0, 0, 0, 5, 15, 30]),
            replay: random.one_of(&[0, 0, 5, 20, 50]),
            delay_max: random.one_of(&[100, 2_000, 50_000, 300_000]),
        }
    }

    /// The number of the link that `at` believes to have with `of`.
    pub(super) fn link_number(&self, at: Member, of: Member) -> Option<u64> {
        self.ends[&(at, of)].link_number
    }

    /// Whether both ends have the same link.
    pub(super) fn is_joined(&self, a: Member, b: Member) -> bool {
        self.link_number(a, b).is_some() && self.link_number(a, b) == self.link_number(b, a)
    }

    /// A number that no link ever had.
    pub(super) fn new_link_number(&mut self) -> u64 {
        self.last_link_number += 1;
        self.last_link_number
    }

    /// Gives one end a link; true if it had another one.
    pub(super) fn enter(&mut self, at: Member, of: Member, link_number: u64, now: u64) -> bool {
        let end = self.end(at, of);
        end.last_arrival = now;
        end.link_number.replace(link_number).is_some()
    }

    /// One end has no link any more.
    pub(super) fn leave(&mut self, at: Member, of: Member) {
        self.end(at, of).link_number = None;
    }

    /// Whether what `from` sends to `to` vanishes.
    pub(super) fn set_cut(&mut self, from: Member, to: Member, cut: bool) {
        self.end(to, from).cut = cut;
    }

    /// Nothing is lost, replayed or cut any more, and nothing takes long.
    pub(super) fn heal(&mut self) {
        self.loss = 0;
        self.replay = 0;
        self.delay_max = self.delay_max.min(20_000);
        for end in self.ends.values_mut() {
            end.cut = false;
        }
    }

    /// When a frame sent now arrives: never, once, or twice.
    pub(super) fn arrivals(
        &mut self,
        from: Member,
        to: Member,
        now: u64,
        random: &mut Random,
    ) -> impl Iterator<Item = u64> {
        let mut arrivals = [None, None];
        let copies = 1 + usize::from(random.chance(self.replay));
        for (copy, arrives) in arrivals.iter_mut().enumerate().take(copies) {
            let late = if copy == 0 { 0 } else { random.below(500_000) };
            let delay = random.between(20, self.delay_max) + late;
            let lost = random.chance(self.loss);
            let end = self.end(to, from);
            if end.cut || lost {
                continue;
            }
            let mut arrival = now + delay;
            if copy == 0 {
                arrival = arrival.max(end.last_arrival);
                end.last_arrival = arrival;
            }
            *arrives = Some(arrival);
        }
        arrivals.into_iter().flatten()
    }

    fn end(&mut self, at: Member, of: Member) -> &mut End {
        self.ends.get_mut(&(at, of)).expect("every pair has its ends")
    }
}
