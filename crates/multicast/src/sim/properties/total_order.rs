//! Total order (Lamport 1978, section "Ordering the Events Totally"; Hadzilacos and Toueg 1994, section 3.4): everybody
//! delivers in the order of `(time, process)`, and the sequences of two processes that began at the beginning, kept their
//! state and missed nothing are prefixes of one another. A process that dies without its state may have delivered as its last
//! what dies with it: the order is not uniform.

use crate::core::Order;
use crate::core::frame::MessageId;
use crate::sim::history::{Event, History};

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    if history.order != Order::Total {
        return Ok(());
    }
    for chain in &history.chains {
        let mut last = (0, 0);
        for (time, event) in &chain.events {
            let Event::Delivered { id, stamp, .. } = event else {
                continue;
            };
            let this = (*stamp, id.stream.origin.index());
            if this <= last {
                return Err(format!(
                    "at {time} {:?} delivered {id:?} with {this:?} after {last:?}",
                    chain.member
                ));
            }
            last = this;
        }
    }
    let whole: Vec<(_, Vec<&MessageId>)> = history
        .chains
        .iter()
        .filter(|chain| {
            chain.first
                && chain.last
                && !chain
                    .events
                    .iter()
                    .any(|(_, e)| matches!(e, Event::Missed { .. }))
        })
        .map(|chain| (chain.member, chain.delivered().collect()))
        .collect();
    for (a, one) in &whole {
        for (b, other) in &whole {
            let common = one.len().min(other.len());
            if let Some(at) = (0..common).find(|&at| one[at] != other[at]) {
                return Err(format!(
                    "delivery {at} is {:?} at {a:?} and {:?} at {b:?}",
                    one[at], other[at]
                ));
            }
        }
    }
    Ok(())
}
