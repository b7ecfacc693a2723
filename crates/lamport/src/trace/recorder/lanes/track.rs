//! One lane: the lines of its events, and what they are told by.

use super::merge::{End, Told};
use crate::trace::event::{Event, Record, Summary};
use crate::trace::limits::{LANE_BYTES_FULL, LANE_BYTES_MAX, LINE_BYTES_MAX};
use crate::trace::short::{Context, Shortener};

/// What happened on a lane since it was last collected.
pub(super) struct Track {
    shortener: Shortener,
    pub(super) told: Told,
    pub(super) summary: Summary,
    /// Events dropped that the lines do not tell about yet.
    dropped_untold: u64,
    /// Nothing more will be written.
    closed: bool,
}

/// What a lane wants of the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::trace::recorder) enum Wants {
    Nothing,
    /// To be collected before long: it has its first event.
    Company,
    /// To be collected now.
    Collection,
}

impl Track {
    pub(super) fn new(shortener: Shortener) -> Self {
        Self {
            shortener,
            told: Told::default(),
            summary: Summary::default(),
            dropped_untold: 0,
            closed: false,
        }
    }

    /// As [`append`](Self::append), of one of several events of which some may only go on as the one before. The lane's holder
    /// [ends the run](Self::end_run).
    pub(super) fn append_run(&mut self, from: &Context, time: u64, at_us: u64, event: &Event<'_>) -> Wants {
        if self.goes_on(from, time, at_us, event) {
            self.summary.written += 1;
            return Wants::Nothing;
        }
        self.append(from, time, at_us, event)
    }

    /// Adds an event, or drops and counts it.
    pub(super) fn append(&mut self, from: &Context, time: u64, at_us: u64, event: &Event<'_>) -> Wants {
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

    /// Whether the event is told by going on as the last line: only right after it, since another lane may have what lies
    /// between.
    fn goes_on(&mut self, from: &Context, time: u64, at_us: u64, event: &Event<'_>) -> bool {
        let Some(last) = self.told.ends.last_mut().filter(|last| last.time + 1 == time) else {
            self.end_run();
            return false;
        };
        let goes_on = self.shortener.goes_on(from, time, at_us, event);
        if goes_on {
            last.time = time;
        } else {
            self.shortener.tell_run(&mut self.told.lines);
            last.at = self.told.lines.len();
        }
        goes_on
    }

    /// Tells how many events went on as the last line; others may follow.
    pub(super) fn end_run(&mut self) {
        self.shortener.end_run(&mut self.told.lines);
        if let Some(last) = self.told.ends.last_mut() {
            last.at = self.told.lines.len();
        }
    }

    /// Nothing follows what is told; what is missing is said.
    pub(super) fn close(&mut self) {
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
