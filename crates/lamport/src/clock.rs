//! One process's logical clock.
//!
//! The clock is a single atomic word: many tasks of one process tick it without a lock, and no two events of the
//! process ever share a time. Which tasks may see which order is decided by whoever orders the events themselves (the
//! hub's lock, an account's lock); the clock only promises that each call moves it forward.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest Lamport time: 2^53 - 1, the largest integer that every JSON reader keeps exactly.
pub const TIME_MAX: u64 = (1 << 53) - 1;

/// How far ahead of the receiver a received time may lie unless configured otherwise: 2^32 ticks.
pub const LEAP_MAX_DEFAULT: u64 = 1 << 32;

/// A process's Lamport clock, starting at 0.
///
/// [`tick`](Clock::tick) before a local event or a send, [`receive`](Clock::receive) at a receive. Both return the
/// time of the event, larger than every time this clock returned before.
#[derive(Debug)]
pub struct Clock {
    time: AtomicU64,
    leap_max: u64,
}

/// Why a clock did not move. It shows the same time as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The received time lies too far ahead of this clock: believing it would poison the whole group's clocks.
    #[error("the stamp {received} is more than {leap_max} ahead of the clock at {local}")]
    Leap {
        /// The time received.
        received: u64,
        /// What this clock shows.
        local: u64,
        /// The largest distance accepted, in ticks.
        leap_max: u64,
    },
    /// The received time lies beyond the horizon: all leaps together would take the clock further than real time lets
    /// them.
    #[error("the stamp {received} is beyond {horizon}, the farthest that stamps may move this clock for now")]
    Horizon {
        /// The time received.
        received: u64,
        /// The largest time accepted at that moment.
        horizon: u64,
    },
    /// The clock has reached [`TIME_MAX`].
    #[error("the clock has reached its end at {TIME_MAX}")]
    Exhausted,
}

/// The rule of a local event or a send, for a process that keeps its time itself: `local + 1`.
///
/// # Errors
///
/// [`ClockError::Exhausted`] when the result would pass [`TIME_MAX`].
pub fn after_send(local: u64) -> Result<u64, ClockError> {
    if local >= TIME_MAX {
        Err(ClockError::Exhausted)
    } else {
        Ok(local + 1)
    }
}

/// The rule of a receive, for a process that keeps its time itself: `max(local, received) + 1`.
///
/// # Errors
///
/// [`ClockError::Leap`] when `received` is more than `leap_max` ahead, [`ClockError::Exhausted`] when the result would
/// pass [`TIME_MAX`].
pub fn after_receive(local: u64, received: u64, leap_max: u64) -> Result<u64, ClockError> {
    after_receive_within(local, received, leap_max, u64::MAX)
}

/// As [`after_receive`], for a process that believes no stamp beyond a [`Horizon`](crate::Horizon) either.
///
/// # Errors
///
/// Those of [`after_receive`], and [`ClockError::Horizon`] when `received` is ahead and beyond `horizon`.
pub fn after_receive_within(
    local: u64,
    received: u64,
    leap_max: u64,
    horizon: u64,
) -> Result<u64, ClockError> {
    if received > local {
        if received - local > leap_max {
            return Err(ClockError::Leap {
                received,
                local,
                leap_max,
            });
        }
        if received > horizon {
            return Err(ClockError::Horizon { received, horizon });
        }
    }
    after_send(local.max(received))
}

impl Clock {
    /// A clock at 0 that accepts leaps up to [`LEAP_MAX_DEFAULT`].
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(0, LEAP_MAX_DEFAULT)
    }

    /// A clock that shows `time` (what a restarted process remembers) and accepts received times up to `leap_max`
    /// ticks ahead.
    ///
    /// # Panics
    ///
    /// If `time` is larger than [`TIME_MAX`].
    #[must_use]
    pub fn starting_at(time: u64, leap_max: u64) -> Self {
        assert!(time <= TIME_MAX, "a clock cannot start beyond its end");
        Self {
            time: AtomicU64::new(time),
            leap_max,
        }
    }

    /// What the clock shows: the time of this process's latest event, 0 if there was none.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.time.load(Ordering::Acquire)
    }

    /// A local event or a send: moves the clock by one and returns the event's time.
    ///
    /// # Errors
    ///
    /// [`ClockError::Exhausted`] when the clock shows [`TIME_MAX`].
    pub fn tick(&self) -> Result<u64, ClockError> {
        self.advance(after_send)
    }

    /// A receive: moves the clock to `max(local, received) + 1` and returns the event's time.
    ///
    /// # Errors
    ///
    /// [`ClockError::Leap`] when `received` is too far ahead, [`ClockError::Exhausted`] when the result would pass
    /// [`TIME_MAX`].
    pub fn receive(&self, received: u64) -> Result<u64, ClockError> {
        self.receive_within(received, u64::MAX)
    }

    /// A receive from somebody who may be hostile: as [`receive`](Clock::receive), and no stamp beyond `horizon` moves
    /// the clock; see [`Horizon`](crate::Horizon).
    ///
    /// # Errors
    ///
    /// Those of [`receive`](Clock::receive), and [`ClockError::Horizon`].
    pub fn receive_within(&self, received: u64, horizon: u64) -> Result<u64, ClockError> {
        let leap_max = self.leap_max;
        self.advance(|local| after_receive_within(local, received, leap_max, horizon))
    }

    /// Moves the clock to what `next` makes of its time, atomically.
    fn advance(&self, next: impl Fn(u64) -> Result<u64, ClockError>) -> Result<u64, ClockError> {
        let mut local = self.time.load(Ordering::Acquire);
        loop {
            let time = next(local)?;
            match self
                .time
                .compare_exchange_weak(local, time, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(time),
                Err(seen) => local = seen,
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_send_ticks_and_a_receive_passes_the_stamp() {
        let clock = Clock::new();
        assert_eq!(clock.tick(), Ok(1));
        assert_eq!(clock.receive(7), Ok(8));
        assert_eq!(clock.receive(3), Ok(9), "an old stamp still ticks");
        assert_eq!(clock.now(), 9);
    }

    #[test]
    fn a_leap_is_refused_and_moves_nothing() {
        let clock = Clock::starting_at(10, 100);
        assert_eq!(
            clock.receive(111),
            Err(ClockError::Leap {
                received: 111,
                local: 10,
                leap_max: 100
            })
        );
        assert_eq!(clock.now(), 10);
        assert_eq!(clock.receive(110), Ok(111));
        assert!(clock.receive(u64::MAX).is_err());
    }

    #[test]
    fn beyond_the_horizon_only_what_is_not_ahead_is_received() {
        let clock = Clock::starting_at(10, 100);
        let beyond = ClockError::Horizon {
            received: 51,
            horizon: 50,
        };
        assert_eq!(clock.receive_within(51, 50), Err(beyond));
        assert_eq!(clock.now(), 10);
        assert_eq!(clock.receive_within(50, 50), Ok(51));
        assert_eq!(clock.receive_within(51, 50), Ok(52), "own ticks pass the horizon");
        assert!(matches!(
            clock.receive_within(500, 50),
            Err(ClockError::Leap { .. })
        ));
    }

    #[test]
    fn the_end_of_time_is_an_error_and_moves_nothing() {
        let clock = Clock::starting_at(TIME_MAX - 1, u64::MAX);
        assert_eq!(clock.tick(), Ok(TIME_MAX));
        assert_eq!(clock.tick(), Err(ClockError::Exhausted));
        assert_eq!(clock.receive(0), Err(ClockError::Exhausted));
        assert_eq!(clock.receive(u64::MAX - 1), Err(ClockError::Exhausted));
        assert_eq!(clock.now(), TIME_MAX);
    }

    #[test]
    fn no_two_events_share_a_time() {
        let clock = Clock::new();
        let mut times: Vec<u64> = std::thread::scope(|scope| {
            let tasks: Vec<_> = (0..4)
                .map(|n| {
                    let clock = &clock;
                    scope.spawn(move || {
                        (0..1000)
                            .map(|i| {
                                if i % 2 == 0 {
                                    clock.tick()
                                } else {
                                    clock.receive(n * i)
                                }
                                .unwrap()
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            tasks.into_iter().flat_map(|task| task.join().unwrap()).collect()
        });
        times.sort_unstable();
        times.dedup();
        assert_eq!(times.len(), 4000);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Two tasks of one process tick and receive at once: four different times, each task's own ascending, and a
    /// receive past its stamp.
    #[test]
    fn no_two_events_share_a_time() {
        loom::model(|| {
            let clock = Arc::new(Clock::new());
            let other = {
                let clock = clock.clone();
                thread::spawn(move || [clock.receive(5).unwrap(), clock.tick().unwrap()])
            };
            let own = [clock.tick().unwrap(), clock.receive(2).unwrap()];
            let other = other.join().unwrap();
            assert!(own[0] < own[1] && other[0] < other[1] && other[0] > 5 && own[1] > 2);
            let mut times = [own, other].concat();
            times.sort_unstable();
            times.dedup();
            assert_eq!(times.len(), 4);
            assert_eq!(times.last(), Some(&clock.now()));
        });
    }

    /// The control: a clock that reads and writes in two steps gives one time twice, and the model finds it.
    #[test]
    #[should_panic(expected = "one time twice")]
    fn control_a_clock_in_two_steps_is_found() {
        loom::model(|| {
            let clock = Arc::new(AtomicU64::new(0));
            let tick = |clock: &AtomicU64| {
                let time = clock.load(Ordering::Acquire) + 1;
                clock.store(time, Ordering::Release);
                time
            };
            let other = {
                let clock = clock.clone();
                thread::spawn(move || tick(&clock))
            };
            let own = tick(&clock);
            assert_ne!(own, other.join().unwrap(), "one time twice");
        });
    }
}
