//! Vector clocks, computed from a trace: what a Lamport clock cannot tell, whether two events are concurrent.
//!
//! C. Fidge, *Timestamps in Message-Passing Systems That Preserve the Partial Ordering*, 1988, and F. Mattern, *Virtual
//! Time and Global States of Distributed Systems*, 1989. An event's vector clock holds, for each process, how many of its
//! events are in the event's causal past, the event itself included.

use std::collections::BTreeMap;

use super::Run;

/// An event's vector clock. Processes without an entry count 0.
///
/// One event happened before another if its clock is smaller: no entry larger, and the clocks are not equal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VectorClock(BTreeMap<usize, u64>);

impl VectorClock {
    /// How many events of the process (its index in the [`Run`]) are known.
    #[must_use]
    pub fn of(&self, process: usize) -> u64 {
        self.0.get(&process).copied().unwrap_or(0)
    }

    /// The processes of which an event is known, and of how many.
    pub fn entries(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.0.iter().map(|(process, count)| (*process, *count))
    }

    /// Whether the event happened before the other, so that it may have caused it.
    #[must_use]
    pub fn happened_before(&self, other: &Self) -> bool {
        self != other && self.entries().all(|(process, count)| count <= other.of(process))
    }

    /// Whether neither event can have caused the other.
    #[must_use]
    pub fn is_concurrent_with(&self, other: &Self) -> bool {
        self != other && !self.happened_before(other) && !other.happened_before(self)
    }

    fn merge(&mut self, other: &Self) {
        for (process, count) in other.entries() {
            let known = self.0.entry(process).or_default();
            *known = (*known).max(count);
        }
    }
}

/// The vector clock of each event of the run, in its order. Events and messages that the run leaves out count for nothing.
#[must_use]
pub fn vector_clocks(run: &Run) -> Vec<VectorClock> {
    let mut sender = vec![None; run.events.len()];
    for &(from, to) in &run.arrows {
        sender[to] = Some(from);
    }
    let mut now = vec![VectorClock::default(); run.processes.len()];
    let mut clocks: Vec<VectorClock> = Vec::with_capacity(run.events.len());
    for (index, event) in run.events.iter().enumerate() {
        let clock = &mut now[event.process];
        *clock.0.entry(event.process).or_default() += 1;
        // A receive that stands before its send broke the clock condition; it brings nothing.
        if let Some(sent) = sender[index].and_then(|from: usize| clocks.get(from)) {
            clock.merge(sent);
        }
        clocks.push(clock.clone());
    }
    clocks
}
