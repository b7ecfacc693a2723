//! How often each operation was asked for. Counted per batch, so that a busy connection touches what all share once
//! for hundreds of requests.

/// The operations by the names that monitoring sees; whatever else is asked for comes last.
const OPERATIONS: [&str; 9] = [
    "login",
    "logout",
    "balance",
    "deposit",
    "withdraw",
    "transfer",
    "statement",
    "change_pin",
    "unknown",
];

/// The operations of one batch.
#[derive(Debug, Default)]
pub(super) struct Tally([u64; OPERATIONS.len()]);

impl Tally {
    /// Counts one operation.
    pub(super) fn count(&mut self, name: &str) {
        let place = OPERATIONS.iter().position(|&operation| operation == name);
        self.0[place.unwrap_or(OPERATIONS.len() - 1)] += 1;
    }

    /// Tells monitoring, and begins anew.
    pub(super) fn tell(&mut self) {
        for (operation, count) in OPERATIONS.into_iter().zip(&mut self.0) {
            if *count > 0 {
                metrics::counter!("bank_operations_total", "operation" => operation)
                    .increment(std::mem::take(count));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_nobody_knows_are_counted_together() {
        let mut tally = Tally::default();
        for name in ["deposit", "steal", "", "deposit"] {
            tally.count(name);
        }
        assert_eq!(tally.0, [0, 0, 0, 2, 0, 0, 0, 0, 2]);
        tally.tell();
        assert_eq!(tally.0, [0; OPERATIONS.len()]);
    }
}
