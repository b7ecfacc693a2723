//! Recording by many threads that share one clock: each into a lane, so that they hardly ever meet.

mod merge;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::queue::now_us;
use super::{CloseError, Source, Tracer};
use crate::trace::event::{Event, Record, Summary};
use crate::trace::limits::{LANE_BYTES_FULL, LANE_BYTES_MAX, LANES, LINE_BYTES_MAX};
use crate::trace::short::{Context, Shortener};
use merge::{End, Told, merge};

/// Records the events of one process whose many threads share a clock.
///
/// A [`Tracer`] has one lock and one memory of the last events, which would wander from core to core with every event. Here
/// threads meet only if they use the same lane; the thread that writes puts the lanes' events into the order of their times.
///
/// It waits for the disk as little as a [`Tracer`] does, and drops and counts what finds no room.
#[derive(Clone, Default)]
pub struct SharedTracer {
    on: Option<(Arc<Source>, Arc<Lanes>)>,
}

/// The lanes of one process.
pub(super) struct Lanes {
    lanes: [Lane; LANES],
}

/// By itself in the caches: another thread writes to the next.
#[repr(align(128))]
struct Lane(Mutex<Track>);

/// What happened on a lane since it was last collected.
struct Track {
    shortener: Shortener,
    told: Told,
    summary: Summary,
    /// Events dropped that the lines do not tell about yet.
    dropped_untold: u64,
    /// Nothing more will be written.
    closed: bool,
}

/// What a lane wants of the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wants {
    Nothing,
    /// To be collected before long: it has its first event.
    Company,
    /// To be collected now.
    Collection,
}

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

    /// Moves the clock by `advance` and records the event with the time it returns, as one step. `lane` is any number; the
    /// less those who record at the same time share one, the better. All times of the process must come from here.
    ///
    /// # Errors
    ///
    /// That of `advance`; nothing is recorded then.
    #[inline]
    pub fn stamped<E>(
        &self,
        lane: u64,
        advance: impl FnOnce() -> Result<u64, E>,
        event: &Event<'_>,
    ) -> Result<u64, E> {
        let Some((source, lanes)) = &self.on else {
            return advance();
        };
        let at_us = now_us();
        let mut track = lanes.lanes[(lane % LANES as u64) as usize].lock();
        // Under the lock: whoever holds those of all lanes knows that no time is on its way.
        let time = advance()?;
        let wants = track.append(&source.context, time, at_us, event);
        drop(track);
        source.recorder.collect_for(wants);
        Ok(time)
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

impl Lanes {
    pub(super) fn new(mut shortener: impl FnMut() -> Shortener) -> Self {
        let track = |_| Track {
            shortener: shortener(),
            told: Told::default(),
            summary: Summary::default(),
            dropped_untold: 0,
            closed: false,
        };
        Self {
            lanes: std::array::from_fn(track).map(|track| Lane(Mutex::new(track))),
        }
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

impl Track {
    fn append(&mut self, from: &Context, time: u64, at_us: u64, event: &Event<'_>) -> Wants {
        let before = self.told.bytes();
        if self.closed || before > LANE_BYTES_MAX {
            self.drop_event();
            return Wants::Nothing;
        }
        self.tell_dropped();
        let start = self.told.lines.len();
        self.shortener
            .write(&mut self.told.lines, from, time, at_us, event);
        if self.told.lines.len() - start > LINE_BYTES_MAX {
            self.told.lines.truncate(start);
            self.shortener.forget();
            self.drop_event();
        } else {
            self.summary.written += 1;
        }
        let at = self.told.lines.len();
        self.told.ends.push(End { time, at });
        match before {
            0 => Wants::Company,
            _ if before < LANE_BYTES_FULL && self.told.bytes() >= LANE_BYTES_FULL => Wants::Collection,
            _ => Wants::Nothing,
        }
    }

    fn close(&mut self) {
        self.closed = true;
        if self.dropped_untold > 0 {
            self.tell_dropped();
            let at = self.told.lines.len();
            self.told.ends.push(End { time: u64::MAX, at });
        }
    }

    fn drop_event(&mut self) {
        self.summary.dropped += 1;
        self.dropped_untold += 1;
    }

    /// Puts a `dropped` record where events are missing.
    fn tell_dropped(&mut self) {
        let count = std::mem::take(&mut self.dropped_untold);
        if count > 0 {
            Record::Dropped(count).write(&mut self.told.lines);
        }
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

#[cfg(test)]
mod tests;
