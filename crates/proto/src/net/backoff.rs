//! The pauses between attempts.

use std::time::Duration;

/// Pauses that double from a first one up to a longest one, each drawn from the upper half of its span so that
/// clients who lost the same server do not all come back at once.
///
/// See M. Brooker, *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015 ("equal jitter").
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Pauses between `first` and `longest`, drawn from the system's randomness.
    #[must_use]
    pub fn new((first, longest): (Duration, Duration)) -> Self {
        // Without randomness the pauses are merely not spread.
        Self::seeded((first, longest), getrandom::u64().unwrap_or(0))
    }

    /// The same with a seed, for tests.
    #[must_use]
    pub fn seeded((first, longest): (Duration, Duration), seed: u64) -> Self {
        Self {
            first,
            longest,
            next: first,
            random: seed,
        }
    }

    /// The next pause, between half of its span and all of it.
    pub fn pause(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(self.longest);
        // One step of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let fraction = f64::from((mixed >> 32) as u32) / f64::from(u32::MAX);
        span / 2 + (span / 2).mul_f64(fraction)
    }

    /// Begins again with the first pause, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::seeded((first, longest), 7);
        let mut span = first;
        let mut fractions = Vec::new();
        for _ in 0..50 {
            let pause = backoff.pause();
            assert!(pause >= span / 2 && pause <= span, "{pause:?} of {span:?}");
            fractions.push(pause.as_secs_f64() / span.as_secs_f64());
            span = (span * 2).min(longest);
        }
        assert!(fractions.iter().any(|&f| f < 0.6) && fractions.iter().any(|&f| f > 0.9));
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
