//! What holds for every sequence of requests, cancellations and releases.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use proptest::prelude::*;

use super::fault::{self, Fault};
use super::*;
use crate::ProcessId;

type Key = (u64, u64);

#[derive(Debug, Clone)]
enum Step {
    Request(Key),
    /// Drops one of the waiting futures, granted or not.
    Cancel(usize),
    /// Polls one of the waiting futures although nobody woke it.
    PollIdly(usize),
    /// The one that was woken comes for the lock.
    Take,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u64, 0..3u64).prop_map(Step::Request),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::PollIdly),
        3 => Just(Step::Take),
        3 => Just(Step::Release),
    ]
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Waiting<'a> {
    future: Pin<Box<Lock<'a, (), Key>>>,
    place: (Key, usize),
    woken: Arc<Flag>,
}

/// Plays the steps against the rule «whoever has the smallest (key, arrival) among those who wait at a release is
/// next, and nobody else ever gets the lock».
fn play(steps: &[Step]) -> Result<(), String> {
    let lock = OrderedLock::<(), Key>::new(());
    let mut held = None;
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    // The model: who waits and who was granted.
    let mut model: BTreeSet<(Key, usize)> = BTreeSet::new();
    let mut granted: Option<(Key, usize)> = None;
    for (count, step) in steps.iter().enumerate() {
        match step {
            Step::Request(key) => {
                let woken = Arc::new(Flag::default());
                let mut future = Box::pin(lock.lock(*key));
                let ready = future
                    .as_mut()
                    .poll(&mut Context::from_waker(&woken.clone().into()));
                let free = held.is_none() && granted.is_none() && model.is_empty();
                match ready {
                    Poll::Ready(guard) if free => held = Some(guard),
                    Poll::Ready(_) => return Err(format!("step {count}: {key:?} barged in")),
                    Poll::Pending if free => {
                        return Err(format!("step {count}: {key:?} waits for a free lock"));
                    }
                    Poll::Pending => {
                        model.insert((*key, count));
                        waiting.push(Waiting {
                            future,
                            place: (*key, count),
                            woken,
                        });
                    }
                }
            }
            Step::Cancel(index) if !waiting.is_empty() => {
                let gone = waiting.swap_remove(index % waiting.len());
                if granted == Some(gone.place) {
                    granted = model.pop_first();
                }
                model.remove(&gone.place);
            }
            Step::PollIdly(index) if !waiting.is_empty() => {
                let index = index % waiting.len();
                let entry = &mut waiting[index];
                if granted != Some(entry.place) {
                    let woken = Arc::new(Flag::default());
                    let ready = entry
                        .future
                        .as_mut()
                        .poll(&mut Context::from_waker(&woken.clone().into()));
                    if ready.is_ready() {
                        return Err(format!(
                            "step {count}: {:?} was served, not {granted:?}",
                            entry.place
                        ));
                    }
                    entry.woken = woken;
                }
            }
            Step::Take => {
                let Some(index) = waiting
                    .iter()
                    .position(|entry| entry.woken.0.load(Ordering::SeqCst))
                else {
                    continue;
                };
                let mut entry = waiting.swap_remove(index);
                if granted != Some(entry.place) {
                    return Err(format!(
                        "step {count}: {:?} was woken, {granted:?} is next",
                        entry.place
                    ));
                }
                match entry
                    .future
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                {
                    Poll::Ready(guard) => held = Some(guard),
                    Poll::Pending => {
                        return Err(format!(
                            "step {count}: {:?} was granted and did not get it",
                            entry.place
                        ));
                    }
                }
                granted = None;
            }
            Step::Release => {
                if held.take().is_some() {
                    granted = model.pop_first();
                }
            }
            Step::Cancel(_) | Step::PollIdly(_) => {}
        }
        if let Some(next) = granted
            && !waiting
                .iter()
                .any(|entry| entry.place == next && entry.woken.0.load(Ordering::SeqCst))
        {
            return Err(format!("step {count}: {next:?} is next and was not woken"));
        }
    }
    drop(held);
    drop(waiting);
    let free = lock.try_lock().is_some();
    if free && lock.state().queue.is_none() {
        Ok(())
    } else {
        Err("the lock is not free in the end".to_owned())
    }
}

proptest! {
    #[test]
    fn waiters_are_served_in_order_whoever_gives_up(steps in prop::collection::vec(step(), 0..60)) {
        play(&steps).map_err(TestCaseError::fail)?;
    }
}

const LATE_BEFORE_EARLY: [Step; 4] = [
    Step::Request((0, 0)),
    Step::Request((3, 0)),
    Step::Request((2, 0)),
    Step::Release,
];

#[test]
fn control_granting_by_arrival_is_found() {
    assert_eq!(play(&LATE_BEFORE_EARLY), Ok(()));
    assert!(fault::with(Some(Fault::Fifo), || play(&LATE_BEFORE_EARLY)).is_err());
}

#[test]
fn control_a_lost_hand_over_is_found() {
    let steps = [
        Step::Request((0, 0)),
        Step::Request((1, 0)),
        Step::Request((2, 0)),
        Step::Release,
        Step::Cancel(0),
    ];
    assert_eq!(play(&steps), Ok(()));
    assert!(fault::with(Some(Fault::LostHandOver), || play(&steps)).is_err());
}

#[test]
fn equal_times_go_by_process_and_then_by_arrival() {
    let stamp = |time, process| Stamp::new(time, ProcessId::new(process).unwrap());
    let lock = OrderedLock::new(());
    let served = Rc::new(RefCell::new(Vec::new()));
    let held = lock.try_lock().unwrap();
    let mut waiting: Vec<_> = [
        (2, "P1", 'e'),
        (1, "P10", 'd'),
        (1, "P2", 'b'),
        (1, "P1", 'a'),
        (1, "P2", 'c'),
    ]
    .into_iter()
    .map(|(time, process, name)| {
        let (lock, served) = (&lock, served.clone());
        Box::pin(async move {
            let _guard = lock.lock(stamp(time, process)).await;
            served.borrow_mut().push(name);
        })
    })
    .collect();
    let mut cx = Context::from_waker(Waker::noop());
    waiting
        .iter_mut()
        .for_each(|task| assert!(task.as_mut().poll(&mut cx).is_pending()));
    drop(held);
    while !waiting.is_empty() {
        waiting.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(*served.borrow(), ['a', 'b', 'c', 'd', 'e']);
}

#[test]
fn a_panic_releases_and_keeps_the_value() {
    let lock = OrderedLock::<_, Key>::new(1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut guard = lock.try_lock().unwrap();
        *guard = 2;
        panic!("while holding the lock");
    }));
    assert!(panicked.is_err());
    assert_eq!(*lock.try_lock().expect("released"), 2);
    assert_eq!(lock.into_inner(), Some(2));
}

#[test]
fn an_idle_lock_takes_at_most_24_bytes_beyond_its_value() {
    fn beyond<T>() -> usize {
        size_of::<OrderedLock<T, Key>>() - size_of::<T>()
    }
    assert_eq!(beyond::<u64>(), 24);
    assert_eq!(beyond::<[u64; 12]>(), 24);
    assert_eq!(beyond::<Box<u64>>(), 16, "a value with a niche costs less");
    assert_eq!(beyond::<String>(), 16);
}

#[test]
fn futures_and_guards_may_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let lock = OrderedLock::<u64, Key>::new(0);
    let future = lock.lock((1, 1));
    is_send(&future);
    is_send(&lock.try_lock());
}

#[test]
fn threads_under_contention_lose_no_addition() {
    let lock = OrderedLock::<u64, Key>::new(0);
    std::thread::scope(|scope| {
        for process in 0..4 {
            let lock = &lock;
            scope.spawn(move || {
                for time in 0..2000 {
                    *block_on(lock.lock((time, process))) += 1;
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), Some(8000));
}

/// A runtime of one future, to show that the lock needs no other.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}
