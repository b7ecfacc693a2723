//! Validity (Hadzilacos and Toueg 1994, section 3.1): if a correct process broadcasts a message, it delivers it; with
//! agreement, so does everybody. Correct here: it kept its state to the end, whether or not it crashed in between.

use crate::sim::history::{Event, History};

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    for chain in history.chains.iter().filter(|chain| chain.last) {
        for (time, event) in &chain.events {
            let Event::Sent { id, .. } = event else { continue };
            if !chain.delivered().any(|delivered| delivered == id) {
                return Err(format!(
                    "{:?} sent {id:?} at {time} and never delivered it",
                    chain.member
                ));
            }
            if let Some(member) = history.members().find(|&member| !history.reached(member, id)) {
                return Err(format!(
                    "{:?} sent {id:?} at {time} and it never reached {member:?}",
                    chain.member
                ));
            }
        }
    }
    Ok(())
}
