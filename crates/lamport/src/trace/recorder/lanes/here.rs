//! Where and when a thread records.

use std::hash::{Hash as _, Hasher};

use super::super::queue::now_us;

/// The lane of a thread and a look at the wall clock. What is told with one of them has one wall time, that of the look: a
/// message that arrives has arrived by then, one that is sent leaves later. It goes with a task to another thread; then that
/// lane is shared for a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Here {
    pub(super) lane: usize,
    pub(super) at_us: u64,
}

impl Here {
    /// Of the calling thread. Threads have lanes in turn, so that few of them share one and what it remembers stays in the caches
    /// of a core.
    pub(super) fn now() -> Self {
        let mut number = Number(0);
        std::thread::current().id().hash(&mut number);
        Self {
            lane: number.0 as usize,
            at_us: now_us(),
        }
    }
}

/// Takes a thread's number, which counts the threads of the process and shows itself to a hasher only.
struct Number(u64);

impl Hasher for Number {
    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.wrapping_add(number);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_numbers_of_their_own() {
        let lane = || Here::now().lane;
        assert_eq!(lane(), lane());
        assert_ne!(lane(), std::thread::spawn(lane).join().unwrap());
    }
}
