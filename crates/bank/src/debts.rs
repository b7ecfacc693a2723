//! How often something may be tried by each of many, with few remembered. Pure: times are distances from any fixed
//! moment.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// How much each `K` owes: each try costs a fixed time, and passing time pays it back.
#[derive(Debug)]
pub(crate) struct Debts<K> {
    /// How many tries may be owed for; `None` lifts the limit.
    tries_max: Option<u32>,
    forgiven_after: Duration,
    /// How many are remembered; beyond, who is closest to being free is forgotten first.
    remembered_max: usize,
    /// When all is paid back.
    free_at: HashMap<K, Duration>,
    by_time: BTreeSet<(Duration, K)>,
}

/// All tries are used up; one is free again after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl<K: Hash + Ord + Clone> Debts<K> {
    pub(crate) fn new(tries_max: Option<u32>, forgiven_after: Duration, remembered_max: usize) -> Self {
        Self {
            tries_max,
            forgiven_after,
            remembered_max,
            free_at: HashMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// Whether one more try may be made.
    pub(crate) fn may(&self, now: Duration, key: &K) -> Result<(), Wait> {
        let (Some(tries_max), Some(&free_at)) = (self.tries_max, self.free_at.get(key)) else {
            return Ok(());
        };
        let after_one_more = free_at.max(now) + self.forgiven_after;
        match after_one_more.checked_sub(now + self.forgiven_after * tries_max) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(Wait(wait)),
        }
    }

    /// Pays for a try.
    pub(crate) fn pay(&mut self, now: Duration, key: K) {
        self.add(now, key, 1);
    }

    /// Pays back a try.
    pub(crate) fn pay_back(&mut self, now: Duration, key: K) {
        self.add(now, key, -1);
    }

    /// How many owe something, as far as it is known.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        debug_assert_eq!(self.free_at.len(), self.by_time.len());
        self.free_at.len()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, now: Duration, key: K, tries: i32) {
        if self.tries_max.is_none() {
            return;
        }
        let owed = self.free_at.remove(&key);
        if let Some(free_at) = owed {
            self.by_time.remove(&(free_at, key.clone()));
        }
        let from = owed.unwrap_or(now).max(now);
        let free_at = if tries > 0 {
            from + self.forgiven_after
        } else {
            from.saturating_sub(self.forgiven_after)
        };
        if free_at > now {
            self.free_at.insert(key.clone(), free_at);
            self.by_time.insert((free_at, key));
        }
        while let Some((free_at, key)) = self.by_time.first().cloned()
            && (free_at <= now || self.by_time.len() > self.remembered_max)
        {
            self.by_time.pop_first();
            self.free_at.remove(&key);
        }
    }
}
