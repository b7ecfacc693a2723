//! What is published and not yet taken: at each place one batch at most.

use std::collections::VecDeque;
use std::sync::PoisonError;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Published<B>(Mutex<Batches<B>>);

#[derive(Debug)]
struct Batches<B> {
    /// Where something is published, in the order of its coming.
    places: VecDeque<usize>,
    /// At each place what is published, or else what was left of the batch before.
    batches: Vec<B>,
}

impl<B> Published<B> {
    /// Puts `batch` at `place`, in exchange for what was left of one before. False, and nothing happens, while that is not taken.
    pub(crate) fn put(&self, place: usize, batch: &mut B) -> bool {
        let mut all = self.lock();
        if all.places.contains(&place) {
            return false;
        }
        std::mem::swap(&mut all.batches[place], batch);
        all.places.push_back(place);
        true
    }

    /// Has `take` do each batch that is here at the beginning, in exchange for `spare`, in which the last one is left. Only one may do so
    /// at a time.
    pub(crate) fn take_each(&self, spare: &mut B, mut take: impl FnMut(usize, &mut B)) {
        let count = self.lock().places.len();
        for _ in 0..count {
            let mut all = self.lock();
            let Some(place) = all.places.pop_front() else {
                return;
            };
            std::mem::swap(&mut all.batches[place], spare);
            drop(all);
            take(place, spare);
        }
    }

    /// Whether all is taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().places.is_empty()
    }

    /// What it guards is consistent after every statement.
    fn lock(&self) -> MutexGuard<'_, Batches<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Default> Published<B> {
    pub(crate) fn new(places: usize) -> Self {
        Self(Mutex::new(Batches {
            places: VecDeque::with_capacity(places),
            batches: (0..places).map(|_| B::default()).collect(),
        }))
    }
}
