//! A server's Lamport clock, which clients cannot run down.

use std::time::Instant;

use lamport::{Clock, ClockError, Horizon, LEAP_MAX_DEFAULT};

/// A server's Lamport clock: anybody's stamps move it, but in the long run no further than real time lets them.
///
/// See [`Horizon`] for the rule; this adds the time on the wall.
#[derive(Debug)]
pub struct ServerClock {
    clock: Clock,
    horizon: Horizon,
    started: Instant,
}

impl ServerClock {
    /// A clock that shows `time`, what a restarted server remembers, and starts now.
    ///
    /// # Panics
    ///
    /// If `time` is larger than [`TIME_MAX`](lamport::TIME_MAX).
    #[must_use]
    pub fn starting_at(time: u64) -> Self {
        Self {
            clock: Clock::starting_at(time, LEAP_MAX_DEFAULT),
            horizon: Horizon::of_a_start_at(time),
            started: Instant::now(),
        }
    }

    /// What the clock shows: the time of the server's latest event.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The largest stamp that may move the clock at this moment.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.horizon.after(self.started.elapsed())
    }

    /// A local event or a send: see [`Clock::tick`].
    ///
    /// # Errors
    ///
    /// [`ClockError::Exhausted`] at the end of time.
    pub fn tick(&self) -> Result<u64, ClockError> {
        self.clock.tick()
    }

    /// A receive, within the horizon of this moment: see [`Clock::receive_within`].
    ///
    /// # Errors
    ///
    /// [`ClockError::Leap`], [`ClockError::Horizon`] or [`ClockError::Exhausted`]; the clock has not moved.
    pub fn receive(&self, received: u64) -> Result<u64, ClockError> {
        self.receive_within(received, self.horizon())
    }

    /// A receive within a horizon taken before, for who decides about several stamps at one moment.
    ///
    /// # Errors
    ///
    /// As [`receive`](ServerClock::receive).
    pub fn receive_within(&self, received: u64, horizon: u64) -> Result<u64, ClockError> {
        self.clock.receive_within(received, horizon)
    }
}
