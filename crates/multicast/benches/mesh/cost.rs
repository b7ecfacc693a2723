//! What a broadcast costs in frames, counted on the group's core in virtual time.
//!
//! The cores of all members are stepped in one process; a frame takes a fixed time over a link. Nothing is measured in real
//! time, so the counts are the same on every machine: they are those of the protocol, not of the driver.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use multicast::Member;
use multicast::core::frame::Frame;
use multicast::core::{Input, Memory, Order, Output, Peer, Settings};

use crate::payload;

/// Time of a frame over a link, in microseconds: a local network.
const LINK_US: u64 = 100;
/// Virtual time before counting begins: links come up, members get to know each other.
const WARM_UP_US: u64 = 1_000_000;
/// Virtual time counted.
const COUNTED_US: u64 = 1_000_000;
/// Virtual time for the last messages to be delivered.
const SETTLE_US: u64 = 1_000_000;

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) members: usize,
    pub(crate) broadcasts: u64,
    pub(crate) deliveries: u64,
    pub(crate) payload_frames: u64,
    pub(crate) control_frames: u64,
}

impl Cost {
    /// Payload frames for each broadcast; n-1 is the least there can be.
    pub(crate) fn payload_per_broadcast(&self) -> f64 {
        self.payload_frames as f64 / self.broadcasts as f64
    }

    /// Control frames for each broadcast.
    pub(crate) fn control_per_broadcast(&self) -> f64 {
        self.control_frames as f64 / self.broadcasts as f64
    }

    /// Payload frames for each message delivered at a member.
    pub(crate) fn payload_per_delivery(&self) -> f64 {
        self.payload_frames as f64 / self.deliveries as f64
    }

    /// Control frames for each message delivered at a member.
    pub(crate) fn control_per_delivery(&self) -> f64 {
        self.control_frames as f64 / self.deliveries as f64
    }

    /// Whether every broadcast was delivered at every member.
    pub(crate) fn is_whole(&self) -> bool {
        self.deliveries == self.broadcasts * self.members as u64
    }
}

/// Something that happens at a member: ordered by time, then by the order of its making.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: u64,
    number: u64,
    member: usize,
}

struct Group {
    peers: Vec<Peer>,
    due: BinaryHeap<Reverse<Due>>,
    inputs: BTreeMap<u64, Input>,
    number: u64,
    now: u64,
    cost: Cost,
}

/// Counts a healthy group in which every member broadcasts so many messages a second.
pub(crate) fn count(order: Order, members: usize, per_second: u64) -> Cost {
    let cost = Cost {
        members,
        broadcasts: 0,
        deliveries: 0,
        payload_frames: 0,
        control_frames: 0,
    };
    let memory = Memory {
        incarnation: 1,
        ..Memory::default()
    };
    let peer = |me| Peer::new(Settings::new(Member::new(me), members, order), memory.clone());
    let peers = (0..members).map(peer);
    let mut group = Group {
        peers: peers.collect(),
        due: BinaryHeap::new(),
        inputs: BTreeMap::new(),
        number: 0,
        now: 0,
        cost,
    };
    for member in 0..members {
        for other in (0..members).filter(|&other| other != member) {
            group.plan(1, member, Input::LinkUp(Member::new(other)));
        }
    }
    group.run_until(WARM_UP_US);
    group.cost = cost;
    let interval = 1_000_000 / per_second;
    let payload = Bytes::copy_from_slice(&payload::blank());
    for member in 0..members {
        // Spread over the interval, as members that know nothing of each other are.
        let phase = interval * member as u64 / members as u64;
        for n in 0..COUNTED_US / interval {
            group.plan(
                WARM_UP_US + phase + n * interval,
                member,
                Input::Broadcast(payload.clone()),
            );
            group.cost.broadcasts += 1;
        }
    }
    group.run_until(WARM_UP_US + COUNTED_US);
    let counted = group.cost;
    group.run_until(WARM_UP_US + COUNTED_US + SETTLE_US);
    Cost {
        deliveries: group.cost.deliveries,
        ..counted
    }
}

impl Group {
    fn plan(&mut self, at: u64, member: usize, input: Input) {
        self.number += 1;
        self.inputs.insert(self.number, input);
        self.due.push(Reverse(Due {
            at,
            number: self.number,
            member,
        }));
    }

    fn run_until(&mut self, end: u64) {
        loop {
            let deadline = self.peers.iter().map(Peer::deadline).min().unwrap_or(u64::MAX);
            let next = self
                .due
                .peek()
                .map_or(u64::MAX, |Reverse(due)| due.at)
                .min(deadline)
                .max(self.now);
            if next > end {
                return;
            }
            self.now = next;
            let mut batch = vec![Vec::new(); self.peers.len()];
            while let Some(Reverse(due)) = self.due.peek()
                && due.at <= next
            {
                let (number, member) = (due.number, due.member);
                self.due.pop();
                batch[member].extend(self.inputs.remove(&number));
            }
            for (member, inputs) in batch.into_iter().enumerate() {
                if !inputs.is_empty() || self.peers[member].deadline() <= next {
                    self.step(member, inputs);
                }
            }
        }
    }

    fn step(&mut self, member: usize, inputs: Vec<Input>) {
        let mut outputs = Vec::new();
        for input in inputs {
            self.peers[member].step(self.now, input, &mut outputs);
        }
        let delivered = |output: &&Output| matches!(output, Output::Deliver { .. });
        let taken = Input::Taken(outputs.iter().filter(delivered).count() as u64);
        for input in [taken, Input::Tick] {
            self.peers[member].step(self.now, input, &mut outputs);
        }
        for output in outputs {
            match output {
                Output::Send(to, frame) => {
                    let payload = matches!(frame, Frame::Data(_));
                    let count = if payload {
                        &mut self.cost.payload_frames
                    } else {
                        &mut self.cost.control_frames
                    };
                    *count += to.len() as u64;
                    for receiver in to.iter() {
                        let input = Input::Frame(Member::new(member), frame.clone());
                        self.plan(self.now + LINK_US, receiver.index(), input);
                    }
                }
                Output::Deliver { .. } => self.cost.deliveries += 1,
                other => debug_assert!(!matches!(other, Output::Refused(_)), "{other:?}"),
            }
        }
    }
}
