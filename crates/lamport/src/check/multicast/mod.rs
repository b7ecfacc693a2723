//! Rules of the reliable multicast: integrity, agreement and the group's order.
//!
//! V. Hadzilacos, S. Toueg, *A Modular Approach to Fault-Tolerant Broadcasts and Related Problems*, 1994, names the
//! properties. This file takes in what members broadcast and deliver and holds integrity; [`order`] holds the order,
//! [`held`] what each member has, [`agreement`] what only the end of the run shows.

mod agreement;
mod held;
mod order;

use std::collections::HashMap;
use std::ops::Range;

use super::numbered::Numbered;
use super::{Names, Place, Report, Rule, Seen, Violation};
use crate::trace::facts::{
    ACT, BROADCAST, DELIVER, DELIVERED, INCARNATION, MISS, ORDER, ORIGIN, RESUMED, SEQUENCE, THROUGH,
};
use crate::trace::{TraceEvent, Value};
use held::Member;

pub use order::Order;

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
        report.test(Rule::FactsAreWhole);
        let stream = self.stream(told.origin, told.incarnation);
        self.member(seen);
        match told.act {
            BROADCAST => {
                report.test(Rule::CastNumbered);
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
        report.test(Rule::CastOnce);
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
        if self.order >= Some(Order::Fifo) {
            report.test(Rule::CastFifo);
            if skipped {
                return Err(self.out_of_fifo(seen, stream, told, through + 1));
            }
        }
        let Some(broadcast) = self.streams[stream as usize]
            .broadcasts
            .get(told.sequence)
            .cloned()
        else {
            self.early.push((stream, told.sequence, seen.place));
            return Ok(());
        };
        report.test(Rule::CastBroadcast);
        if self.order >= Some(Order::Causal) {
            report.test(Rule::CastCausal);
            self.causal(seen, told, &broadcast)?;
        }
        if self.order == Some(Order::Total) {
            report.test(Rule::CastTotal);
            self.total(seen, told, &broadcast)?;
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
