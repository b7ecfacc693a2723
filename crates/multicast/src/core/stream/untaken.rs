//! What a stream told the application and is not known to be safe: of that, only the lowest sequence matters.
//!
//! Things are told one after the other and become safe in that order, but they need not be told in the stream's order: a miss
//! goes before a held message that waits for its turn below it, and without order whatever arrives goes at once. What was
//! told before something lower is safe before it, and so never the lowest as long as it counts: it is forgotten when the lower one is
//! told (the minimum of a sliding window). What is left ascends.

use std::collections::VecDeque;

/// Deliveries and misses that are not known to be safe, each miss by the first sequence of its range.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(in crate::core) struct Untaken {
    /// Ascending in `sequence` and in `number`.
    runs: VecDeque<Run>,
}

/// Successive sequences that were told one right after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Run {
    /// The first.
    sequence: u64,
    /// Its place among all that this peer told, of whatever stream.
    number: u64,
    count: u64,
}

impl Untaken {
    /// Notes that `sequence` was told as `number`, larger than every number before.
    pub(in crate::core) fn tell(&mut self, sequence: u64, number: u64) {
        while self.runs.pop_back_if(|run| run.sequence > sequence).is_some() {}
        match self.runs.back_mut() {
            Some(run) if (run.sequence + run.count, run.number + run.count) == (sequence, number) => {
                run.count += 1;
            }
            _ => self.runs.push_back(Run {
                sequence,
                number,
                count: 1,
            }),
        }
    }

    /// Everything told up to `number` is safe. True if that was something of this stream.
    pub(in crate::core) fn take(&mut self, number: u64) -> bool {
        let mut any = false;
        while let Some(run) = self.runs.front_mut().filter(|run| run.number <= number) {
            any = true;
            let safe = number - run.number + 1;
            if safe < run.count {
                run.sequence += safe;
                run.number += safe;
                run.count -= safe;
            } else {
                self.runs.pop_front();
            }
        }
        any
    }

    /// The lowest sequence that is not known to be safe.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.runs.front().map(|run| run.sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_follows_one_another_is_one_run() {
        let mut untaken = Untaken::default();
        for n in 1..=1000 {
            untaken.tell(n, 7 + n);
        }
        assert_eq!((untaken.runs.len(), untaken.lowest()), (1, Some(1)));
        assert!(!untaken.take(7), "told before, of another stream");
        assert!(untaken.take(1006));
        assert_eq!(untaken.lowest(), Some(1000));
        assert!(untaken.take(2000));
        assert_eq!((untaken.lowest(), untaken.take(3000)), (None, false));
    }

    proptest! {
        /// Against the plain answer: all that is told and not taken, and the least of it.
        #[test]
        fn the_lowest_is_that_of_all_that_is_not_taken(
            steps in prop::collection::vec((1u64..40, 1u64..4, 0u64..6), 0..60),
        ) {
            let mut untaken = Untaken::default();
            let mut plain = BTreeMap::new();
            let mut number = 0;
            let mut taken = 0;
            for (sequence, gap, takes) in steps {
                number += gap;
                if !plain.values().any(|told| *told == sequence) {
                    untaken.tell(sequence, number);
                    plain.insert(number, sequence);
                }
                taken = number.min(taken + takes);
                untaken.take(taken);
                plain.retain(|told, _| *told > taken);
                prop_assert_eq!(untaken.lowest(), plain.values().min().copied());
            }
        }
    }
}
