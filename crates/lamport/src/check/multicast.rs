//! Rules of the reliable multicast: integrity, agreement and the group's order.
//!
//! V. Hadzilacos, S. Toueg, *A Modular Approach to Fault-Tolerant Broadcasts and Related Problems*, 1994, names the
//! properties; causal order is that of K. Birman, A. Schiper, P. Stephenson, *Lightweight Causal and Atomic Group
//! Multicast*, TOCS 9(3), 1991; total order by `(time, process)` that of Lamport 1978.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::numbered::Numbered;
use super::{Names, Place, Report, Rule, Run, Seen, Violation};
use crate::process;
use crate::trace::facts::{
    ACT, BROADCAST, DELIVER, DELIVERED, INCARNATION, MISS, ORDER, ORIGIN, RESUMED, SEQUENCE, THROUGH,
};
use crate::trace::{TraceEvent, Value};

/// In which order a group delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// As messages arrive.
    None,
    /// Each origin's messages in the order it broadcast them.
    Fifo,
    /// A message after everything that can have caused it.
    Causal,
    /// By `(time, origin)`, the same everywhere.
    Total,
}

impl Order {
    /// The order that the word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "fifo" => Self::Fifo,
            "causal" => Self::Causal,
            "total" => Self::Total,
            _ => return None,
        })
    }
}

#[derive(Debug)]
pub(super) struct Multicast {
    order: Option<Order>,
    /// Origins may be processes that were not traced.
    origins: Names,
    /// Streams: what one life of an origin broadcasts.
    numbers: HashMap<(u32, u64), u32>,
    streams: Vec<Stream>,
    /// By process: what it delivered; `None` for those that are no members.
    members: Vec<Option<Member>>,
    /// The causal pasts of all broadcasts, one after the other.
    pasts: Vec<(u32, u64)>,
    /// Deliveries of messages whose broadcast was not read yet.
    early: Vec<(u32, u64, Place)>,
}

#[derive(Debug)]
struct Stream {
    origin: u32,
    incarnation: u64,
    broadcasts: Numbered<Broadcast>,
    last: Option<(u64, Place, u32)>,
    /// The largest number delivered anywhere, and where.
    delivered: Option<(u64, Place)>,
}

#[derive(Debug, Clone)]
struct Broadcast {
    time: u64,
    place: Place,
    /// In `pasts`: what the origin had delivered of other streams since its broadcast before.
    past: Range<usize>,
}

#[derive(Debug, Default)]
struct Member {
    /// By stream.
    held: Vec<Held>,
    /// Streams of which it delivered something since its last own broadcast.
    fresh: BTreeSet<u32>,
    last: Option<(u64, u32, Place)>,
    /// The epoch of its trace in which it started with nothing delivered; `None` if it started again without its
    /// memory, so that what it has from before is not known.
    began: Option<u32>,
}

/// What a member delivered, or was told it never will, of one stream.
#[derive(Debug, Default, Clone)]
struct Held {
    /// All numbers up to here.
    through: u64,
    above: BTreeSet<u64>,
    /// Beyond a number that may still come: first and last of what will not.
    missed: BTreeMap<u64, u64>,
    /// Of the numbers up to here it is not known which came: they may or may not come again.
    floor: u64,
    place: Option<Place>,
    /// The epoch in which all of this is known for sure.
    epoch: Option<u32>,
}

/// The facts of an event, read.
struct Told<'f> {
    act: &'f str,
    origin: &'f str,
    incarnation: u64,
    sequence: u64,
    through: Option<u64>,
    delivered: bool,
}

impl Multicast {
    pub(super) fn new(order: Option<Order>) -> Self {
        Self {
            order,
            origins: Names::default(),
            numbers: HashMap::new(),
            streams: Vec::new(),
            members: Vec::new(),
            pasts: Vec::new(),
            early: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, seen: &Seen<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        if let Some(word) = seen.event.fact(ORDER) {
            return self.start(seen, word);
        }
        if seen.event.fact(ACT).is_none() {
            return Ok(());
        }
        let told = Told::read(seen.event).ok_or_else(|| seen.lacks(SEQUENCE))?;
        let stream = self.stream(told.origin, told.incarnation);
        self.member(seen);
        match told.act {
            BROADCAST => {
                self.broadcast(seen, stream, &told)?;
                if told.delivered {
                    self.deliver(seen, stream, &told, report)?;
                }
                Ok(())
            }
            DELIVER => self.deliver(seen, stream, &told, report),
            MISS => {
                let through = told.through.unwrap_or(told.sequence);
                self.member(seen).held(stream).miss(told.sequence, through);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A member tells its order; a member that starts again without its memory begins anew.
    fn start(&mut self, seen: &Seen<'_>, word: &Value<'_>) -> Result<(), Box<Violation>> {
        let order = word
            .text()
            .and_then(Order::from_word)
            .ok_or_else(|| seen.lacks(ORDER))?;
        // The weakest of what the members say holds for all.
        self.order = Some(self.order.map_or(order, |known| known.min(order)));
        let known = self
            .members
            .get(seen.process as usize)
            .is_some_and(Option::is_some);
        let member = self.member(seen);
        if known && seen.event.fact(RESUMED).is_none() {
            *member = Member::default();
        }
        Ok(())
    }

    /// An origin numbers one by one, and remembers what its message may have been caused by.
    fn broadcast(&mut self, seen: &Seen<'_>, stream: u32, told: &Told<'_>) -> Result<(), Box<Violation>> {
        let now = (told.sequence, seen.place, seen.epoch);
        let last = self.streams[stream as usize].last.replace(now);
        self.remember(seen, stream, told.sequence);
        if let Some((before, place, epoch)) = last
            && told.sequence != before + 1
            && (epoch == seen.epoch || told.sequence <= before)
        {
            return Err(Violation::new(
                Rule::CastNumbered,
                format!("{} numbers {} after {before}", told.origin, told.sequence),
                [(place, format!("number {before}")), (seen.place, seen.describe())],
            ));
        }
        Ok(())
    }

    fn remember(&mut self, seen: &Seen<'_>, stream: u32, sequence: u64) {
        let start = self.pasts.len();
        if self.order >= Some(Order::Causal) {
            let member = self.members[seen.process as usize]
                .as_mut()
                .expect("made a member before");
            for other in std::mem::take(&mut member.fresh) {
                if other != stream {
                    self.pasts.push((other, member.held[other as usize].through));
                }
            }
        }
        let broadcast = Broadcast {
            time: seen.event.lamport,
            place: seen.place,
            past: start..self.pasts.len(),
        };
        // A number used twice keeps its first message; the second has broken a rule already.
        let _ = self.streams[stream as usize]
            .broadcasts
            .insert(sequence, broadcast);
    }

    fn deliver(
        &mut self,
        seen: &Seen<'_>,
        stream: u32,
        told: &Told<'_>,
        report: &mut Report,
    ) -> Result<(), Box<Violation>> {
        report.deliveries += 1;
        let here = || (seen.place, seen.describe());
        let message = || format!("{} number {}", told.origin, told.sequence);
        let member = self.members[seen.process as usize]
            .as_mut()
            .expect("made a member before");
        member.fresh.insert(stream);
        let held = member.held(stream);
        let (through, before) = (held.through, held.place.replace(seen.place));
        if held.epoch != Some(seen.epoch) {
            held.resume_at(told.sequence);
            held.epoch = Some(seen.epoch);
        }
        if !held.take(told.sequence) {
            return Err(Violation::new(
                Rule::CastOnce,
                format!("{} delivers {} twice", seen.event.process, message()),
                [
                    (
                        before.unwrap_or(seen.place),
                        "the delivery of that origin before".to_owned(),
                    ),
                    here(),
                ],
            ));
        }
        let skipped = held.through < told.sequence;
        let whole = &mut self.streams[stream as usize];
        if whole.delivered.is_none_or(|(number, _)| number < told.sequence) {
            whole.delivered = Some((told.sequence, seen.place));
        }
        if skipped && self.order >= Some(Order::Fifo) {
            let says = format!(
                "{} delivers {} before number {}",
                seen.event.process,
                message(),
                through + 1
            );
            return Err(match self.streams[stream as usize].broadcasts.get(through + 1) {
                Some(missing) => Violation::new(
                    Rule::CastFifo,
                    says,
                    [
                        (
                            missing.place,
                            format!("{} broadcasts number {}", told.origin, through + 1),
                        ),
                        here(),
                    ],
                ),
                None => Violation::new(Rule::CastFifo, says, [here()]),
            });
        }
        let Some(broadcast) = self.streams[stream as usize]
            .broadcasts
            .get(told.sequence)
            .cloned()
        else {
            self.early.push((stream, told.sequence, seen.place));
            return Ok(());
        };
        if self.order >= Some(Order::Causal) {
            self.causal(seen, told, &broadcast)?;
        }
        if self.order == Some(Order::Total) {
            self.total(seen, told, &broadcast)?;
        }
        Ok(())
    }

    /// All that the origin had delivered before this broadcast is delivered here too. What it had delivered before its
    /// earlier broadcasts was checked with those.
    fn causal(&self, seen: &Seen<'_>, told: &Told<'_>, broadcast: &Broadcast) -> Result<(), Box<Violation>> {
        let member = self.members[seen.process as usize]
            .as_ref()
            .expect("made a member before");
        for &(cause, through) in &self.pasts[broadcast.past.clone()] {
            let known = member.held.get(cause as usize);
            let (held, epoch) = known.map_or((0, member.began), |held| (held.through, held.epoch));
            if held >= through || epoch != Some(seen.epoch) {
                continue;
            }
            let stream = &self.streams[cause as usize];
            let origin = self.origins.text(stream.origin);
            let says = format!(
                "{} delivers {} number {}, whose origin had delivered {origin} number {} before",
                seen.event.process,
                told.origin,
                told.sequence,
                held + 1
            );
            let effect = (
                broadcast.place,
                format!("{} broadcasts number {}", told.origin, told.sequence),
            );
            let here = (seen.place, seen.describe());
            return Err(match stream.broadcasts.get(held + 1) {
                Some(cause) => Violation::new(
                    Rule::CastCausal,
                    says,
                    [
                        (cause.place, format!("{origin} broadcasts number {}", held + 1)),
                        effect,
                        here,
                    ],
                ),
                None => Violation::new(Rule::CastCausal, says, [effect, here]),
            });
        }
        Ok(())
    }

    /// Deliveries go up in (time, origin); where all do, all deliver in one order.
    fn total(
        &mut self,
        seen: &Seen<'_>,
        told: &Told<'_>,
        broadcast: &Broadcast,
    ) -> Result<(), Box<Violation>> {
        let origin = self.origins.find(told.origin).expect("numbered with its stream");
        let origins = &self.origins;
        let member = self.members[seen.process as usize]
            .as_mut()
            .expect("made a member before");
        let last = member.last.replace((broadcast.time, origin, seen.place));
        let Some((time, other, place)) = last else {
            return Ok(());
        };
        let order =
            (time.cmp(&broadcast.time)).then_with(|| process::order(origins.text(other), told.origin));
        if order.is_lt() {
            return Ok(());
        }
        Err(Violation::new(
            Rule::CastTotal,
            format!(
                "{} delivers ({}, {}) after ({time}, {})",
                seen.event.process,
                broadcast.time,
                told.origin,
                origins.text(other)
            ),
            [
                (
                    place,
                    format!("the delivery of {time} from {}", origins.text(other)),
                ),
                (
                    broadcast.place,
                    format!("the broadcast at {} of {}", broadcast.time, told.origin),
                ),
                (seen.place, seen.describe()),
            ],
        ))
    }

    pub(super) fn finish(&self, run: &Run<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        self.all_were_broadcast(run, report)?;
        for (process, member) in self.members.iter().enumerate() {
            let Some(member) = member else { continue };
            self.agrees(run, report, process, member)?;
        }
        Ok(())
    }

    fn all_were_broadcast(&self, run: &Run<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        for &(number, sequence, place) in &self.early {
            let stream = &self.streams[number as usize];
            if stream.broadcasts.get(sequence).is_some() {
                if self.order >= Some(Order::Causal) {
                    report.unproved("order of deliveries that stand before their broadcast: give each process's file by itself");
                }
                continue;
            }
            let origin = self.origins.text(stream.origin);
            let complete = run
                .processes
                .find(origin)
                .map(|process| run.complete[process as usize]);
            if complete == Some(true) || run.options.complete {
                return Err(Violation::new(
                    Rule::CastBroadcast,
                    format!(
                        "{origin} never broadcast number {sequence} of its life {}",
                        stream.incarnation
                    ),
                    [(place, "its delivery".to_owned())],
                ));
            }
            report.unproved("deliveries whose origin was not traced to its end");
        }
        Ok(())
    }

    /// What anybody delivered this member delivered too, unless it may still have been on its way.
    fn agrees(
        &self,
        run: &Run<'_>,
        report: &mut Report,
        process: usize,
        member: &Member,
    ) -> Result<(), Box<Violation>> {
        for (number, stream) in self.streams.iter().enumerate() {
            let Some((largest, elsewhere)) = stream.delivered else {
                continue;
            };
            let none = Held::default();
            let held = member.held.get(number).unwrap_or(&none);
            if held.through >= largest {
                continue;
            }
            let excused = !run.complete[process] || member.began.is_none();
            if excused || !run.options.settled {
                report.unproved(if excused {
                    "agreement with members whose trace is incomplete"
                } else {
                    "agreement on last messages that may have been on their way"
                });
                continue;
            }
            let name = run
                .processes
                .text(u32::try_from(process).expect("processes are numbered in 32 bits"));
            let origin = self.origins.text(stream.origin);
            let missing = held.through + 1;
            let says = format!(
                "{name} never delivers {origin} number {missing}, which another member got or passed"
            );
            let delivered = (elsewhere, format!("the delivery of {origin} number {largest}"));
            return Err(match stream.broadcasts.get(missing) {
                Some(broadcast) => Violation::new(
                    Rule::CastAgreed,
                    says,
                    [
                        (broadcast.place, format!("{origin} broadcasts number {missing}")),
                        delivered,
                    ],
                ),
                None => Violation::new(Rule::CastAgreed, says, [delivered]),
            });
        }
        Ok(())
    }

    fn stream(&mut self, origin: &str, incarnation: u64) -> u32 {
        let origin = self.origins.number(origin);
        let next = u32::try_from(self.streams.len()).expect("fewer streams than bytes of memory");
        let number = *self.numbers.entry((origin, incarnation)).or_insert(next);
        if number == next {
            self.streams.push(Stream {
                origin,
                incarnation,
                broadcasts: Numbered::default(),
                last: None,
                delivered: None,
            });
        }
        number
    }

    fn member(&mut self, seen: &Seen<'_>) -> &mut Member {
        let index = seen.process as usize;
        if self.members.len() <= index {
            self.members.resize_with(index + 1, || None);
        }
        self.members[index].get_or_insert_with(|| Member {
            began: Some(seen.epoch),
            ..Member::default()
        })
    }
}

impl Member {
    fn held(&mut self, stream: u32) -> &mut Held {
        let index = stream as usize;
        if self.held.len() <= index {
            self.held.resize(
                index + 1,
                Held {
                    epoch: self.began,
                    ..Held::default()
                },
            );
        }
        &mut self.held[index]
    }
}

impl Held {
    /// Takes a number; false if it was there.
    fn take(&mut self, number: u64) -> bool {
        if number <= self.floor {
            return true;
        }
        if number <= self.through || !self.above.insert(number) {
            return false;
        }
        self.close();
        true
    }

    /// What came just before this number is not known.
    fn resume_at(&mut self, number: u64) {
        if number > self.through + 1 {
            self.floor = number - 1;
            self.through = number - 1;
            self.above = self.above.split_off(&number);
            self.close();
        }
    }

    /// The numbers from `first` through `last` will never come.
    fn miss(&mut self, first: u64, last: u64) {
        let end = self.missed.entry(first).or_insert(last);
        *end = last.max(*end);
        self.close();
    }

    fn close(&mut self) {
        loop {
            if let Some(missed) = self.missed.first_entry()
                && *missed.key() <= self.through + 1
            {
                self.through = self.through.max(missed.remove());
                self.above = self.above.split_off(&(self.through + 1));
            } else if self.above.remove(&(self.through + 1)) {
                self.through += 1;
            } else {
                return;
            }
        }
    }
}

impl<'f> Told<'f> {
    fn read(event: &'f TraceEvent<'_>) -> Option<Self> {
        let mut told = Self {
            act: "",
            origin: "",
            incarnation: 0,
            sequence: 0,
            through: None,
            delivered: false,
        };
        for (key, value) in &event.facts {
            match (&**key, value) {
                (ACT, Value::Text(act)) => told.act = act,
                (ORIGIN, Value::Text(origin)) => told.origin = origin,
                (INCARNATION, Value::Integer(number)) => told.incarnation = u64::try_from(*number).ok()?,
                (SEQUENCE, Value::Integer(number)) => told.sequence = u64::try_from(*number).ok()?,
                (THROUGH, Value::Integer(number)) => told.through = u64::try_from(*number).ok(),
                (DELIVERED, _) => told.delivered = true,
                _ => {}
            }
        }
        (!told.origin.is_empty() && told.sequence > 0).then_some(told)
    }
}
