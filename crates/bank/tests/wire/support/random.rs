//! Random choices that can be repeated.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and good enough to choose amounts and moments.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Seeded from `ANTES_SEED`, or from the system. Prints the command that repeats the run; cargo shows it when the
    /// test fails.
    pub(crate) fn of_test(test: &str) -> Self {
        let given = std::env::var("ANTES_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap() >> 32);
        println!("repeat: ANTES_SEED={seed} cargo test -p bank --test wire {test}");
        Self(seed)
    }

    /// Another stream of choices, for a thread of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0, 1, …, `bound - 1`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
