//! The order of deliveries: FIFO per origin, causal, total.
//!
//! Causal order is that of K. Birman, A. Schiper, P. Stephenson, *Lightweight Causal and Atomic Group Multicast*, TOCS
//! 9(3), 1991; total order by `(time, process)` that of Lamport 1978.

use super::{Broadcast, Multicast, Told};
use crate::check::{Rule, Seen, Violation};
use crate::process;

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

impl Multicast {
    /// A member delivers a message although it lacks the origin's message `missing`.
    pub(super) fn out_of_fifo(
        &self,
        seen: &Seen<'_>,
        stream: u32,
        told: &Told<'_>,
        missing: u64,
    ) -> Box<Violation> {
        let says = format!(
            "{} delivers {} number {} before number {missing}",
            seen.event.process, told.origin, told.sequence
        );
        let here = (seen.place, seen.describe());
        match self.streams[stream as usize].broadcasts.get(missing) {
            Some(broadcast) => {
                let sent = format!("{} broadcasts number {missing}", told.origin);
                Violation::new(Rule::CastFifo, says, [(broadcast.place, sent), here])
            }
            None => Violation::new(Rule::CastFifo, says, [here]),
        }
    }

    /// All that the origin had delivered before this broadcast is delivered here too. What it had delivered before its
    /// earlier broadcasts was checked with those.
    pub(super) fn causal(
        &self,
        seen: &Seen<'_>,
        told: &Told<'_>,
        broadcast: &Broadcast,
    ) -> Result<(), Box<Violation>> {
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
    pub(super) fn total(
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
}
