//! Integrity (Hadzilacos and Toueg 1994, section 3.1): every process delivers a message at most once, and only if it was
//! broadcast by its sender. Here also across a crash, if the process kept its state.

use std::collections::BTreeSet;

use crate::sim::history::{Event, History};

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for chain in &history.chains {
        for (time, event) in &chain.events {
            if let Event::Sent { id, .. } = event
                && !ids.insert(*id)
            {
                return Err(format!(
                    "at {time} {:?} sent a second message as {id:?}",
                    chain.member
                ));
            }
        }
    }
    let sent = history.sent();
    for chain in &history.chains {
        let mut seen = BTreeSet::new();
        for (time, event) in &chain.events {
            let Event::Delivered { id, stamp, data, .. } = event else {
                continue;
            };
            if !seen.insert(*id) {
                return Err(format!(
                    "at {time} {:?} delivered {id:?} a second time",
                    chain.member
                ));
            }
            match sent.get(id) {
                Some((s, d, ..)) if (s, d) == (stamp, data) => {}
                Some(_) => return Err(format!("at {time} {:?} delivered {id:?} changed", chain.member)),
                None => {
                    return Err(format!(
                        "at {time} {:?} delivered {id:?}, which nobody sent",
                        chain.member
                    ));
                }
            }
        }
    }
    Ok(())
}
