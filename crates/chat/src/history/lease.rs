//! How far ahead numbers are reserved.
//!
//! A number that was shown must never be given out again, not even after a `kill -9`. So the store writes down,
//! durably, how far numbers may be used before they are, and a restarted server begins after that mark. A lease
//! decides how far: little for a quiet room, whose numbers then jump little after a crash, and a second's worth for a
//! busy one, which must not wait for the disk. It asks for more when half is used, long before anybody has to wait.

use std::time::Instant;

use super::limits::{LEASE_LASTS, LEASE_STEP};

/// Numbers reserved for one counter: a room's `seq` or the Lamport clock.
///
/// Invariant: `through <= asked`.
#[derive(Debug)]
pub(super) struct Lease {
    through: u64,
    asked: u64,
    size: u64,
    size_min: u64,
    size_max: u64,
    asked_at: Option<Instant>,
    asked_from: u64,
}

impl Lease {
    /// A counter that has used everything up to `used` and reserved nothing beyond it.
    pub(super) fn after(used: u64, size_min: u64, size_max: u64) -> Self {
        Self {
            through: used,
            asked: used,
            size: size_min,
            size_min,
            size_max,
            asked_at: None,
            asked_from: used,
        }
    }

    /// The last number that may be used.
    pub(super) fn through(&self) -> u64 {
        self.through
    }

    /// Everything up to `used` is taken and `at_least` is wanted: how far to reserve now, if that is more than was
    /// asked for already.
    pub(super) fn ask(&mut self, used: u64, at_least: u64, now: Instant) -> Option<u64> {
        let left = self.asked.saturating_sub(used);
        if at_least <= self.asked && left > self.size / 2 {
            return None;
        }
        self.size = self.next_size(used, now);
        self.asked = used.max(at_least) + self.size;
        self.asked_at = Some(now);
        self.asked_from = used;
        Some(self.asked)
    }

    /// Everything up to `through` is now reserved.
    pub(super) fn granted(&mut self, through: u64) {
        self.through = self.through.max(through);
        self.asked = self.asked.max(self.through);
    }

    /// What lasts for [`LEASE_LASTS`] at the pace since the last question, approached in bounded steps.
    fn next_size(&self, used: u64, now: Instant) -> u64 {
        let Some(asked_at) = self.asked_at else {
            return self.size_min;
        };
        let elapsed = now.saturating_duration_since(asked_at).as_nanos().max(1);
        let paced = u128::from(used.saturating_sub(self.asked_from)) * LEASE_LASTS.as_nanos() / elapsed;
        u64::try_from(paced)
            .unwrap_or(u64::MAX)
            .clamp(self.size / LEASE_STEP, self.size.saturating_mul(LEASE_STEP))
            .clamp(self.size_min, self.size_max)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_quiet_counter_reserves_little() {
        let mut lease = Lease::after(41, 256, 1 << 20);
        let start = Instant::now();
        assert_eq!(lease.ask(41, 42, start), Some(42 + 256));
        assert_eq!(lease.through(), 41, "asked is not granted");
        lease.granted(298);
        assert_eq!(lease.through(), 298);
        // An hour later it is half used, and again only the least is asked for.
        let later = start + Duration::from_secs(3600);
        assert_eq!(lease.ask(100, 101, later), None);
        assert_eq!(lease.ask(170, 171, later), Some(171 + 256));
    }

    #[test]
    fn a_busy_counter_reserves_what_lasts_two_seconds() {
        let mut lease = Lease::after(0, 256, 1 << 20);
        let start = Instant::now();
        let (mut used, mut asked) = (0, Vec::new());
        // A million a second, looked at every millisecond.
        for millisecond in 0..3000_u64 {
            used = millisecond * 1000;
            if let Some(through) = lease.ask(used, used + 1, start + Duration::from_millis(millisecond)) {
                lease.granted(through);
                asked.push(through - used);
            }
        }
        assert_eq!(
            *asked.last().expect("it asked"),
            (1 << 20) + 1,
            "bounded: {asked:?} at {used}"
        );
        assert!(asked.len() < 12, "it reaches its size in few steps: {asked:?}");
    }

    #[test]
    fn asks_again_for_a_number_beyond_what_it_asked_for() {
        let mut lease = Lease::after(0, 256, 1 << 20);
        let now = Instant::now();
        assert_eq!(lease.ask(0, 1, now), Some(257));
        assert_eq!(lease.ask(0, 1, now), None, "it is on its way");
        assert!(
            lease.ask(0, 5000, now).is_some_and(|through| through >= 5000),
            "a leap of the clock"
        );
    }
}
