//! FIFO order (Hadzilacos and Toueg 1994, section 3.2): if a process broadcasts a message before another, nobody delivers the
//! second without having delivered the first. Holds for every order but `none`. Incarnations that share their state are one
//! process.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::Order;
use crate::sim::history::{Event, History};

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    if history.order == Order::None {
        return Ok(());
    }
    let sent = history.sent();
    // The messages of each sending chain in the order they were sent.
    let mut sequences: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for (id, (_, _, chain, place)) in &sent {
        sequences.entry(*chain).or_default().push((*place, *id));
    }
    for sequence in sequences.values_mut() {
        sequence.sort_unstable();
    }
    for chain in &history.chains {
        let mut delivered = BTreeSet::new();
        let mut furthest: BTreeMap<(usize, u64), usize> = BTreeMap::new();
        let misses = chain
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Missed { .. }));
        for (time, event) in &chain.events {
            let Event::Delivered { id, .. } = event else {
                continue;
            };
            let Some(&(_, _, sender, place)) = sent.get(id) else {
                continue;
            };
            // What went before in a former incarnation is told by the first message of the next: if that is missed, so is it.
            let key = if misses {
                (sender, id.stream.incarnation)
            } else {
                (sender, 0)
            };
            if furthest.insert(key, place).is_some_and(|before| before > place) {
                return Err(format!(
                    "at {time} {:?} delivered {id:?} after a later one",
                    chain.member
                ));
            }
            delivered.insert(*id);
            if chain.first && !misses {
                let before = sequences[&sender].iter().take_while(|(at, _)| *at < place);
                if let Some((_, lacking)) = before
                    .into_iter()
                    .find(|(_, id)| !delivered.contains(id) && !chain.missed(id) && !history.died(id))
                {
                    return Err(format!(
                        "at {time} {:?} delivered {id:?} without {lacking:?}",
                        chain.member
                    ));
                }
            }
        }
    }
    Ok(())
}
