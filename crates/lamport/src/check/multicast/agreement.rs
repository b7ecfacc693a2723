//! What only the end of a run shows: every delivery has its broadcast, and what one member delivers all deliver.

use super::held::{Held, Member};
use super::{Multicast, Order};
use crate::check::{Report, Rule, Run, Violation};

impl Multicast {
    pub(in crate::check) fn finish(&self, run: &Run<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
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
                report.test(Rule::CastBroadcast);
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
                report.test_often(Rule::CastAgreed, stream.broadcasts.len().max(1));
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
}
