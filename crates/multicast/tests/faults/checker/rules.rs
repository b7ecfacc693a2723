//! Each rule, looked for in what all members said.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use multicast::client::MessageName;

use super::view::{Life, life, sent_in};
use super::{Said, View, Violation};

pub(super) fn integrity(views: &[View]) -> Result<(), Violation> {
    let sent: HashMap<&MessageName, &str> = views.iter().flat_map(View::sent).collect();
    // A sender may be killed between a send and its word of it; then the data tells who wrote it.
    let known = |message: &MessageName, data: &str| match sent.get(message) {
        Some(sent) => *sent == data,
        None => data.starts_with(&format!("{}:", message.origin)),
    };
    for view in views {
        let mut seen = BTreeSet::new();
        for said in &view.said {
            let (message, data) = match said {
                Said::Delivered(message, data) => (message, data.as_str()),
                Said::Forgot => {
                    seen.clear();
                    continue;
                }
                Said::Sent(..) => continue,
            };
            if !seen.insert(message) {
                return Err(Violation::IntegrityTwice {
                    member: view.member.clone(),
                    message: message.clone(),
                });
            }
            if !known(message, data) {
                return Err(Violation::IntegrityInvented {
                    member: view.member.clone(),
                    message: message.clone(),
                    data: data.to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// Whether every member delivered what any member did.
///
/// # Errors
///
/// The first member that lacks something.
pub(crate) fn agreement(views: &[View]) -> Result<(), Violation> {
    let all: HashSet<&MessageName> = views
        .iter()
        .flat_map(View::delivered)
        .map(|(message, _)| message)
        .collect();
    for view in views {
        let own: HashSet<&MessageName> = view.delivered().map(|(message, _)| message).collect();
        let mut lacking: Vec<&MessageName> = all.difference(&own).copied().collect();
        lacking.sort();
        if lacking.is_empty() {
            continue;
        }
        let untold = view.untold(&lacking);
        if let Some(&message) = lacking.iter().find(|message| !untold.contains(*message)) {
            return Err(Violation::Agreement {
                member: view.member.clone(),
                message: message.clone(),
                count: lacking.len() - untold.len(),
            });
        }
    }
    Ok(())
}

pub(super) fn validity(views: &[View]) -> Result<(), Violation> {
    for view in views {
        let delivered: BTreeSet<&MessageName> = view.delivered().map(|(message, _)| message).collect();
        if let Some((message, _)) = view.sent().find(|(message, _)| !delivered.contains(message)) {
            return Err(Violation::Validity {
                message: message.clone(),
            });
        }
    }
    Ok(())
}

pub(super) fn fifo(views: &[View]) -> Result<(), Violation> {
    for view in views {
        let mut last: BTreeMap<Life, u64> = BTreeMap::new();
        for said in &view.said {
            let message = match said {
                Said::Delivered(message, _) => message,
                Said::Forgot => {
                    last.clear();
                    continue;
                }
                Said::Sent(..) => continue,
            };
            let last = last.entry(life(message)).or_default();
            if message.sequence <= *last {
                return Err(Violation::Fifo {
                    member: view.member.clone(),
                    message: message.clone(),
                    after: *last,
                });
            }
            *last = message.sequence;
        }
    }
    Ok(())
}

pub(super) fn causal(views: &[View]) -> Result<(), Violation> {
    // What every sender had delivered when it sent each message: of each life the last. A sender delivers its own message
    // where it sends it; its word that it sent it may come later.
    let mut before: HashMap<&MessageName, BTreeMap<Life, u64>> = HashMap::new();
    for view in views {
        for said in view.said.split(|said| *said == Said::Forgot) {
            // What a life gets back of its former self's messages it did not send.
            let own: HashSet<&MessageName> = sent_in(said).collect();
            let mut had: BTreeMap<Life, u64> = BTreeMap::new();
            for said in said {
                if let Said::Delivered(message, _) = said {
                    if own.contains(message) {
                        before.entry(message).or_insert_with(|| had.clone());
                    }
                    had.insert(life(message), message.sequence);
                }
            }
        }
    }
    for view in views {
        let mut has: BTreeMap<Life, u64> = BTreeMap::new();
        // What a killed life did not tell any more is for the rule of agreement to judge.
        let told: HashSet<&MessageName> = view.delivered().map(|(message, _)| message).collect();
        for (message, _) in view.delivered() {
            for (life, &needed) in before.get(message).into_iter().flatten() {
                if has.get(life).copied().unwrap_or(0) < needed {
                    let lacks = MessageName {
                        origin: lamport::ProcessId::new(&life.0).expect("it was an origin"),
                        incarnation: life.1,
                        sequence: needed,
                    };
                    if told.contains(&lacks) {
                        return Err(Violation::Causal {
                            member: view.member.clone(),
                            message: message.clone(),
                            lacks,
                        });
                    }
                }
            }
            let has = has.entry(life(message)).or_default();
            *has = (*has).max(message.sequence);
        }
    }
    Ok(())
}

pub(super) fn total(views: &[View]) -> Result<(), Violation> {
    // What a life without its state delivers again stands where it was delivered first.
    let first_times = |view: &View| -> Vec<MessageName> {
        let mut seen = BTreeSet::new();
        let first = view
            .delivered()
            .filter(|(message, _)| seen.insert((*message).clone()));
        first.map(|(message, _)| message.clone()).collect()
    };
    let Some((first, others)) = views.split_first() else {
        return Ok(());
    };
    let reference = first_times(first);
    for view in others {
        let own = first_times(view);
        if let Some((message, _)) = own
            .iter()
            .zip(&reference)
            .find(|(own, reference)| own != reference)
        {
            return Err(Violation::Total {
                member: view.member.clone(),
                other: first.member.clone(),
                message: message.clone(),
            });
        }
    }
    Ok(())
}
