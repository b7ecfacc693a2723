//! Causal order (Birman, Schiper and Stephenson 1991, section 3): if the broadcast of a message happened before that of
//! another, nobody delivers the second without having delivered the first. Holds for `causal` and `total`.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::Order;
use crate::core::frame::MessageId;
use crate::sim::history::{Event, History};

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    if !matches!(history.order, Order::Causal | Order::Total) {
        return Ok(());
    }
    let past = past(history);
    let missed = |(_, event): &(u64, Event)| matches!(event, Event::Missed { .. });
    for chain in &history.chains {
        // What a missed message came after is unknown to who missed it, and to who lost its state and begins where that one says.
        let mut told_where = history
            .chains
            .iter()
            .filter(|other| other.member == chain.member || !chain.first);
        if told_where.any(|other| other.events.iter().any(missed)) {
            continue;
        }
        let place: BTreeMap<&MessageId, usize> = chain
            .delivered()
            .enumerate()
            .map(|(place, id)| (id, place))
            .collect();
        for (id, at) in &place {
            for before in past.get(*id).into_iter().flatten() {
                match place.get(before) {
                    Some(earlier) if earlier < at => {}
                    Some(_) => {
                        return Err(format!(
                            "{:?} delivered {id:?} before its cause {before:?}",
                            chain.member
                        ));
                    }
                    // A process without its former state begins somewhere in the past of others.
                    None if !chain.first || history.died(before) => {}
                    None => {
                        return Err(format!(
                            "{:?} delivered {id:?} without its cause {before:?}",
                            chain.member
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

/// For every message the messages whose broadcast happened before its own.
fn past(history: &History) -> BTreeMap<MessageId, BTreeSet<MessageId>> {
    // Sends in an order in which causes come first: by real time of the run.
    let mut events: Vec<(u64, usize, usize)> = Vec::new();
    for (number, chain) in history.chains.iter().enumerate() {
        events.extend(
            chain
                .events
                .iter()
                .enumerate()
                .map(|(place, (time, _))| (*time, number, place)),
        );
    }
    events.sort_unstable();
    let mut known: Vec<BTreeSet<MessageId>> = vec![BTreeSet::new(); history.chains.len()];
    let mut past: BTreeMap<MessageId, BTreeSet<MessageId>> = BTreeMap::new();
    for (_, number, place) in events {
        match &history.chains[number].events[place].1 {
            Event::Sent { id, .. } => {
                past.insert(*id, known[number].clone());
                known[number].insert(*id);
            }
            Event::Delivered { id, .. } => {
                if let Some(causes) = past.get(id) {
                    known[number].extend(causes.iter().copied());
                }
                known[number].insert(*id);
            }
            Event::Missed { .. } => {}
        }
    }
    past
}
