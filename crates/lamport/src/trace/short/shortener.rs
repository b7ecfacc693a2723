//! Writing: which events are alike, and what is new in the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::event::Event;
use super::super::json::{CUT, Frame, integer};
use super::super::limits::{AGAIN_MAX, LABELLED_MAX, NUMBERED_US, NUMBERS_MAX, SORTS_MAX, TOGETHER_US};
use super::AGAIN;
use super::sort::{Likeness, Sort};

/// Writes events as lines, short ones where it can.
pub(in crate::trace) struct Shortener {
    numbers: Numbers,
    /// The number of the first sort, once one was needed; none if there were none left.
    first: Option<Option<u32>>,
    sorts: Vec<Sort>,
    /// The place of the sort that gives way next.
    oldest: usize,
    run: Option<Run>,
}

/// Events that each change the one before by the same, apart from the label.
struct Run {
    /// The place of their sort.
    sort: usize,
    /// How many there are.
    length: u32,
    /// How many of them, since the last line, no line tells yet.
    untold: u32,
    /// How many of them their sort does not know of yet.
    behind: u32,
    /// The last line holds only integers, so that it can happen again.
    repeatable: bool,
}

/// The numbers of a file that nobody took yet.
#[derive(Clone, Default)]
pub(in crate::trace) struct Numbers(Arc<AtomicU32>);

/// Where events come from.
pub(in crate::trace) struct Context {
    /// Tells the processes of one recorder apart.
    pub(in crate::trace) source: u32,
    /// What the lines of the process have in common.
    pub(in crate::trace) frame: Frame,
}

impl Shortener {
    /// One that takes what numbers it needs from those of its file.
    pub(in crate::trace) const fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            first: None,
            sorts: Vec::new(),
            oldest: 0,
            run: None,
        }
    }

    /// Forgets what was written, because it will not be read.
    pub(in crate::trace) fn forget(&mut self) {
        self.sorts.clear();
        self.run = None;
    }

    /// Whether the event only goes on as the last line said. Then it is not to be written: [`end_run`](Self::end_run) tells how
    /// many did.
    pub(in crate::trace) fn goes_on(
        &mut self,
        from: &Context,
        time: u64,
        at_us: u64,
        event: &Event<'_>,
    ) -> bool {
        self.catch_up();
        let Some(run) = &mut self.run else { return false };
        let sort = &mut self.sorts[run.sort];
        let alike = sort.likeness == Likeness::of(from.source, event)
            && sort.goes_on_to(time, at_us, event)
            && sort.has_names_of(event);
        if !alike {
            run.length = 0;
            return false;
        }
        run.length += 1;
        let goes_on = run.repeatable && run.untold < AGAIN_MAX && sort.has_label(run.label(sort, event));
        if goes_on {
            sort.go_on_to(time, at_us, event);
            run.untold += 1;
        }
        goes_on
    }

    /// As [`goes_on`](Self::goes_on), of an event that is known to change the last one as that changed the one before, at the same
    /// wall time.
    #[inline]
    pub(in crate::trace) fn again(&mut self, labelled: bool) -> bool {
        let Some(run) = &mut self.run else { return false };
        let sort = &self.sorts[run.sort];
        let goes_on = run.repeatable
            && run.untold < AGAIN_MAX
            && sort.at_us.stands()
            && match labelled {
                true => run.length + 1 >= LABELLED_MAX && sort.has_label(CUT),
                false => sort.has_label(""),
            };
        if goes_on {
            run.length += 1;
            run.untold += 1;
            run.behind += 1;
        }
        goes_on
    }

    /// Lets the sort of the run know of the events that it was not shown.
    fn catch_up(&mut self) {
        if let Some(run) = &mut self.run
            && run.behind > 0
        {
            self.sorts[run.sort].repeat(std::mem::take(&mut run.behind));
        }
    }

    /// Tells how many events went on as the last line said. That line must be the last in `out`.
    pub(in crate::trace) fn tell_run(&mut self, out: &mut Vec<u8>) {
        self.catch_up();
        if let Some(run) = &mut self.run
            && run.untold > 0
        {
            out.extend_from_slice(AGAIN);
            integer(out, std::mem::take(&mut run.untold));
            out.extend_from_slice(b"}\n");
        }
    }

    /// Tells the same, and that other lines may follow.
    pub(in crate::trace) fn end_run(&mut self, out: &mut Vec<u8>) {
        self.tell_run(out);
        self.run = None;
    }

    /// Appends the event as a line with its newline.
    pub(in crate::trace) fn write(
        &mut self,
        out: &mut Vec<u8>,
        from: &Context,
        time: u64,
        at_us: u64,
        event: &Event<'_>,
    ) {
        let run = self.run.take();
        let likeness = Likeness::of(from.source, event);
        let place = self
            .sorts
            .iter()
            .position(|sort| sort.likeness == likeness && sort.has_names_of(event));
        let Some(place) = place else {
            self.add(Sort::new(likeness, time, at_us, event));
            return from.frame.write(out, None, time, at_us, event);
        };
        let sort = &mut self.sorts[place];
        let together = at_us.saturating_sub(sort.at_us.count) <= TOGETHER_US;
        let number = match together {
            true => self
                .first
                .get_or_insert_with(|| self.numbers.take())
                .map(|first| first + place as u32),
            false => None,
        };
        if let (Some(number), Some(since)) = (number, sort.numbered_us)
            && at_us.saturating_sub(since) <= NUMBERED_US
        {
            let start = out.len();
            let length = run.as_ref().map_or(0, |run| run.length);
            let label = run.map_or(event.label, |run| run.label(sort, event));
            if let Some(repeatable) = sort.write_change(out, number, time, at_us, &Event { label, ..*event })
            {
                self.run = Some(Run {
                    sort: place,
                    length,
                    untold: 0,
                    behind: 0,
                    repeatable,
                });
                return;
            }
            out.truncate(start);
        }
        *sort = Sort::new(likeness, time, at_us, event);
        sort.numbered_us = number.map(|_| at_us);
        from.frame.write(out, number, time, at_us, event);
    }

    fn add(&mut self, sort: Sort) {
        if self.sorts.len() < SORTS_MAX {
            self.sorts.push(sort);
        } else {
            self.sorts[self.oldest] = sort;
            self.oldest = (self.oldest + 1) % SORTS_MAX;
        }
    }
}

impl Run {
    /// What is told of the label of an event in it.
    fn label<'e>(&self, last: &Sort, event: &Event<'e>) -> &'e str {
        match self.length {
            0..LABELLED_MAX => event.label,
            _ if event.label.is_empty() || last.has_label(event.label) => event.label,
            _ => CUT,
        }
    }
}

impl Numbers {
    /// The first of [`SORTS_MAX`] numbers that nobody else gives.
    fn take(&self) -> Option<u32> {
        let taken = SORTS_MAX as u32;
        let in_bounds = |first: u32| {
            first
                .checked_add(taken)
                .filter(|end| *end as usize <= NUMBERS_MAX)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, in_bounds)
            .ok()
    }
}
