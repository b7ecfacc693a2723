//! How fast one connection may ask: a token bucket, kept as one number.

use std::num::NonZeroU32;

use crate::limits::{FLOOD_BURST_DEFAULT, FLOOD_RATE_DEFAULT};

/// How much one connection may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodLimit {
    /// Requests a second in the long run.
    pub rate: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

impl Default for FloodLimit {
    fn default() -> Self {
        let nonzero = |n| NonZeroU32::new(n).expect("the defaults are not zero");
        Self {
            rate: nonzero(FLOOD_RATE_DEFAULT),
            burst: nonzero(FLOOD_BURST_DEFAULT),
        }
    }
}

/// One connection's bucket: the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371).
/// A new one is full.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full_at_ns: u64,
}

impl Bucket {
    /// Takes one token.
    ///
    /// # Errors
    ///
    /// How long until there is one, in nanoseconds. Nothing was taken then.
    pub(super) fn take(&mut self, limit: FloodLimit, now_ns: u64) -> Result<(), u64> {
        let token_ns = 1_000_000_000 / u64::from(limit.rate.get());
        let empty_until_full_ns = token_ns * u64::from(limit.burst.get());
        let full_at_ns = self.full_at_ns.max(now_ns) + token_ns;
        let wait_ns = full_at_ns.saturating_sub(now_ns + empty_until_full_ns);
        if wait_ns > 0 {
            return Err(wait_ns);
        }
        self.full_at_ns = full_at_ns;
        Ok(())
    }

    /// How many tokens there are.
    pub(super) fn allowance(self, limit: FloodLimit, now_ns: u64) -> usize {
        let token_ns = 1_000_000_000 / u64::from(limit.rate.get());
        let taken_ns = self.full_at_ns.saturating_sub(now_ns);
        let left_ns = (token_ns * u64::from(limit.burst.get())).saturating_sub(taken_ns);
        usize::try_from(left_ns / token_ns.max(1)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn limit(rate: u32, burst: u32) -> FloodLimit {
        FloodLimit {
            rate: NonZeroU32::new(rate).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let limit = limit(10, 3);
        let mut bucket = Bucket::default();
        let start = 5_000 * MS;
        for left in (0..3).rev() {
            assert_eq!(bucket.take(limit, start), Ok(()));
            assert_eq!(bucket.allowance(limit, start), left);
        }
        assert_eq!(bucket.take(limit, start), Err(100 * MS));
        assert_eq!(
            bucket.take(limit, start + 99 * MS),
            Err(MS),
            "a refusal costs nothing"
        );
        assert_eq!(bucket.take(limit, start + 100 * MS), Ok(()));
        assert_eq!(bucket.take(limit, start + 100 * MS), Err(100 * MS));
        assert_eq!(bucket.take(limit, start + 10_000 * MS), Ok(()));
    }

    #[test]
    fn in_the_long_run_the_rate_holds() {
        let limit = limit(50, 200);
        let mut bucket = Bucket::default();
        let taken = (0..10_000)
            .filter(|ms| bucket.take(limit, ms * MS).is_ok())
            .count();
        assert_eq!(taken, 200 + 10 * 50 - 1);
    }
}
