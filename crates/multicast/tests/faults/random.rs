//! Randomness that can be repeated.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
pub(crate) struct Random(u64);

impl Random {
    /// Seeded by `ANTES_SEED`, or by the time; says how to repeat the run.
    pub(crate) fn announced(test: &str) -> Self {
        let given = std::env::var("ANTES_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| now.as_nanos() as u64 % 1_000_000)
        });
        println!("repeat with: ANTES_SEED={seed} cargo test -p multicast --test faults {test}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Whether there is time for the long versions: `ANTES_SLOW=1`.
pub(crate) fn is_slow() -> bool {
    std::env::var_os("ANTES_SLOW").is_some_and(|value| value == "1")
}
