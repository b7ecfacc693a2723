//! What is going to happen, in the order of its time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::core::frame::Frame;
use crate::members::Member;

/// Something that happens in the world.
pub(super) enum Step {
    Arrive {
        from: Member,
        to: Member,
        link_number: u64,
        frame: Frame,
    },
    Broadcast(Member),
    Tick(Member),
    /// The application of a member takes a few deliveries.
    Take(Member),
    /// What a member was writing is stored.
    Stored {
        member: Member,
        incarnation: u64,
    },
    Crash(Member),
    Restart(Member),
    Break(Member, Member),
    Join(Member, Member),
    /// What the other side notices of a broken link, later.
    Notice {
        at: Member,
        of: Member,
        link_number: u64,
    },
    Cut(Member, Member),
    Mend(Member, Member),
    Heal,
    Sample,
}

/// Steps by their time; those of the same time in the order in which they were put in.
#[derive(Default)]
pub(super) struct Agenda {
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    steps: BTreeMap<u64, Step>,
    number: u64,
}

impl Agenda {
    pub(super) fn at(&mut self, time: u64, step: Step) {
        self.number += 1;
        self.queue.push(Reverse((time, self.number)));
        self.steps.insert(self.number, step);
    }

    /// The next step and its time.
    pub(super) fn next(&mut self) -> Option<(u64, Step)> {
        let Reverse((time, number)) = self.queue.pop()?;
        let step = self
            .steps
            .remove(&number)
            .expect("every queued number has its step");
        Some((time, step))
    }
}
