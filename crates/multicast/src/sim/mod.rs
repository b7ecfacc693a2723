//! Deterministic simulation: whole groups of the real core in virtual time, with every fault drawn from a seed.
//!
//! One seed is one run: a group of 3 to 7 peers, an order, a network that loses, delays, replays and cuts, crashes with and
//! without state, or with a journal that holds what was stored, then healing. [`plan`] draws it, [`world`] plays it,
//! [`history`] records it, and each file of [`properties`] holds one promise of the core's documentation against the record,
//! under the name the papers give it. [`controls`] plants bugs and demands that the right property falls.

mod agenda;
mod controls;
mod explore;
mod flood;
mod healthy;
mod history;
mod host;
mod liar;
mod model;
mod network;
mod plan;
mod properties;
mod world;

/// Bugs put in on purpose: the simulation that does not find them proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Planted {
    /// What comes from others is never passed on.
    SkipRelay,
    /// A peer that lost its state comes back as the incarnation it was.
    ForgetIncarnation,
    /// Total order does not wait to hear from everybody.
    DeliverBeforeAcknowledged,
    /// Every fourth message takes the sequence of the one before it.
    ReuseSequence,
    /// A member tells the others what it delivered before that is safe.
    TellBeforeTaken,
    /// A member with a journal does what a batch wants done before the batch is stored.
    ActBeforeStored,
    /// A member that comes back with its journal does not know what it had delivered.
    ForgetWatermark,
    /// Causal order does not look at what a message comes after.
    IgnoreCauses,
}

/// SplitMix64 (G. Steele, D. Lea and C. Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014): small, and
/// the same everywhere.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True in `percent` of 100 cases.
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
