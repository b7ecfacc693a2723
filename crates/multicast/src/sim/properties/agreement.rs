//! Agreement (Hadzilacos and Toueg 1994, section 3.1): if a correct process delivers a message, all correct processes
//! deliver it; here after healing, within the time the run allows. A member that was away beyond the retention bound is
//! told what it missed instead.

use crate::core::frame::MessageId;
use crate::sim::history::{Event, History};

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    for chain in history.chains.iter().filter(|chain| chain.last) {
        for (time, event) in &chain.events {
            let Event::Delivered { id, .. } = event else {
                continue;
            };
            if let Some(member) = history.members().find(|&member| !history.reached(member, id)) {
                return Err(format!(
                    "{:?} delivered {id:?} at {time} and {member:?} never did",
                    chain.member
                ));
            }
        }
    }
    // With unlimited retention nothing may be told as missed, unless the message died with those who had it: telling is no way out.
    if history.retained_bound > 1000 {
        for chain in &history.chains {
            for (time, event) in &chain.events {
                let Event::Missed { stream, from, to, .. } = event else {
                    continue;
                };
                let survived = |sequence| {
                    let id = MessageId {
                        stream: *stream,
                        sequence,
                    };
                    // What its former self had is no loss.
                    let had = history.chains.iter().filter(|other| other.member == chain.member);
                    if had
                        .into_iter()
                        .any(|other| other.delivered().any(|delivered| *delivered == id))
                    {
                        return false;
                    }
                    history
                        .chains
                        .iter()
                        .any(|other| other.last && other.delivered().any(|delivered| *delivered == id))
                };
                if (*from..=*to).any(survived) {
                    return Err(format!(
                        "at {time} {:?} was told {event:?} and others have it",
                        chain.member
                    ));
                }
            }
        }
    }
    Ok(())
}
