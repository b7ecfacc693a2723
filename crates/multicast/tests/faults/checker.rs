//! What a group must have done, checked from outside: from what each member said it sent and delivered.
//!
//! The checker knows nothing of the group's own books. It takes one [`View`] per member, over all lives of the member, and
//! names the first rule that is broken, after V. Hadzilacos and S. Toueg, *A Modular Approach to Fault-Tolerant
//! Broadcasts and Related Problems*, 1994: integrity, agreement, validity, FIFO, causal and total order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// What a member said, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
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
    if order >= Order::Causal {
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
            Said::Sent(..) => None,
        })
    }

    pub(crate) fn sent(&self) -> impl Iterator<Item = (&MessageName, &str)> {
        self.said.iter().filter_map(|said| match said {
            Said::Sent(message, data) => Some((message, data.as_str())),
            Said::Delivered(..) => None,
        })
    }
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
        for (message, data) in view.delivered() {
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

fn agreement(views: &[View]) -> Result<(), Violation> {
    let all: BTreeSet<&MessageName> = views
        .iter()
        .flat_map(View::delivered)
        .map(|(message, _)| message)
        .collect();
    for view in views {
        let own: BTreeSet<&MessageName> = view.delivered().map(|(message, _)| message).collect();
        let mut lacking = all.difference(&own);
        if let Some(&message) = lacking.next() {
            return Err(Violation::Agreement {
                member: view.member.clone(),
                message: message.clone(),
                count: 1 + lacking.count(),
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
        for (message, _) in view.delivered() {
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
    // What every sender had delivered when it sent each message: of each life the last.
    let mut before: HashMap<&MessageName, BTreeMap<Life, u64>> = HashMap::new();
    for view in views {
        let mut had: BTreeMap<Life, u64> = BTreeMap::new();
        for said in &view.said {
            match said {
                Said::Sent(message, _) => {
                    before.insert(message, had.clone());
                }
                Said::Delivered(message, _) => {
                    had.insert(life(message), message.sequence);
                }
            }
        }
    }
    for view in views {
        let mut has: BTreeMap<Life, u64> = BTreeMap::new();
        for (message, _) in view.delivered() {
            for (life, &needed) in before.get(message).into_iter().flatten() {
                if has.get(life).copied().unwrap_or(0) < needed {
                    let lacks = MessageName {
                        origin: lamport::ProcessId::new(&life.0).expect("it was an origin"),
                        incarnation: life.1,
                        sequence: needed,
                    };
                    return Err(Violation::Causal {
                        member: view.member.clone(),
                        message: message.clone(),
                        lacks,
                    });
                }
            }
            has.insert(life(message), message.sequence);
        }
    }
    Ok(())
}

fn total(views: &[View]) -> Result<(), Violation> {
    let Some((first, others)) = views.split_first() else {
        return Ok(());
    };
    for view in others {
        for ((message, _), (reference, _)) in view.delivered().zip(first.delivered()) {
            if message != reference {
                return Err(Violation::Total {
                    member: view.member.clone(),
                    other: first.member.clone(),
                    message: message.clone(),
                });
            }
        }
    }
    Ok(())
}
