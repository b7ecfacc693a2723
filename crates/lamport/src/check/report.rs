//! What a check has to say about a run that breaks no rule.

use std::collections::BTreeMap;

use super::Rule;
use crate::trace::{Kind, Service};

/// What was found in a run that breaks no rule.
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
