//! What happened in a run, as an observer outside the group saw it.

use std::collections::BTreeMap;

use crate::core::Order;
use crate::core::frame::{MessageId, StreamId};
use crate::members::Member;

/// One event of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Sent {
        id: MessageId,
        stamp: u64,
        data: u64,
    },
    Delivered {
        id: MessageId,
        stamp: u64,
        received: u64,
        /// An event of its own, apart from the receive or the send.
        later: bool,
        data: u64,
    },
    Missed {
        stream: StreamId,
        from: u64,
        to: u64,
        /// Nothing where a former life was told it already.
        time: Option<u64>,
    },
}

/// The lives of one peer that share their state: a crash with state goes on in the same chain, a crash without begins a new
/// one.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) member: Member,
    /// The member's first chain: nothing lies before it.
    pub(super) first: bool,
    /// Still running at the end.
    pub(super) last: bool,
    pub(super) events: Vec<(u64, Event)>,
}

impl Chain {
    pub(super) fn delivered(&self) -> impl Iterator<Item = &MessageId> {
        self.events.iter().filter_map(|(_, event)| match event {
            Event::Delivered { id, .. } => Some(id),
            _ => None,
        })
    }

    pub(super) fn missed(&self, wanted: &MessageId) -> bool {
        self.events.iter().any(|(_, event)| match event {
            Event::Missed { stream, from, to, .. } => {
                *stream == wanted.stream && (*from..=*to).contains(&wanted.sequence)
            }
            _ => false,
        })
    }
}

/// A whole run.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) order: Order,
    pub(super) members: usize,
    pub(super) chains: Vec<Chain>,
    /// The most messages any peer kept, and what its bound was.
    pub(super) retained_max: u64,
    pub(super) retained_bound: u64,
    /// What each peer still kept at the end, and how many streams it had open.
    pub(super) left: Vec<(u64, usize)>,
    /// The first number that meant two deliveries, or was left out.
    pub(super) misnumbered: Option<String>,
}

impl History {
    /// Whether `member` delivered the message in any of its lives, or was told that it missed it.
    pub(super) fn reached(&self, member: Member, id: &MessageId) -> bool {
        self.chains
            .iter()
            .filter(|chain| chain.member == member)
            .any(|chain| chain.delivered().any(|delivered| delivered == id) || chain.missed(id))
    }

    /// Whether the message died: its sender lost its state, and so did everybody who had delivered it.
    pub(super) fn died(&self, id: &MessageId) -> bool {
        self.chains.iter().all(|chain| {
            let sent = chain
                .events
                .iter()
                .any(|(_, event)| matches!(event, Event::Sent { id: sent, .. } if sent == id));
            !chain.last || !(sent || chain.delivered().any(|delivered| delivered == id))
        })
    }

    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        (0..self.members).map(Member::new)
    }

    /// Every message sent: its stamp, its content, the chain that sent it and its place there.
    pub(super) fn sent(&self) -> BTreeMap<MessageId, (u64, u64, usize, usize)> {
        let mut sent = BTreeMap::new();
        for (number, chain) in self.chains.iter().enumerate() {
            for (place, (_, event)) in chain.events.iter().enumerate() {
                if let Event::Sent { id, stamp, data } = event {
                    sent.insert(*id, (*stamp, *data, number, place));
                }
            }
        }
        sent
    }
}
