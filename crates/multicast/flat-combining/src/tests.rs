use std::cell::{Cell, RefCell};

use super::*;

/// Publishes a batch at each of its places while one is taken, as long as it has some.
struct Flood<'a> {
    combining: &'a Combining<Vec<(usize, u64)>, Vec<u64>>,
    /// How many batches are to come.
    to_come: Cell<u64>,
    /// How many batches were taken in each hold.
    holds: RefCell<Vec<usize>>,
    handed_over: Cell<usize>,
}

impl Combiner<Vec<(usize, u64)>, Vec<u64>> for Flood<'_> {
    fn combine<R>(
        &self,
        mut hold: Hold<'_, Vec<(usize, u64)>, Vec<u64>>,
        work: impl FnOnce(&mut Vec<(usize, u64)>) -> R,
    ) -> Option<R> {
        let before = hold.len();
        hold.take_published(|state, place, batch| {
            state.extend(batch.drain(..).map(|item| (place, item)));
            if let Some(left) = self.to_come.get().checked_sub(1) {
                self.to_come.set(left);
                // The lock is taken, by this thread.
                assert_eq!(self.combining.publish(self, place, &mut vec![left]), Ok(true));
            }
        });
        self.holds.borrow_mut().push(hold.len() - before);
        Some(work(&mut hold))
    }

    fn hand_over(&self) {
        self.handed_over.set(self.handed_over.get() + 1);
    }
}

/// In which batches everything is taken while `to_come` more are published, by one caller with at most `rounds_max` rounds; and how
/// often it hands over.
fn check(to_come: u64, rounds_max: usize, holds: &[usize], handed_over: usize) {
    let combining = Combining::new(Vec::new(), 2, rounds_max);
    let flood = Flood {
        combining: &combining,
        to_come: Cell::new(to_come),
        holds: RefCell::default(),
        handed_over: Cell::new(0),
    };
    assert!(combining.published.put(1, &mut vec![100]));
    assert!(combining.published.put(0, &mut vec![101]));
    assert_eq!(combining.with(&flood, |state| state.len()), Ok(holds[0]));
    assert_eq!(*flood.holds.borrow(), holds);
    assert_eq!(flood.handed_over.get(), handed_over);
}

#[test]
fn of_each_place_one_batch_is_taken_at_a_time() {
    check(2, 4, &[2, 2], 0);
    check(3, 4, &[2, 2, 1], 0);
}

#[test]
fn who_comes_back_often_enough_hands_over() {
    check(100, 3, &[2, 2, 2, 2], 1);
    check(100, 1, &[2, 2], 1);
    check(0, 1, &[2], 0);
}

#[test]
fn batches_are_taken_in_the_order_of_their_coming_and_none_passes_the_one_before() {
    let published = Published::new(3);
    assert!(published.put(2, &mut vec![1, 2]));
    assert!(published.put(0, &mut vec![3]));
    let mut next = vec![4];
    assert!(!published.put(2, &mut next));
    assert_eq!(next, [4], "what is not published is kept");

    let (mut taken, mut spare) = (Vec::new(), Vec::with_capacity(7));
    published.take_each(&mut spare, |place, batch| {
        taken.push((place, std::mem::take(batch)))
    });
    assert_eq!(taken, [(2, vec![1, 2]), (0, vec![3])]);
    assert!(published.is_empty());

    assert!(published.put(2, &mut next));
    assert!(next.is_empty() && next.capacity() >= 7, "the room goes round");
}

/// A state that is not used once it is over.
struct Mortal;

impl Combiner<bool, ()> for Mortal {
    fn combine<R>(&self, mut over: Hold<'_, bool, ()>, work: impl FnOnce(&mut bool) -> R) -> Option<R> {
        (!*over).then(|| work(&mut over))
    }

    fn hand_over(&self) {}
}

#[test]
fn who_comes_to_a_state_that_is_gone_is_told_so() {
    let combining = Combining::new(false, 1, 1);
    assert_eq!(combining.with(&Mortal, |over| *over = true), Ok(()));
    assert_eq!(combining.with(&Mortal, |_| ()), Err(Gone::Over));
    assert_eq!(combining.publish(&Mortal, 0, &mut ()), Err(Gone::Over));
    assert_eq!(combining.look(&Mortal, |over| *over), Ok(true));

    let combining = Combining::new(false, 1, 1);
    std::thread::scope(|threads| {
        let panics = threads.spawn(|| combining.with(&Mortal, |_| panic!("on purpose")));
        assert!(panics.join().is_err());
    });
    assert_eq!(combining.with(&Mortal, |_| ()), Err(Gone::Poisoned));
    assert_eq!(combining.publish(&Mortal, 0, &mut ()), Err(Gone::Poisoned));
    assert_eq!(combining.look(&Mortal, |_| ()), Err(Gone::Poisoned));
}
