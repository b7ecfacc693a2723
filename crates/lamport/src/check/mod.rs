//! Proving a run right from its traces: the clock's own rules and those of the service that wrote them.
//!
//! [`Check`] takes events one by one, in any interleaving that keeps each process's own order, and stops at the first
//! one that breaks a [`Rule`], with the two or three events that show it. [`Merge`] reads several traces as one, in
//! the order of their stamps, which is the order in which the least has to be remembered.
//!
//! ```
//! use lamport::check::{Check, Merge, Options, Rule};
//!
//! let trace = br#"{"process":"P1","lamport":3,"kind":"send","message":"P1@3"}
//! {"process":"P2","lamport":3,"kind":"receive","message":"P1@3"}
//! "#;
//! let mut merge = Merge::new();
//! merge.add("run.jsonl", &trace[..])?;
//! let violation = merge.check(Check::new(Options::default()))?.expect_err("P2 did not pass the stamp");
//! assert_eq!(violation.rule, Rule::ReceiveAfterSend);
//! assert_eq!(violation.events.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it can and cannot say
//!
//! Every rule is checked by its own bookkeeping; none believes what the service says about itself. A rule that needs
//! an event which is not in the traces is not broken but *unproved*, and the [`Report`] counts it: the sender was
//! not traced, or its trace has `dropped` records or no `closed` one. A trace that starts in the middle is fine.
//!
//! Time is linear in the events: 2 to 2.8 million a second with the reading, on a shared 4-core machine
//! (`cargo bench -p lamport --bench figures`). Memory is 10 to 50 MB per million events, because a message may be
//! received at any later time; it grows beyond that where the traces of several processes stand one after the other
//! in one file, so give each process's file by itself.

mod bank;
mod chat;
mod lives;
mod merge;
mod messages;
mod multicast;
mod names;
mod numbered;
mod place;
mod report;
mod rule;

use crate::trace::facts::ORDER;
use crate::trace::{Kind, Service, TraceEvent};

use lives::Lives;
use names::Names;

pub use merge::{Merge, MergeError, SOURCES_MAX};
pub use multicast::Order;
pub use place::Place;
pub use report::Report;
pub use rule::{Rule, Violation, Witness};

/// What is asked of a run besides the rules that always hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The run was left to settle before it ended: every member of a multicast group must have delivered everything.
    /// Otherwise the last messages may have been on their way.
    pub settled: bool,
    /// Every sender was traced: a receive whose sender left no trace at all is a violation too.
    pub complete: bool,
    /// The multicast group's order, where the trace does not tell it.
    pub order: Option<Order>,
    /// Rules that do not count: to look for what else is wrong in a run that breaks them.
    pub lifted: Vec<Rule>,
}

/// Verifies a run event by event. See the [module](self) for what it checks.
#[derive(Debug)]
pub struct Check {
    options: Options,
    processes: Names,
    last: Vec<Last>,
    lives: Lives,
    sources: Vec<Source>,
    messages: messages::Messages,
    chat: chat::Chat,
    bank: bank::Bank,
    multicast: multicast::Multicast,
    report: Report,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    time: u64,
    place: Place,
    /// Where the process was seen first; its trace's completeness is that source's.
    source: u32,
}

/// What is known of a trace as a whole.
#[derive(Debug, Clone, Copy, Default)]
struct Source {
    /// How many `dropped` records it has so far.
    dropped: u32,
    closed: bool,
}

/// An event as the rules see it: with its process's number and what its source may lack.
struct Seen<'e> {
    event: &'e TraceEvent<'e>,
    process: u32,
    place: Place,
    /// Whoever remembers another one may have missed something of this process.
    epoch: u32,
}

impl Check {
    /// A check that has seen nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let multicast = multicast::Multicast::new(options.order);
        Self {
            options,
            processes: Names::default(),
            last: Vec::new(),
            lives: Lives::default(),
            sources: Vec::new(),
            messages: messages::Messages::default(),
            chat: chat::Chat::default(),
            bank: bank::Bank::default(),
            multicast,
            report: Report::default(),
        }
    }

    /// Takes the next event. Events of one process come in their order.
    ///
    /// # Errors
    ///
    /// The rule that this event breaks; the check is of no further use then.
    pub fn event(&mut self, place: Place, event: &TraceEvent<'_>) -> Result<(), Box<Violation>> {
        let process = self.processes.number(&event.process);
        // Where traces were joined into one file, it is the last that counts.
        self.source(place).closed = false;
        let epoch = self.lives.epoch(process, place, &self.sources);
        let seen = Seen {
            event,
            process,
            place,
            epoch,
        };
        let lifted = &self.options.lifted;
        self.report.test(Rule::TimesGrow);
        unless_lifted(lifted, own_order(&mut self.last, &seen))?;
        unless_lifted(lifted, self.messages.event(&seen, &mut self.report))?;
        if !event.facts.is_empty() {
            let outcome = match event.service {
                Service::Chat => self.chat.event(&seen, &mut self.report),
                Service::Bank => self.bank.event(&seen, &mut self.report),
                Service::Multicast => self.multicast.event(&seen, &mut self.report),
                Service::Other => Ok(()),
            };
            unless_lifted(lifted, outcome)?;
        }
        self.report.events += 1;
        *self.report.counts.entry((event.service, event.kind)).or_default() += 1;
        Ok(())
    }

    /// Takes note of a source, which may turn out to be empty.
    pub fn opened(&mut self, source: u32) {
        self.source(Place::new(source, 0));
    }

    /// Takes note that `count` events are missing from the source at this place.
    pub fn dropped(&mut self, place: Place, count: u64) {
        self.source(place).dropped += 1;
        self.report.dropped += count;
    }

    /// Takes note that the source ends in good order here, unless more events follow.
    pub fn closed(&mut self, place: Place) {
        self.source(place).closed = true;
    }

    /// Ends the check with the rules that only hold for the whole.
    ///
    /// # Errors
    ///
    /// The first rule broken.
    pub fn finish(mut self) -> Result<Report, Box<Violation>> {
        let complete: Vec<bool> = self
            .last
            .iter()
            .map(|last| {
                let source = self.sources[last.source as usize];
                source.closed && source.dropped == 0
            })
            .collect();
        let run = Run {
            options: &self.options,
            processes: &self.processes,
            complete: &complete,
        };
        let lifted = &self.options.lifted;
        unless_lifted(lifted, self.messages.finish(&run, &mut self.report))?;
        unless_lifted(lifted, self.bank.finish(&run, &mut self.report))?;
        unless_lifted(lifted, self.multicast.finish(&run, &mut self.report))?;
        self.report.processes = self.processes.len();
        self.report.unfinished = self.sources.iter().filter(|source| !source.closed).count();
        Ok(self.report)
    }

    fn source(&mut self, place: Place) -> &mut Source {
        let index = place.source() as usize;
        if self.sources.len() <= index {
            self.sources.resize(index + 1, Source::default());
        }
        &mut self.sources[index]
    }
}

/// A process's times grow: they never fall and never repeat.
fn own_order(last: &mut Vec<Last>, seen: &Seen<'_>) -> Result<(), Box<Violation>> {
    let now = Last {
        time: seen.event.lamport,
        place: seen.place,
        source: seen.place.source(),
    };
    let Some(last) = last.get_mut(seen.process as usize) else {
        last.push(now);
        return Ok(());
    };
    let before = *last;
    if begins_anew(seen.event, before.time) {
        return Ok(());
    }
    (last.time, last.place) = (now.time, now.place);
    if now.time > before.time {
        return Ok(());
    }
    let how = if now.time == before.time {
        "repeats"
    } else {
        "falls"
    };
    Err(Violation::new(
        Rule::TimesGrow,
        format!(
            "the time of {} {how}: {} after {}",
            seen.event.process, now.time, before.time
        ),
        [
            (before.place, format!("its event before, at {}", before.time)),
            (now.place, seen.describe()),
        ],
    ))
}

/// Whether a member of a group says that it was started again, with its clock where it was or without one. Its clock has not
/// moved, so this is no event among the others.
fn begins_anew(event: &TraceEvent<'_>, time_before: u64) -> bool {
    let stands_still = event.lamport == 0 || event.lamport == time_before;
    let starts = event.service == Service::Multicast && event.kind == Kind::Local;
    stands_still && starts && event.fact(ORDER).is_some()
}

fn unless_lifted(lifted: &[Rule], outcome: Result<(), Box<Violation>>) -> Result<(), Box<Violation>> {
    outcome.or_else(|violation| {
        if lifted.contains(&violation.rule) {
            Ok(())
        } else {
            Err(violation)
        }
    })
}

/// What the rules for a whole run look at.
struct Run<'c> {
    options: &'c Options,
    processes: &'c Names,
    /// By process: its trace lacks nothing that it recorded.
    complete: &'c [bool],
}

impl Seen<'_> {
    /// The event in a few words, for a violation.
    fn describe(&self) -> String {
        let TraceEvent {
            process,
            lamport,
            kind,
            label,
            ..
        } = self.event;
        format!("{process} at {lamport}, {} {label}", kind.as_str())
    }

    /// The violation of a service that left out what its rules need.
    fn lacks(&self, fact: &str) -> Box<Violation> {
        Violation::new(
            Rule::FactsAreWhole,
            format!(
                "the event lacks the fact {fact:?}, or it is no {}",
                if fact == "room" { "text" } else { "number" }
            ),
            [(self.place, self.describe())],
        )
    }
}

#[cfg(test)]
mod tests;
