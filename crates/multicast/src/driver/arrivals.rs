//! Frames that arrived while somebody else was at the engine: of each link one batch at most.
//!
//! A link that finds the engine at work leaves its frames here and reads on; whoever is at the engine takes them along (D. Hendler,
//! I. Incze, N. Shavit and M. Tzafrir, *Flat Combining and the Synchronization-Parallelism Tradeoff*, SPAA 2010). So a busy
//! group does not put a thread to sleep and wake it for every batch.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::core::frame::Frame;
use crate::members::{Member, MemberSet};

/// See the [module](self).
pub(crate) struct Arrivals(Mutex<Waiting>);

struct Waiting {
    /// Whose links left something.
    members: MemberSet,
    /// Of each member's link the frames, and which link that was.
    batches: Vec<(u64, Vec<Frame>)>,
}

impl Arrivals {
    /// For the links of a group of so many members.
    pub(crate) fn new(members: usize) -> Self {
        Self(Mutex::new(Waiting {
            members: MemberSet::EMPTY,
            batches: (0..members).map(|_| (0, Vec::new())).collect(),
        }))
    }

    /// Leaves `frames` of a link to `member`, and makes them empty. False, and nothing is left, while the batch before is still here.
    pub(crate) fn put(&self, member: Member, session: u64, frames: &mut Vec<Frame>) -> bool {
        let mut waiting = self.lock();
        if waiting.members.contains(member) {
            return false;
        }
        waiting.members.insert(member);
        let batch = &mut waiting.batches[member.index()];
        batch.0 = session;
        std::mem::swap(&mut batch.1, frames);
        true
    }

    /// Puts one batch into `frames`, which is empty, and says whose it is and from which link.
    pub(crate) fn take(&self, frames: &mut Vec<Frame>) -> Option<(Member, u64)> {
        let mut waiting = self.lock();
        let member = waiting.members.first()?;
        waiting.members.remove(member);
        let batch = &mut waiting.batches[member.index()];
        std::mem::swap(&mut batch.1, frames);
        Some((member, batch.0))
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().members.is_empty()
    }

    /// What it guards is consistent after every statement.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::Promise;

    fn frames(count: u64) -> Vec<Frame> {
        let frame = |sent| {
            Frame::Promise(Promise {
                incarnation: 1,
                clock: sent,
                sent,
            })
        };
        (0..count).map(frame).collect()
    }

    #[test]
    fn of_each_link_one_batch_waits_and_the_next_does_not_pass_it() {
        let arrivals = Arrivals::new(3);
        let (first, second) = (Member::new(1), Member::new(2));
        assert!(arrivals.put(second, 7, &mut frames(2)));
        assert!(arrivals.put(first, 6, &mut frames(3)));
        let mut next = frames(1);
        assert!(!arrivals.put(second, 7, &mut next));
        assert_eq!(next, frames(1), "what is not left is kept");

        let mut taken = Vec::new();
        assert_eq!(arrivals.take(&mut taken), Some((first, 6)));
        assert_eq!(std::mem::take(&mut taken), frames(3));
        assert!(!arrivals.is_empty());
        assert_eq!(arrivals.take(&mut taken), Some((second, 7)));
        assert_eq!(std::mem::take(&mut taken), frames(2));
        assert_eq!((arrivals.take(&mut taken), arrivals.is_empty()), (None, true));
        assert!(arrivals.put(second, 7, &mut next));
        assert!(next.is_empty());
    }
}
