//! A group in which nothing goes wrong: the stamps of a small run, what a broadcast costs, how long an idle group waits.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::core::frame::Frame;
use crate::core::{Input, Memory, Order, Output, Peer, Settings};
use crate::members::{Member, MemberSet};

/// A round of the table: how many frames of each kind were sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Cost {
    payload: u64,
    control: u64,
}

/// Peers joined by a network on which a frame takes 100 µs.
struct Group {
    peers: Vec<Peer>,
    now: u64,
    under_way: VecDeque<(u64, Member, Member, Frame)>,
    cost: Cost,
    /// Per member what was delivered: content and the time of the receive.
    delivered: Vec<Vec<(Bytes, u64, u64)>>,
}

const DELAY: u64 = 100;

impl Group {
    fn new(members: usize, order: Order) -> Self {
        let memory = Memory {
            incarnation: 1,
            ..Memory::default()
        };
        let peer = |index| Peer::new(Settings::new(Member::new(index), members, order), memory.clone());
        let mut group = Self {
            peers: (0..members).map(peer).collect(),
            now: 0,
            under_way: VecDeque::new(),
            cost: Cost::default(),
            delivered: vec![Vec::new(); members],
        };
        for a in MemberSet::all(members).iter() {
            for b in MemberSet::all(members).without(a).iter() {
                group.feed(a, Input::LinkUp(b));
            }
        }
        group.run(10_000);
        group.cost = Cost::default();
        group
    }

    fn feed(&mut self, member: Member, input: Input) {
        let mut out = Vec::new();
        self.peers[member.index()].step(self.now, input, &mut out);
        self.peers[member.index()].step(self.now, Input::Tick, &mut out);
        for output in out {
            match output {
                Output::Send(to, frame) => {
                    let sent = to.len() as u64;
                    if matches!(frame, Frame::Data(_)) {
                        self.cost.payload += sent;
                    } else {
                        self.cost.control += sent;
                    }
                    for to in to.iter() {
                        self.under_way
                            .push_back((self.now + DELAY, member, to, frame.clone()));
                    }
                }
                Output::Deliver {
                    message,
                    time: received,
                    ..
                } => {
                    self.delivered[member.index()].push((message.data, received, self.now));
                    let mut more = Vec::new();
                    self.peers[member.index()].step(self.now, Input::Taken(1), &mut more);
                    assert_eq!(more, []);
                }
                other => panic!("{member:?} in a healthy group: {other:?}"),
            }
        }
    }

    fn run(&mut self, micros: u64) {
        let end = self.now + micros;
        loop {
            let arrival = self.under_way.front().map_or(u64::MAX, |(at, ..)| *at);
            let (due, index) = (0..self.peers.len())
                .map(|i| (self.peers[i].deadline(), i))
                .min()
                .expect("a group has peers");
            if arrival.min(due) > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(arrival.min(due));
            if arrival <= due {
                let (_, from, to, frame) = self.under_way.pop_front().expect("it is the next event");
                self.feed(to, Input::Frame(from, frame));
            } else {
                self.feed(Member::new(index), Input::Tick);
            }
        }
    }

    fn send(&mut self, member: usize, data: &'static str) {
        self.feed(
            Member::new(member),
            Input::Broadcast(Bytes::from_static(data.as_bytes())),
        );
    }
}

/// By the rule P1 sends 1 and the others deliver at 2, P2 sends 3 (4, 4), P3 sends 5 (6, 6).
fn check_stamps(order: Order) {
    let mut group = Group::new(3, order);
    for (member, data) in [(0, "a"), (1, "b"), (2, "c")] {
        group.send(member, data);
        group.run(5_000);
    }
    let times: Vec<Vec<u64>> = group
        .delivered
        .iter()
        .map(|delivered| delivered.iter().map(|(_, received, _)| *received).collect())
        .collect();
    assert_eq!(times, [[1, 4, 6], [2, 3, 6], [2, 4, 5]], "{order:?}");
}

#[test]
fn the_seeds_run_has_the_stamps_of_the_rule() {
    for order in [Order::None, Order::Fifo, Order::Causal] {
        check_stamps(order);
    }
}

#[test]
fn a_healthy_broadcast_costs_one_payload_frame_per_other_member() {
    for members in [3, 5, 9, 25] {
        let mut group = Group::new(members, Order::Causal);
        let broadcasts = 200;
        for number in 0..broadcasts {
            group.send(number % members, "x");
            group.run(500);
        }
        group.run(100_000);
        let others = members as u64 - 1;
        assert_eq!(
            group.cost.payload,
            broadcasts as u64 * others,
            "{members} members"
        );
        assert!(
            group
                .delivered
                .iter()
                .all(|delivered| delivered.len() == broadcasts)
        );
        assert!(
            group
                .peers
                .iter()
                .all(|peer| peer.retained() == (0, 0) && peer.duplicates() == 0)
        );
    }
}

#[test]
fn an_idle_group_in_total_order_waits_for_one_round() {
    let mut group = Group::new(5, Order::Total);
    let mut sent_at = BTreeMap::new();
    for (number, data) in ["a", "b", "c", "d"].into_iter().enumerate() {
        group.run(300_000);
        sent_at.insert(data, group.now);
        group.send(number, data);
    }
    group.run(300_000);
    for delivered in &group.delivered {
        assert_eq!(delivered.len(), 4);
        for (data, _, at) in delivered {
            let waited = at - sent_at[std::str::from_utf8(data).unwrap()];
            assert!(
                waited <= 2 * DELAY,
                "{waited} µs for one message there and one promise back"
            );
        }
    }
}
