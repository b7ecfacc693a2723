//! What a member's mesh delivered: counted, checked, and on request timed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::payload::{self, now_ns};

/// Members of the mesh.
pub(crate) const MEMBERS: usize = 3;
/// Deliveries between two looks at whether a waiter has what it waits for.
const LOOK_EVERY: u64 = 256;

/// The deliveries of one member.
#[derive(Default)]
pub(crate) struct Tally {
    senders: [Sender; MEMBERS],
    /// A number made of all deliveries in their order; the same at every member only if the order is.
    order: AtomicU64,
    /// Times are noted.
    timing: AtomicBool,
    last_ns: AtomicU64,
    /// Somebody waits: to call when nobody does costs a system call all the same.
    awaited: AtomicBool,
    waiting: Mutex<()>,
    progress: Condvar,
}

/// What was delivered of one sender.
#[derive(Default)]
struct Sender {
    delivered: AtomicU64,
    /// Messages out of the sender's order, or unreadable.
    faults: AtomicU64,
    /// The sum of all numbers: tells a loss and a double apart from a mere disorder.
    sum: AtomicU64,
    /// When each message was delivered, while that is asked for.
    times: Mutex<Vec<(u64, u64)>>,
}

impl Tally {
    /// Notes a delivery. Deliveries of one sender come from one thread; the order number means something only if all do.
    pub(crate) fn deliver(&self, sender: usize, payload: &[u8]) {
        let of = &self.senders[sender];
        let delivered = of.delivered.load(Relaxed) + 1;
        match payload::number(payload) {
            Some(number) => {
                if number != delivered {
                    of.faults.store(of.faults.load(Relaxed) + 1, Relaxed);
                }
                of.sum.store(of.sum.load(Relaxed).wrapping_add(number), Relaxed);
                let mixed = (self.order.load(Relaxed).rotate_left(5) ^ (number << 2 | sender as u64))
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                self.order.store(mixed, Relaxed);
                if self.timing.load(Relaxed) {
                    let mut times = of.times.lock().unwrap_or_else(PoisonError::into_inner);
                    times.push((number, now_ns()));
                }
            }
            None => of.faults.store(of.faults.load(Relaxed) + 1, Relaxed),
        }
        of.delivered.store(delivered, Relaxed);
        if delivered.is_multiple_of(LOOK_EVERY) {
            self.look();
        }
    }

    /// Lets waiters look; called when nothing more is at hand for now.
    pub(crate) fn look(&self) {
        self.last_ns.store(now_ns(), Relaxed);
        if !self.awaited.load(Relaxed) {
            return;
        }
        let _waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.progress.notify_all();
    }

    /// When somebody last looked, which is after the last delivery at the latest when everything is delivered.
    pub(crate) fn last_ns(&self) -> u64 {
        self.last_ns.load(Relaxed)
    }

    /// What was delivered of each sender.
    pub(crate) fn delivered(&self) -> [u64; MEMBERS] {
        std::array::from_fn(|sender| self.senders[sender].delivered.load(Relaxed))
    }

    /// Waits until that much was delivered of each sender; false if `patience` ran out.
    pub(crate) fn wait_for(&self, expected: [u64; MEMBERS], patience: Duration) -> bool {
        self.awaited.store(true, Relaxed);
        let in_time = self.wait_awaited(expected, patience);
        self.awaited.store(false, Relaxed);
        in_time
    }

    fn wait_awaited(&self, expected: [u64; MEMBERS], patience: Duration) -> bool {
        let give_up = Instant::now() + patience;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let delivered = self.delivered();
            if delivered
                .iter()
                .zip(&expected)
                .all(|(delivered, expected)| delivered >= expected)
            {
                return true;
            }
            let Some(left) = give_up.checked_duration_since(Instant::now()) else {
                return false;
            };
            // The bound is for a mesh that delivers its last message without a look, or looks just before it sees that this waits.
            let left = left.min(Duration::from_millis(20));
            waiting = self
                .progress
                .wait_timeout(waiting, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// How many deliveries were wrong: out of the sender's order if `ordered`, and in number and sum in any case.
    pub(crate) fn faults(&self, expected: [u64; MEMBERS], ordered: bool) -> u64 {
        let wrong = |(of, expected): (&Sender, u64)| {
            let sum = (1..=expected).fold(0u64, |sum, n| sum.wrapping_add(n));
            let missing = of.delivered.load(Relaxed).abs_diff(expected);
            let other = u64::from(missing == 0 && of.sum.load(Relaxed) != sum);
            let disorder = if ordered { of.faults.load(Relaxed) } else { 0 };
            missing + other + disorder
        };
        self.senders.iter().zip(expected).map(wrong).sum()
    }

    /// The number of the order of all deliveries.
    pub(crate) fn order(&self) -> u64 {
        self.order.load(Relaxed)
    }

    /// Starts or ends noting times.
    pub(crate) fn set_timing(&self, on: bool) {
        self.timing.store(on, Relaxed);
    }

    /// Takes the times noted: of each sender, message number and time.
    pub(crate) fn take_times(&self) -> [Vec<(u64, u64)>; MEMBERS] {
        std::array::from_fn(|sender| {
            std::mem::take(
                &mut *self.senders[sender]
                    .times
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            )
        })
    }
}
