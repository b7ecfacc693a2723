//! Recording by many threads that share one clock: each into a lane, so that they hardly ever meet.

mod here;
mod merge;
mod track;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{CloseError, Source, Tracer};
use crate::trace::event::{Event, Summary};
use crate::trace::limits::LANES;
use crate::trace::short::Shortener;
use merge::{Told, merge};
use track::Track;

pub use here::Here;
pub(super) use track::Wants;

/// Records the events of one process whose many threads share a clock.
///
/// A [`Tracer`] has one lock and one memory of the last events, which would wander from core to core with every event. Here
/// each thread has a lane, which few others share; the thread that writes puts the lanes' events into the order of their times.
///
/// It waits for the disk as little as a [`Tracer`] does, and drops and counts what finds no room.
#[derive(Clone, Default)]
pub struct SharedTracer {
    on: Option<(Arc<Source>, Arc<Lanes>)>,
}

/// A lane that others wait for: see [`SharedTracer::lane`].
#[derive(Default)]
pub struct LaneGuard<'t> {
    on: Option<Taken<'t>>,
}

struct Taken<'t> {
    source: &'t Source,
    track: MutexGuard<'t, Track>,
    at_us: u64,
    wants: Wants,
}

/// The lanes of one process.
pub(super) struct Lanes {
    lanes: [Lane; LANES],
}

/// By itself in the caches: another thread writes to the next.
#[repr(align(128))]
struct Lane(Mutex<Track>);

/// Where the writer collects lanes: what is in them goes into buffers of its own, and theirs are used again.
#[derive(Default)]
pub(super) struct Collector {
    told: [Told; LANES],
}

impl SharedTracer {
    pub(super) fn new(tracer: Tracer) -> Self {
        Self {
            on: tracer.source.map(|source| {
                let lanes = source.recorder.add_lanes();
                (source, lanes)
            }),
        }
    }

    /// Whether anything is recorded. Asked before work that only a trace needs.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Where the calling thread records, and the wall time of what it does now: to be asked once for what is done at once.
    #[inline]
    #[must_use]
    pub fn here(&self) -> Here {
        match &self.on {
            None => Here::default(),
            Some(_) => Here::now(),
        }
    }

    /// Moves the clock by `advance` and records the event with the time it returns, as one step. All times of the process must
    /// come from here.
    ///
    /// # Errors
    ///
    /// That of `advance`; nothing is recorded then.
    #[inline]
    pub fn stamped<E>(
        &self,
        here: Here,
        advance: impl FnOnce() -> Result<u64, E>,
        event: &Event<'_>,
    ) -> Result<u64, E> {
        let Some((source, lanes)) = &self.on else {
            return advance();
        };
        let mut track = lanes.lock(here.lane);
        // Under the lock: whoever holds those of all lanes knows that no time is on its way.
        let time = advance()?;
        let wants = track.append(&source.context, time, here.at_us, event);
        drop(track);
        source.recorder.collect_for(wants);
        Ok(time)
    }

    /// For several events that come one right after the other: they share the lock, and those that only go on as the one before
    /// are counted. To be let go of soon, for others wait meanwhile.
    ///
    /// ```
    /// # use lamport::{Clock, ProcessId, trace::{Event, Message, Service, Tracer}};
    /// # let tracer = Tracer::to_writer(std::io::sink(), ProcessId::new("bank")?, Service::Other)?.shared();
    /// let clock = Clock::new();
    /// let mut lane = tracer.lane(tracer.here());
    /// for number in 1..=64 {
    ///     let message = Message::Request { connection: "c", number };
    ///     lane.stamped(|| clock.receive(0), &Event::receive("deposit", message, &[]))?;
    /// }
    /// drop(lane);
    /// assert_eq!(tracer.close()?.written, 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn lane(&self, here: Here) -> LaneGuard<'_> {
        LaneGuard {
            on: self.on.as_ref().map(|(source, lanes)| Taken {
                source,
                track: lanes.lock(here.lane),
                at_us: here.at_us,
                wants: Wants::Nothing,
            }),
        }
    }

    /// As [`Tracer::close`].
    ///
    /// # Errors
    ///
    /// As [`Tracer::close`].
    pub fn close(&self) -> Result<Summary, CloseError> {
        let source = self.on.as_ref().map(|(source, _)| source.clone());
        Tracer { source }.close()
    }
}

impl LaneGuard<'_> {
    /// As [`SharedTracer::stamped`].
    ///
    /// # Errors
    ///
    /// That of `advance`; nothing is recorded then.
    #[inline]
    pub fn stamped<E>(
        &mut self,
        advance: impl FnOnce() -> Result<u64, E>,
        event: &Event<'_>,
    ) -> Result<u64, E> {
        let time = advance()?;
        if let Some(taken) = &mut self.on {
            let wants = taken
                .track
                .append_run(&taken.source.context, time, taken.at_us, event);
            taken.wants = taken.wants.max(wants);
        }
        Ok(time)
    }
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        let Some(mut taken) = self.on.take() else { return };
        taken.track.end_run();
        drop(taken.track);
        taken.source.recorder.collect_for(taken.wants);
    }
}

impl Lanes {
    pub(super) fn new(mut shortener: impl FnMut() -> Shortener) -> Self {
        let track = |_| Track::new(shortener());
        Self {
            lanes: std::array::from_fn(track).map(|track| Lane(Mutex::new(track))),
        }
    }

    fn lock(&self, lane: usize) -> MutexGuard<'_, Track> {
        self.lanes[lane % LANES].lock()
    }

    /// Events told so far.
    pub(super) fn summary(&self) -> Summary {
        let mut all = Summary::default();
        self.lanes.iter().for_each(|lane| all += lane.lock().summary);
        all
    }

    /// Appends all lines that wait, in the order of their times, and says how many events were told up to there. With
    /// `closing` nothing follows them.
    pub(super) fn collect(&self, by: &mut Collector, out: &mut Vec<u8>, closing: bool) -> Summary {
        let mut all = Summary::default();
        {
            // All at once: no event before these can come later.
            let mut tracks = self.lanes.each_ref().map(Lane::lock);
            for (track, told) in tracks.iter_mut().zip(&mut by.told) {
                if closing {
                    track.close();
                }
                std::mem::swap(&mut track.told, told);
                all += track.summary;
            }
        }
        merge(&by.told, out);
        by.told.iter_mut().for_each(Told::clear);
        all
    }
}

impl Lane {
    /// No code but ours and the clock's runs under this lock, and none of it leaves the lane half changed.
    fn lock(&self) -> MutexGuard<'_, Track> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedTracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            None => f.write_str("SharedTracer(off)"),
            Some((source, _)) => f.debug_tuple("SharedTracer").field(&source.process).finish(),
        }
    }
}

impl fmt::Debug for LaneGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            None => f.write_str("LaneGuard(off)"),
            Some(taken) => f.debug_tuple("LaneGuard").field(&taken.source.process).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
