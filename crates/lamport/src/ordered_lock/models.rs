//! Every interleaving of a few threads: `RUSTFLAGS="--cfg loom" cargo test -p lamport --release --lib`.

use std::pin::pin;

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use super::fault::{self, Fault};
use super::*;

type Counter = OrderedLock<usize, (u64, u64)>;

/// Explores every interleaving with at most three preemptions, where nearly all races show; without that bound three
/// threads take hours.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut explorer = loom::model::Builder::new();
    explorer.preemption_bound = Some(3);
    explorer.check(body);
}

fn add(lock: &Counter, key: (u64, u64)) {
    let mut guard = block_on(lock.lock(key));
    // Not atomic on purpose: a second holder would lose an addition.
    let seen = *guard;
    thread::yield_now();
    *guard = seen + 1;
}

#[test]
fn only_one_holds_the_lock_and_everybody_gets_it() {
    model(|| {
        let lock = Arc::new(Counter::new(0));
        let others: Vec<_> = (1..=2)
            .map(|process| {
                let lock = lock.clone();
                thread::spawn(move || add(&lock, (1, process)))
            })
            .collect();
        add(&lock, (1, 0));
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(*lock.try_lock().expect("nobody waits any more"), 3);
        assert_eq!(lock.waiting(), 0);
    });
}

#[test]
fn a_waiter_gets_the_lock_while_another_gives_up() {
    model(|| {
        let lock = Arc::new(Counter::new(0));
        let canceller = {
            let lock = lock.clone();
            thread::spawn(move || drop(poll_once(&lock, (1, 1))))
        };
        let waiter = {
            let lock = lock.clone();
            thread::spawn(move || add(&lock, (2, 2)))
        };
        add(&lock, (1, 0));
        canceller.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(*lock.try_lock().expect("nobody waits any more"), 2);
    });
}

/// The lock is released while the first in order gives up. In how many interleavings the second does not get it;
/// counted, not asserted inside, since a model cannot unwind what still waits.
fn lost_hand_overs() -> usize {
    let lost = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = lost.clone();
    model(move || {
        let lock = Arc::new(Counter::new(0));
        let held = lock.try_lock().unwrap();
        let canceller = {
            let lock = lock.clone();
            thread::spawn(move || drop(poll_once(&lock, (1, 1))))
        };
        let mut second = pin!(lock.lock((2, 2)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(held);
        canceller.join().unwrap();
        if second.as_mut().poll(&mut cx).is_pending() {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    lost.load(std::sync::atomic::Ordering::SeqCst)
}

fn poll_once(lock: &Counter, key: (u64, u64)) -> impl Sized {
    let mut waiting = lock.lock(key);
    let outcome = Pin::new(&mut waiting).poll(&mut Context::from_waker(Waker::noop()));
    (outcome, waiting)
}

#[test]
fn a_cancelled_waiter_passes_the_lock_on() {
    assert_eq!(fault::with(None, lost_hand_overs), 0);
}

#[test]
fn control_a_lost_hand_over_is_found() {
    assert!(fault::with(Some(Fault::LostHandOver), lost_hand_overs) > 0);
}

/// Two wait, the later time first, while another thread releases the lock. How often the later time is served.
fn wrong_orders() -> usize {
    let wrong = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = wrong.clone();
    model(move || {
        let lock: &'static Counter = Box::leak(Box::new(Counter::new(0)));
        let held = lock.try_lock().unwrap();
        let (mut late, mut early) = (pin!(lock.lock((7, 1))), pin!(lock.lock((3, 2))));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(late.as_mut().poll(&mut cx).is_pending());
        assert!(early.as_mut().poll(&mut cx).is_pending());
        let releaser = thread::spawn(move || drop(held));
        let early_first = late.as_mut().poll(&mut cx).is_pending();
        releaser.join().unwrap();
        if !early_first || early.as_mut().poll(&mut cx).is_pending() {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    wrong.load(std::sync::atomic::Ordering::SeqCst)
}

#[test]
fn the_smaller_key_is_served_first() {
    assert_eq!(fault::with(None, wrong_orders), 0);
}

#[test]
fn control_granting_by_arrival_is_found() {
    assert!(fault::with(Some(Fault::Fifo), wrong_orders) > 0);
}
