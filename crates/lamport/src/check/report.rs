//! What a check has to say about a run that breaks no rule.

use std::collections::BTreeMap;
use std::fmt;

use super::Rule;
use crate::trace::{Kind, Service};

/// What was found in a run that breaks no rule. Shown, it is what `lamport check` prints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Events checked.
    pub events: u64,
    /// Of them by kind and service.
    pub counts: BTreeMap<(Service, Kind), u64>,
    /// How many processes they belong to.
    pub processes: usize,
    /// How often each rule was put to the test, in the order of [`Rule::ALL`]; see [`tested`](Report::tested).
    tests: [u64; Rule::ALL.len()],
    /// What could not be proved for want of events, in words, with how often.
    pub unproved: BTreeMap<&'static str, u64>,
    /// Events that the traces say are missing.
    pub dropped: u64,
    /// Sources that do not end in good order: their processes were killed, or run still.
    pub unfinished: usize,
}

impl Report {
    /// How many events the rule was put to the test on, and held. None: the run has nothing that the rule is about, or what
    /// it needs was not traced.
    #[must_use]
    pub fn tested(&self, rule: Rule) -> u64 {
        self.tests[rule as usize]
    }

    pub(super) fn test(&mut self, rule: Rule) {
        self.tests[rule as usize] += 1;
    }

    pub(super) fn test_often(&mut self, rule: Rule, times: usize) {
        self.tests[rule as usize] += times as u64;
    }

    pub(super) fn unproved(&mut self, what: &'static str) {
        *self.unproved.entry(what).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            events, processes, ..
        } = self;
        writeln!(f, "ok: {events} events of {processes} processes break no rule")?;
        for rule in Rule::ALL.iter().filter(|rule| self.tested(**rule) > 0) {
            writeln!(f, "{:>7} {}", self.tested(*rule), rule.says())?;
        }
        let unfinished = self.unfinished as u64;
        let unproved = self.unproved.iter().map(|(what, count)| (*count, *what));
        let unproved: Vec<_> = unproved
            .chain([
                (self.dropped, "events that the recorder dropped"),
                (
                    unfinished,
                    "traces that do not end with `closed`: killed, or running still",
                ),
            ])
            .filter(|(count, _)| *count > 0)
            .collect();
        if !unproved.is_empty() {
            writeln!(f, "unproved, for want of events:")?;
        }
        unproved
            .iter()
            .try_for_each(|(count, what)| writeln!(f, "{count:>7} {what}"))
    }
}
