//! What a member said over all its lives, and what it may not have come to say.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use multicast::client::MessageName;

/// Messages that a life which is killed may have delivered and not told any more: some 100 ms of the tests' load. What the
/// peer told its group that it had delivered is not given to the next life again.
const UNTOLD_MAX: usize = 100;

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

/// A sender in one of its lives.
pub(super) type Life = (String, u64);

pub(super) fn life(message: &MessageName) -> Life {
    (message.origin.to_string(), message.incarnation)
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
    pub(super) fn untold<'m>(&self, lacking: &[&'m MessageName]) -> BTreeSet<&'m MessageName> {
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

pub(super) fn sent_in(said: &[Said]) -> impl Iterator<Item = &MessageName> {
    said.iter().filter_map(|said| match said {
        Said::Sent(message, _) => Some(message),
        Said::Delivered(..) | Said::Forgot => None,
    })
}
