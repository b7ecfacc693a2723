//! What is stored before it has consequences: a member's batches, and what its application took.

use super::World;
use crate::core::{Input, Output};
use crate::durable::record::Record;
use crate::members::Member;
use crate::sim::Planted;
use crate::sim::agenda::Step;
use crate::sim::history::Event;
use crate::sim::host::{Batch, Keeping};

impl World {
    /// Stores what a batch changed, and does after that what it wants done.
    pub(super) fn commit(&mut self, member: Member, mut outputs: Vec<Output>, sent: Option<Event>) {
        let host = &mut self.hosts[member.index()];
        let mut batch = Batch {
            records: host.records(&outputs),
            sent: sent.into_iter().collect(),
            told: outputs
                .iter()
                .filter(|output| matches!(output, Output::Deliver { .. } | Output::Missed { .. }))
                .count() as u64,
            outputs: Vec::new(),
        };
        let idle = host.queued.is_empty() && host.writing.is_empty();
        if self.planted == Some(Planted::ActBeforeStored) || (idle && batch.records.is_empty()) {
            self.events(member, batch.sent.drain(..));
            for output in outputs.drain(..) {
                self.act(member, output);
            }
        }
        batch.outputs = outputs;
        self.hosts[member.index()].queued.push(batch);
        if idle {
            self.write(member);
        }
    }

    /// Begins to write what waits.
    fn write(&mut self, member: Member) {
        let host = &mut self.hosts[member.index()];
        host.writing = std::mem::take(&mut host.queued);
        if host
            .writing
            .iter()
            .all(|batch| batch.records.is_empty() && batch.outputs.is_empty())
        {
            host.writing.clear();
            return;
        }
        let incarnation = host.incarnation;
        let at = self.now + self.random.between(50, 5_000);
        self.agenda.at(at, Step::Stored { member, incarnation });
    }

    pub(super) fn stored(&mut self, member: Member, incarnation: u64) {
        let host = &mut self.hosts[member.index()];
        if host.incarnation != incarnation || host.peer.is_none() {
            return;
        }
        let batches = host.stored();
        let safe: u64 = batches.iter().map(|batch| batch.told).sum();
        for mut batch in batches {
            self.events(member, batch.sent.drain(..));
            for output in batch.outputs {
                self.act(member, output);
            }
        }
        self.write(member);
        if safe > 0 {
            self.feed(member, Input::Taken(safe));
        }
    }

    /// The application takes some of what it was handed, and the peer hears of it.
    pub(super) fn application_takes(&mut self, member: Member) {
        if self.hosts[member.index()].peer.is_none() {
            return;
        }
        let waiting = self.hosts[member.index()].handed.len() as u64;
        let mut taken = 0;
        for _ in 0..self.random.between(1, 4).min(waiting) {
            taken += 1;
            match self.hosts[member.index()].take() {
                Ok(Some((event, new))) => self.events(member, Some(event).filter(|_| new)),
                Ok(None) => {}
                Err(why) => {
                    let why = format!("at {} {member:?}: {why}", self.now);
                    self.history.misnumbered.get_or_insert(why);
                }
            }
        }
        let again = self.now + self.random.between(1_000, 20_000);
        self.agenda.at(again, Step::Take(member));
        if taken == 0 {
            return;
        }
        match self.keeping {
            Keeping::AllOrNothing => self.feed(member, Input::Taken(taken)),
            Keeping::Journal => {
                let host = &mut self.hosts[member.index()];
                let left = host.handed.len() as u64;
                let record = Record::Taken(host.numbered - left);
                let idle = host.queued.is_empty() && host.writing.is_empty();
                host.queued.push(Batch {
                    records: vec![record],
                    ..Batch::default()
                });
                if idle {
                    self.write(member);
                }
            }
        }
    }
}
