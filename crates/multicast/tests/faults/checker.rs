//! What a group must have done, checked from outside: from what each member said it sent and delivered.
//!
//! The checker knows nothing of the group's own books. It takes one [`View`] per member, over all lives of the member, and
//! names the first rule that is broken, after V. Hadzilacos and S. Toueg, *A Modular Approach to Fault-Tolerant
//! Broadcasts and Related Problems*, 1994: integrity, agreement, validity, FIFO, causal and total order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use multicast::client::MessageName;

/// The order a group was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    None,
    Fifo,
    Causal,
    Total,
}

impl Order {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fifo => "fifo",
            Self::Causal => "causal",
            Self::Total => "total",
        }
    }
}

/// What a member said, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A new life begins without the state of the former: it may deliver again what that one had delivered.
    Forgot,
    Sent(MessageName, String),
    Delivered(MessageName, String),
}

/// One member, over all its lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) member: String,
    pub(crate) said: Vec<Said>,
}

/// The first rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Delivered twice.
    IntegrityTwice { member: String, message: MessageName },
    /// Delivered with other data than it was sent with, or never sent.
    IntegrityInvented {
        member: String,
        message: MessageName,
        data: String,
    },
    /// Delivered at one member and not at another.
    Agreement {
        member: String,
        message: MessageName,
        count: usize,
    },
    /// Sent, and not delivered at its own sender.
    Validity { message: MessageName },
    /// After a later one of the same sender.
    Fifo {
        member: String,
        message: MessageName,
        after: u64,
    },
    /// Before one that its sender had delivered when it sent it.
    Causal {
        member: String,
        message: MessageName,
        lacks: MessageName,
    },
    /// Two members in different orders.
    Total {
        member: String,
        other: String,
        message: MessageName,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IntegrityTwice { member, message } => {
                write!(f, "integrity: {member} delivered {message} twice")
            }
            Self::IntegrityInvented {
                member,
                message,
                data,
            } => {
                write!(
                    f,
                    "integrity: {member} delivered {message} as {data:?}, which nobody sent"
                )
            }
            Self::Agreement {
                member,
                message,
                count,
            } => {
                write!(
                    f,
                    "agreement: {member} lacks {count} messages that others delivered, first {message}"
                )
            }
            Self::Validity { message } => write!(f, "validity: {message} was sent and not delivered"),
            Self::Fifo {
                member,
                message,
                after,
            } => {
                write!(
                    f,
                    "FIFO order: {member} delivered {message} after number {after} of the same life"
                )
            }
            Self::Causal {
                member,
                message,
                lacks,
            } => {
                write!(
                    f,
                    "causal order: {member} delivered {message} before {lacks}, which its sender had"
                )
            }
            Self::Total {
                member,
                other,
                message,
            } => {
                write!(
                    f,
                    "total order: {member} delivered {message} in another order than {other}"
                )
            }
        }
    }
}

/// A sender in one of its lives.
type Life = (String, u64);

fn life(message: &MessageName) -> Life {
    (message.origin.to_string(), message.incarnation)
}

/// What may be missing at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing: everything healed, and everybody kept its state.
    Whole,
    /// What was sent by a life that was killed before anybody else had it.
    LostWithItsSender,
}

/// Checks a run that was left to settle.
///
/// # Errors
///
/// The first violation.
pub(crate) fn check(order: Order, views: &[View], end: End) -> Result<(), Violation> {
    integrity(views)?;
    agreement(views)?;
    if end == End::Whole {
        validity(views)?;
    }
    if order >= Order::Fifo {
        fifo(views)?;
    }
    // In total order one's own message waits like any other, so that its delivery does not show when it was sent; there
    // it is the one sequence of all that counts.
    if order == Order::Causal {
        causal(views)?;
    }
    if order == Order::Total {
        total(views)?;
    }
    Ok(())
}

impl View {
    pub(crate) fn delivered(&self) -> impl Iterator<Item = (&MessageName, &str)> {
        self.said.iter().filter_map(|said| match said {
            Said::Delivered(message, data) => Some((message, data.as_str())),
            Said::Sent(..) | Said::Forgot => None,
        })
    }

    /// Of these messages those that a life may have delivered just before it was killed: they lie between the last that
    /// it told of their sender and the first that the next life told.
    fn untold<'m>(&self, lacking: &[&'m MessageName]) -> BTreeSet<&'m MessageName> {
        let lives: Vec<&[Said]> = self.said.split(|said| *said == Said::Forgot).collect();
        // The first and the last that each life told of each sender.
        let told: Vec<BTreeMap<Life, (u64, u64)>> = lives.iter().map(|said| first_and_last(said)).collect();
        let present: HashSet<&MessageName> =
            lives.last().into_iter().flat_map(|said| sent_in(said)).collect();
        let mut untold = BTreeSet::new();
        for boundary in 1..lives.len() {
            let between = |message: &MessageName| {
                let of = life(message);
                let last = told[..boundary]
                    .iter()
                    .filter_map(|told| Some(told.get(&of)?.1))
                    .max();
                let next = told[boundary..]
                    .iter()
                    .filter_map(|told| Some(told.get(&of)?.0))
                    .min();
                last.unwrap_or(0) < message.sequence && message.sequence < next.unwrap_or(u64::MAX)
            };
            let here: Vec<&MessageName> = lacking
                .iter()
                .copied()
                .filter(|message| !untold.contains(message) && !present.contains(message) && between(message))
                .collect();
            if here.len() <= UNTOLD_MAX {
                untold.extend(here);
            }
        }
        untold
    }

    pub(crate) fn sent(&self) -> impl Iterator<Item = (&MessageName, &str)> {
        self.said.iter().filter_map(|said| match said {
            Said::Sent(message, data) => Some((message, data.as_str())),
            Said::Delivered(..) | Said::Forgot => None,
        })
    }
}

fn first_and_last(said: &[Said]) -> BTreeMap<Life, (u64, u64)> {
    let mut told: BTreeMap<Life, (u64, u64)> = BTreeMap::new();
    for said in said {
        if let Said::Delivered(message, _) = said {
            let sequence = message.sequence;
            let (first, last) = told.entry(life(message)).or_insert((sequence, sequence));
            *first = sequence.min(*first);
            *last = sequence.max(*last);
        }
    }
    told
}

fn sent_in(said: &[Said]) -> impl Iterator<Item = &MessageName> {
    said.iter().filter_map(|said| match said {
        Said::Sent(message, _) => Some(message),
        Said::Delivered(..) | Said::Forgot => None,
    })
}

fn integrity(views: &[View]) -> Result<(), Violation> {
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

/// Messages that a life which is killed may have delivered and not told any more: some 100 ms of the tests' load. What the
/// peer told its group that it had delivered is not given to the next life again.
const UNTOLD_MAX: usize = 100;

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

fn validity(views: &[View]) -> Result<(), Violation> {
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

fn fifo(views: &[View]) -> Result<(), Violation> {
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

fn causal(views: &[View]) -> Result<(), Violation> {
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

fn total(views: &[View]) -> Result<(), Violation> {
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
