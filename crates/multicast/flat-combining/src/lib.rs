//! A state behind a lock whose holder does what others left for it, so that they need not wait.
//!
//! D. Hendler, I. Incze, N. Shavit and M. Tzafrir, *Flat Combining and the Synchronization-Parallelism Tradeoff*, SPAA 2010: who
//! finds the lock taken publishes what it wants done, and the holder, the *combiner*, does it. Two things are different here. Who
//! publishes does not wait until it is done: it has no result to wait for, and goes on. And there are some who do want a
//! result, and wait for the lock; they go first, and combine too.
//!
//! # Nothing stays behind
//!
//! A published batch is taken although nobody waits for that:
//!
//! - Who publishes looks afterwards whether somebody waits for the lock or has it. If not, it takes the lock and the batch.
//! - Who waits for the lock takes, once it has it, what was published before; and it counts as waiting only until it has the lock. So
//!   whoever publishes after that look does not rely on it any more.
//! - Who has the lock looks again after letting go of it.
//!
//! All these looks are under the one mutex of what is published, which orders them: who publishes after a look sees all that
//! happened before it, in particular that the lock was let go of, and gets it. After some rounds of looking again a thread may go
//! on with its own work; then it [hands over](Combiner::hand_over). The models try every interleaving of a few threads.

mod published;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::TryLockError;

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

use self::published::Published;

/// A state `S` and the batches `B` that were published for it.
#[derive(Debug)]
pub struct Combining<S, B> {
    locked: Mutex<Locked<S, B>>,
    published: Published<B>,
    /// How many wait for the lock.
    waiting: AtomicUsize,
    rounds_max: usize,
}

#[derive(Debug)]
struct Locked<S, B> {
    state: S,
    /// Goes to the place of the batch that is taken next.
    spare: B,
}

/// What a thread does that has the lock.
pub trait Combiner<S, B> {
    /// Takes [what was published](Hold::take_published), does `work`, lets go of the lock, and does what follows. `None`, and nothing
    /// is done, when the state is not to be used any more.
    fn combine<R>(&self, hold: Hold<'_, S, B>, work: impl FnOnce(&mut S) -> R) -> Option<R>;

    /// Something is published still, after as many rounds as one caller is to do: somebody else is to come, and [do](Combining::with) at
    /// least nothing.
    fn hand_over(&self);
}

/// Why nothing is done with the state any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The [`Combiner`] says so.
    Over,
    /// A thread panicked while it had the lock: what it left of the state is not to be trusted.
    Poisoned,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Over => "the state is not to be used any more",
            Self::Poisoned => "a thread panicked while it had the state",
        })
    }
}

impl std::error::Error for Gone {}

/// The lock, taken.
#[derive(Debug)]
pub struct Hold<'a, S, B> {
    locked: MutexGuard<'a, Locked<S, B>>,
    published: &'a Published<B>,
}

impl<S, B: Default> Combining<S, B> {
    /// A state, with so many places to publish at. Once it has let go of the lock, a caller comes back at most `rounds_max`
    /// times for what others published meanwhile.
    pub fn new(state: S, places: usize, rounds_max: usize) -> Self {
        Self {
            locked: Mutex::new(Locked {
                state,
                spare: B::default(),
            }),
            published: Published::new(places),
            waiting: AtomicUsize::new(0),
            rounds_max,
        }
    }

    /// Has `batch` taken, by whoever has the lock or by this thread, and puts what was left of an earlier one in its stead. False,
    /// and nothing happens, while the batch before it at this place is still published; [`with`](Self::with) takes that first.
    ///
    /// # Errors
    ///
    /// [`Gone`], when this thread found it out.
    ///
    /// # Panics
    ///
    /// When there is no such place.
    pub fn publish(&self, combiner: &impl Combiner<S, B>, place: usize, batch: &mut B) -> Result<bool, Gone> {
        let published = self.published.put(place, batch);
        if published {
            self.look_again(combiner)?;
        }
        Ok(published)
    }

    /// Waits for the lock and has `work` done after what was published.
    ///
    /// # Errors
    ///
    /// [`Gone`]; then nothing was done.
    pub fn with<R>(&self, combiner: &impl Combiner<S, B>, work: impl FnOnce(&mut S) -> R) -> Result<R, Gone> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let locked = self.locked.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let hold = self.hold(locked.map_err(|_| Gone::Poisoned)?);
        let done = combiner.combine(hold, work).ok_or(Gone::Over)?;
        #[cfg(test)]
        if fault::planted(fault::Fault::NoLookAfterWork) {
            return Ok(done);
        }
        // That the state is gone now, whoever comes next will find out.
        let _ = self.look_again(combiner);
        Ok(done)
    }

    /// Looks at the state, even one that is not to be used any more, and leaves what is published to be taken afterwards.
    ///
    /// # Errors
    ///
    /// [`Gone::Poisoned`].
    pub fn look<R>(&self, combiner: &impl Combiner<S, B>, look: impl FnOnce(&mut S) -> R) -> Result<R, Gone> {
        let seen = look(&mut self.locked.lock().map_err(|_| Gone::Poisoned)?.state);
        let _ = self.look_again(combiner);
        Ok(seen)
    }

    /// Takes what is published, unless somebody else will.
    fn look_again(&self, combiner: &impl Combiner<S, B>) -> Result<(), Gone> {
        for _ in 0..self.rounds_max {
            if !self.is_neglected() {
                return Ok(());
            }
            let locked = match self.locked.try_lock() {
                Ok(locked) => locked,
                Err(TryLockError::WouldBlock) => return Ok(()),
                Err(TryLockError::Poisoned(_)) => return Err(Gone::Poisoned),
            };
            combiner.combine(self.hold(locked), |_| ()).ok_or(Gone::Over)?;
        }
        #[cfg(test)]
        if fault::planted(fault::Fault::NoHandOver) {
            return Ok(());
        }
        if self.is_neglected() {
            combiner.hand_over();
        }
        Ok(())
    }

    /// Whether something is published and nobody waits for the lock.
    fn is_neglected(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0 && !self.published.is_empty()
    }

    fn hold<'a>(&'a self, locked: MutexGuard<'a, Locked<S, B>>) -> Hold<'a, S, B> {
        Hold {
            locked,
            published: &self.published,
        }
    }
}

impl<S, B> Hold<'_, S, B> {
    /// Has `take` do every batch that is published now, with its place; first come, first served. Of each place that is one, so that
    /// no place can keep the lock by publishing again and again. What `take` leaves of a batch goes back to who publishes later.
    pub fn take_published(&mut self, mut take: impl FnMut(&mut S, usize, &mut B)) {
        let Locked { state, spare } = &mut *self.locked;
        self.published
            .take_each(spare, |place, batch| take(state, place, batch));
    }
}

impl<S, B> Deref for Hold<'_, S, B> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.locked.state
    }
}

impl<S, B> DerefMut for Hold<'_, S, B> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.locked.state
    }
}

/// Faults that the models plant, to see that they are found.
#[cfg(test)]
mod fault {
    use std::cell::Cell;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// Who waited for the lock does not look again after letting go of it.
        NoLookAfterWork,
        /// Who did its rounds leaves the rest to nobody.
        NoHandOver,
    }

    thread_local!(static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) });

    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    #[cfg(loom)]
    pub(crate) fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
    }
}
