//! How far received stamps may move a clock in the long run.
//!
//! The leap guard bounds one step: a stamp may lie so far ahead and no further. Whoever may send many stamps can still
//! take step after step and use up all times there are, in seconds; after that no two events can be told apart. A
//! horizon bounds the sum of the steps by real time, which the caller measures: nothing here reads a clock on the wall.

use std::time::Duration;

use crate::TIME_MAX;

/// How far beyond its start a clock may be moved by stamps at once: 2^38 ticks, 64 leaps of
/// [`LEAP_MAX_DEFAULT`](crate::LEAP_MAX_DEFAULT) and a 32,768th of all times.
pub const HORIZON_AT_START: u64 = 1 << 38;

/// How far the horizon moves in a second: 2^24 ticks. More than honest processes make in that time; to use up all times
/// at this speed takes 17 years.
pub const HORIZON_PER_SECOND: u64 = 1 << 24;

/// The largest time that received stamps may move a clock to, as real time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    start: u64,
}

impl Horizon {
    /// The horizon of a clock that starts at `time`.
    #[must_use]
    pub const fn of_a_start_at(time: u64) -> Self {
        Self { start: time }
    }

    /// Where the horizon is when the clock has run for `age`.
    #[must_use]
    pub fn after(self, age: Duration) -> u64 {
        let moved = age.as_millis().saturating_mul(u128::from(HORIZON_PER_SECOND)) / 1000;
        self.start
            .saturating_add(HORIZON_AT_START)
            .saturating_add(u64::try_from(moved).unwrap_or(u64::MAX))
            .min(TIME_MAX)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn check(start: u64, age: Duration, expected: u64) {
        assert_eq!(Horizon::of_a_start_at(start).after(age), expected);
    }

    #[test]
    fn the_horizon_moves_with_real_time_to_the_end_of_time() {
        check(0, Duration::ZERO, HORIZON_AT_START);
        check(
            7,
            Duration::from_secs(3),
            7 + HORIZON_AT_START + 3 * HORIZON_PER_SECOND,
        );
        check(
            0,
            Duration::from_millis(500),
            HORIZON_AT_START + HORIZON_PER_SECOND / 2,
        );
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        assert!(Horizon::of_a_start_at(0).after(17 * year) < TIME_MAX);
        check(0, 18 * year, TIME_MAX);
        check(0, Duration::MAX, TIME_MAX);
        check(TIME_MAX, Duration::ZERO, TIME_MAX);
    }
}
