//! Latencies of millions of deliveries in a few kilobytes, exact to 1.6 %.

/// Sub-buckets of every power of two: 64 of them keep the error under 1/64.
const SUB_BITS: u32 = 6;
const SUB: usize = 1 << SUB_BITS;
/// Powers of two above the linear start; 2^40 ns are 18 minutes.
const POWERS: usize = 34;

/// Counts of nanosecond values in buckets that grow with the value.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, nanoseconds: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; SUB * POWERS];
        }
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// Counts what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// How many values there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The largest value in milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.max as f64 / 1e6
    }

    /// The value in milliseconds that a share of all values (0 to 1) does not exceed.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(bucket).min(self.max) as f64 / 1e6;
            }
        }
        self.max_ms()
    }
}

fn bucket(value: u64) -> usize {
    let power = (64 - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let index = power as usize * SUB + (value >> power) as usize;
    index.min(SUB * POWERS - 1)
}

fn upper_bound(bucket: usize) -> u64 {
    if bucket < 2 * SUB {
        return bucket as u64;
    }
    let power = bucket / SUB - 1;
    let within = bucket - power * SUB;
    ((within as u64 + 1) << power) - 1
}
