//! Which messages were seen lately, in bounded memory.

use std::collections::{HashSet, VecDeque};

use super::MessageName;

/// Messages remembered. A peer that lost its memory repeats at most what it still keeps for watchers; the same number
/// is kept here, so that no repetition goes unnoticed.
pub const RECENT_MAX: usize = 64 * 1024;

/// The last messages seen.
#[derive(Debug)]
pub struct Recent {
    known: HashSet<MessageName>,
    order: VecDeque<MessageName>,
    max: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self::new(RECENT_MAX)
    }
}

impl Recent {
    /// Remembers at most `max` messages.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            known: HashSet::new(),
            order: VecDeque::new(),
            max,
        }
    }

    /// Notes a message; false if it was seen before.
    pub fn note(&mut self, message: &MessageName) -> bool {
        if !self.known.insert(message.clone()) {
            return false;
        }
        self.order.push_back(message.clone());
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut recent = Recent::new(2);
        let name = |sequence: u64| format!("P1/1/{sequence}").parse::<MessageName>().unwrap();
        let noted: Vec<bool> = [1, 1, 2, 1, 3, 2, 1]
            .iter()
            .map(|&n| recent.note(&name(n)))
            .collect();
        assert_eq!(noted, [true, false, true, false, true, false, true]);
        assert_eq!((recent.known.len(), recent.order.len()), (2, 2));
    }
}
