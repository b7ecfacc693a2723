//! Mutual exclusion that serves whoever waits in the order of Lamport times: the numbered critical section.
//!
//! L. Lamport, *A New Solution of Dijkstra's Concurrent Programming Problem*, CACM 17(8), 1974 (the bakery: take a
//! number, the smallest is served first, the process decides between equal numbers), and *Time, Clocks, and the
//! Ordering of Events in a Distributed System*, CACM 21(7), 1978 (where the number is the request's Lamport time).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

use crate::Stamp;

/// An async lock around a `T` that is granted in the order of keys, smallest first; equal keys in order of arrival.
///
/// The key is whatever orders the requests: a [`Stamp`], or `(time, number of the process)` where a stamp's text
/// would be too much to carry. When nobody waits, the lock is taken at once. As soon as somebody waits, nobody who
/// comes later gets past without taking a place in the order: a released lock is handed over, not put up for grabs.
/// Who waits with a larger key may have to wait as long as smaller ones keep coming; Lamport times grow, so that
/// every request becomes the oldest one.
///
/// A lock without waiters takes at most 24 bytes more than its `T`; only waiters allocate. The value is moved into the
/// guard and back, so keep it within a few hundred bytes or box it. The lock knows no runtime.
///
/// # Cancel safety
///
/// A waiting [`lock`](OrderedLock::lock) may be dropped at any time: it gives up its place, and if the lock was just
/// handed to it, the next in order gets it. A guard releases when dropped, also when a panic drops it: the value is
/// then as the panic left it. A guard that is leaked keeps the lock taken for ever.
///
/// ```
/// use lamport::OrderedLock;
/// use std::task::{Context, Poll, Waker};
/// use std::{future::Future, pin::pin};
///
/// let account = OrderedLock::<_, (u64, u64)>::new(1000i64);
/// let mut first = account.try_lock().expect("nobody holds it");
///
/// // Two requests wait. The one that comes first carries the later time.
/// let mut cx = Context::from_waker(Waker::noop());
/// let (mut late, mut early) = (pin!(account.lock((9, 1))), pin!(account.lock((4, 2))));
/// assert!(late.as_mut().poll(&mut cx).is_pending());
/// assert!(early.as_mut().poll(&mut cx).is_pending());
///
/// *first -= 300;
/// drop(first);
/// assert!(late.as_mut().poll(&mut cx).is_pending());
/// let Poll::Ready(second) = early.as_mut().poll(&mut cx) else { panic!("time 4 is served before time 9") };
/// assert_eq!(*second, 700);
/// ```
pub struct OrderedLock<T, K: Ord + Clone = Stamp> {
    state: Mutex<State<T, K>>,
}

/// The invariants, all under the mutex:
/// - `value` is `None` exactly while a guard has it.
/// - `queue` is `Some` exactly while somebody waits or was granted and has not come for the value yet.
/// - With a value and a queue, somebody is granted; without a value, nobody is.
struct State<T, K> {
    value: Option<T>,
    queue: Option<Box<Queue<K>>>,
}

struct Queue<K> {
    waiting: BTreeMap<(K, Arrival), Waker>,
    next_arrival: Arrival,
    granted: Option<Arrival>,
}

/// Numbers the waiters in the order in which they came; unique while the queue lives.
type Arrival = u64;

/// The lock, held: gives access to the value and releases when dropped.
#[must_use = "a guard that is dropped at once locks nothing"]
pub struct OrderedGuard<'a, T, K: Ord + Clone = Stamp> {
    lock: &'a OrderedLock<T, K>,
    /// `None` only inside `drop`.
    value: Option<T>,
}

/// Waits for the lock; made by [`OrderedLock::lock`]. Takes its place in the order when first polled.
#[must_use = "a future does nothing unless awaited"]
pub struct Lock<'a, T, K: Ord + Clone = Stamp> {
    lock: &'a OrderedLock<T, K>,
    key: K,
    /// Its place, once it waits.
    arrival: Option<Arrival>,
}

impl<T, K: Ord + Clone> OrderedLock<T, K> {
    /// A lock that nobody holds.
    pub fn new(value: T) -> Self {
        Self {
            state: Mutex::new(State {
                value: Some(value),
                queue: None,
            }),
        }
    }

    /// Waits for the lock, in the order of `key` among those who wait.
    pub fn lock(&self, key: K) -> Lock<'_, T, K> {
        Lock {
            lock: self,
            key,
            arrival: None,
        }
    }

    /// Takes the lock if nobody holds it and nobody waits for it.
    pub fn try_lock(&self) -> Option<OrderedGuard<'_, T, K>> {
        let mut state = self.state();
        if state.queue.is_some() {
            return None;
        }
        let value = state.value.take()?;
        drop(state);
        Some(OrderedGuard {
            lock: self,
            value: Some(value),
        })
    }

    /// How many wait now; for figures and tests.
    pub fn waiting(&self) -> usize {
        self.state().queue.as_ref().map_or(0, |queue| queue.waiting.len())
    }

    /// The value of a lock that nobody else can reach; `None` if a guard was leaked.
    pub fn into_inner(self) -> Option<T> {
        self.state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .value
    }

    /// No foreign code but `K`'s comparison and copy runs under the mutex; should one of them panic, the queue is
    /// still whole.
    fn state(&self) -> MutexGuard<'_, State<T, K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, K> State<T, K> {
    /// Hands the lock to the first in order, who is to be woken once the mutex is released; forgets the queue when
    /// nobody is in it. The value is there and nobody is granted.
    fn hand_over(&mut self) -> Option<Waker>
    where
        K: Ord,
    {
        let queue = self.queue.as_mut()?;
        let Some(((_, arrival), waker)) = queue.pop() else {
            self.queue = None;
            return None;
        };
        queue.granted = Some(arrival);
        Some(waker)
    }
}

impl<K: Ord> Queue<K> {
    fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next_arrival: 0,
            granted: None,
        }
    }

    fn pop(&mut self) -> Option<((K, Arrival), Waker)> {
        #[cfg(test)]
        if fault::planted(fault::Fault::Fifo) {
            return fault::pop_oldest(&mut self.waiting);
        }
        self.waiting.pop_first()
    }
}

impl<'a, T, K: Ord + Clone + Unpin> Future for Lock<'a, T, K> {
    type Output = OrderedGuard<'a, T, K>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lock = self.lock;
        let mut state = lock.state();
        // What is replaced is dropped after the mutex is released: it may run foreign code.
        let mut _replaced = None;
        match self.arrival {
            None if state.queue.is_none() && state.value.is_some() => {}
            None => {
                let queue = state.queue.get_or_insert_with(|| Box::new(Queue::new()));
                let arrival = queue.next_arrival;
                queue.next_arrival += 1;
                queue
                    .waiting
                    .insert((self.key.clone(), arrival), cx.waker().clone());
                self.arrival = Some(arrival);
                return Poll::Pending;
            }
            Some(arrival) => {
                let queue = state
                    .queue
                    .as_mut()
                    .expect("a queue lives as long as its waiters");
                if queue.granted != Some(arrival) {
                    let waker = queue
                        .waiting
                        .get_mut(&(self.key.clone(), arrival))
                        .expect("who is not granted waits");
                    if !waker.will_wake(cx.waker()) {
                        _replaced = Some(std::mem::replace(waker, cx.waker().clone()));
                    }
                    drop(state);
                    return Poll::Pending;
                }
                queue.granted = None;
                if queue.waiting.is_empty() {
                    state.queue = None;
                }
                self.arrival = None;
            }
        }
        let value = state
            .value
            .take()
            .expect("the value is there when the lock is granted");
        drop(state);
        Poll::Ready(OrderedGuard {
            lock,
            value: Some(value),
        })
    }
}

impl<T, K: Ord + Clone> Drop for Lock<'_, T, K> {
    fn drop(&mut self) {
        let Some(arrival) = self.arrival else { return };
        let mut state = self.lock.state();
        let queue = state
            .queue
            .as_mut()
            .expect("a queue lives as long as its waiters");
        if queue.granted == Some(arrival) {
            #[cfg(test)]
            if fault::planted(fault::Fault::LostHandOver) {
                return;
            }
            queue.granted = None;
            let next = state.hand_over();
            drop(state);
            wake(next);
        } else {
            let gone = queue.waiting.remove(&(self.key.clone(), arrival));
            if queue.waiting.is_empty() && queue.granted.is_none() {
                state.queue = None;
            }
            drop(state);
            drop(gone);
        }
    }
}

impl<T, K: Ord + Clone> Drop for OrderedGuard<'_, T, K> {
    fn drop(&mut self) {
        let mut state = self.lock.state();
        state.value = self.value.take();
        let next = state.hand_over();
        drop(state);
        wake(next);
    }
}

/// Called without the mutex: waking runs foreign code.
fn wake(next: Option<Waker>) {
    if let Some(waker) = next {
        waker.wake();
    }
}

impl<T, K: Ord + Clone> Deref for OrderedGuard<'_, T, K> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
            .as_ref()
            .expect("a guard holds the value until it is dropped")
    }
}

impl<T, K: Ord + Clone> DerefMut for OrderedGuard<'_, T, K> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
            .as_mut()
            .expect("a guard holds the value until it is dropped")
    }
}

impl<T: fmt::Debug, K: Ord + Clone> fmt::Debug for OrderedGuard<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Debug, K: Ord + Clone> fmt::Debug for OrderedLock<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let waiting = state.queue.as_ref().map_or(0, |queue| queue.waiting.len());
        f.debug_struct("OrderedLock")
            .field("value", &state.value)
            .field("waiting", &waiting)
            .finish()
    }
}

impl<T, K: Ord + Clone> fmt::Debug for Lock<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("waits", &self.arrival.is_some())
            .finish()
    }
}

impl<T: Default, K: Ord + Clone> Default for OrderedLock<T, K> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Bugs that tests plant to see them caught.
#[cfg(test)]
mod fault {
    use super::{Arrival, BTreeMap, Waker};
    use std::cell::Cell;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) enum Fault {
        /// Grants in order of arrival.
        Fifo,
        /// A cancelled waiter keeps what it was granted.
        LostHandOver,
    }

    thread_local!(static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) });

    pub(super) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    pub(super) fn with<R>(fault: Option<Fault>, body: impl FnOnce() -> R) -> R {
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        PLANTED.set(fault);
        let _restore = Restore;
        body()
    }

    pub(super) fn pop_oldest<K: Ord>(
        waiting: &mut BTreeMap<(K, Arrival), Waker>,
    ) -> Option<((K, Arrival), Waker)> {
        let oldest = waiting.keys().map(|(_, arrival)| *arrival).min()?;
        let place = waiting.keys().position(|(_, arrival)| *arrival == oldest)?;
        let mut kept = BTreeMap::new();
        let mut found = None;
        for (index, entry) in std::mem::take(waiting).into_iter().enumerate() {
            if index == place {
                found = Some(entry);
            } else {
                kept.insert(entry.0, entry.1);
            }
        }
        *waiting = kept;
        found
    }
}

#[cfg(all(test, loom))]
#[path = "ordered_lock/models.rs"]
mod models;

#[cfg(all(test, not(loom)))]
#[path = "ordered_lock/properties.rs"]
mod properties;
