//! Model checking with stateright: every interleaving of a small run of the real core, per order.
//!
//! Three peers that have found each other, two messages from two of them and a third sent by whoever saw the first, links that
//! carry frames in order, and one link that may break at any moment. Time stands still: what is checked is every order of
//! events, not what timers do; those are the simulation's.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use stateright::{Checker as _, Model, Property};

use crate::core::frame::{Frame, MessageId};
use crate::core::{Input, Memory, Order, Output, Peer, Settings};
use crate::limits::HEARTBEAT_AFTER;
use crate::members::{Member, MemberSet};

const MEMBERS: usize = 3;

struct Group {
    order: Order,
    planted: Option<super::Planted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    peers: Vec<Peer>,
    links: BTreeMap<(Member, Member), VecDeque<Frame>>,
    /// Per member: what it delivered, each with its stamp.
    delivered: Vec<Vec<(MessageId, u64)>>,
    sent: Vec<bool>,
    broken: bool,
    now: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Send(Member),
    Arrive(Member, Member),
    Break,
}

impl World {
    fn feed(&mut self, member: Member, input: Input) {
        let mut out = Vec::new();
        let peer = &mut self.peers[member.index()];
        peer.step(self.now, input, &mut out);
        let delivered = |output: &&Output| matches!(output, Output::Deliver { .. });
        let delivered = out.iter().filter(delivered).count() as u64;
        peer.step(self.now, Input::Taken(delivered), &mut out);
        peer.step(self.now, Input::Tick, &mut out);
        for output in out {
            match output {
                Output::Send(to, frame) => {
                    for to in to.iter() {
                        self.links
                            .entry((member, to))
                            .or_default()
                            .push_back(frame.clone());
                    }
                }
                Output::Deliver { message, .. } => {
                    self.delivered[member.index()].push((message.id, message.stamp));
                }
                _ => {}
            }
        }
    }

    fn settle(&mut self) {
        while let Some((from, to)) = self.links.keys().next().copied() {
            self.arrive(from, to);
        }
    }

    fn arrive(&mut self, from: Member, to: Member) {
        let queue = self.links.entry((from, to)).or_default();
        let Some(frame) = queue.pop_front() else { return };
        if queue.is_empty() {
            self.links.remove(&(from, to));
        }
        self.feed(to, Input::Frame(from, frame));
    }
}

impl Model for Group {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let memory = Memory {
            incarnation: 1,
            ..Memory::default()
        };
        let peer = |index| {
            let mut settings = Settings::new(Member::new(index), MEMBERS, self.order);
            settings.planted = self.planted;
            Peer::new(settings, memory.clone())
        };
        let mut world = World {
            peers: (0..MEMBERS).map(peer).collect(),
            links: BTreeMap::new(),
            delivered: vec![Vec::new(); MEMBERS],
            sent: vec![false; MEMBERS],
            broken: false,
            now: 0,
        };
        for a in MemberSet::all(MEMBERS).iter() {
            for b in MemberSet::all(MEMBERS).without(a).iter() {
                world.feed(a, Input::LinkUp(b));
            }
        }
        world.settle();
        // One more round of heart-beats, so that everybody knows that everybody has found its place; then time stands still.
        for member in MemberSet::all(MEMBERS).iter() {
            world.now = HEARTBEAT_AFTER;
            world.feed(member, Input::Tick);
        }
        world.settle();
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for member in MemberSet::all(MEMBERS).iter() {
            // The third sends only after it has delivered something: its message has a cause.
            let may = member.index() < 2 || !world.delivered[2].is_empty();
            if !world.sent[member.index()] && may && world.peers[member.index()].accepts() {
                actions.push(Action::Send(member));
            }
        }
        actions.extend(world.links.keys().map(|&(from, to)| Action::Arrive(from, to)));
        if !world.broken {
            actions.push(Action::Break);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        match action {
            Action::Send(member) => {
                world.sent[member.index()] = true;
                world.feed(member, Input::Broadcast(Bytes::from_static(b"x")));
            }
            Action::Arrive(from, to) => world.arrive(from, to),
            Action::Break => {
                world.broken = true;
                let (a, b) = (Member::new(0), Member::new(2));
                for (at, of) in [(a, b), (b, a)] {
                    world.links.remove(&(at, of));
                    world.feed(at, Input::LinkDown(of));
                }
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("integrity", |_: &Group, world: &World| {
                world.delivered.iter().all(|delivered| {
                    let mut ids: Vec<_> = delivered.iter().map(|(id, _)| *id).collect();
                    ids.sort_unstable();
                    ids.windows(2).all(|pair| pair[0] != pair[1])
                })
            }),
            Property::always("total order", |group: &Group, world: &World| {
                let ordered = |delivered: &Vec<(MessageId, u64)>| {
                    let key = |(id, stamp): &(MessageId, u64)| (*stamp, id.stream.origin);
                    delivered.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]))
                };
                group.order != Order::Total || world.delivered.iter().all(ordered)
            }),
            Property::always("causal order", |group: &Group, world: &World| {
                let place = |member: usize, origin: usize| {
                    world.delivered[member]
                        .iter()
                        .position(|(id, _)| id.stream.origin.index() == origin)
                };
                // What the third had delivered before it sent comes before its message everywhere.
                let Some(own) = place(2, 2) else { return true };
                let strict = matches!(group.order, Order::Causal | Order::Total);
                !strict
                    || (0..2).all(|cause| {
                        place(2, cause).is_none_or(|at| at > own)
                            || (0..2).all(|member| {
                                place(member, 2)
                                    .is_none_or(|effect| place(member, cause).is_some_and(|at| at < effect))
                            })
                    })
            }),
            Property::sometimes("everybody delivers everything", |_: &Group, world: &World| {
                world.delivered.iter().all(|delivered| delivered.len() == MEMBERS)
            }),
        ]
    }
}

/// Bound on the states explored of one order.
const STATES_MAX: usize = 200_000;

fn check(order: Order) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let group = Group { order, planted: None };
    // Depth first needs little memory; the bound only ends a model that has grown too large to be explored whole.
    let checker = group
        .checker()
        .threads(threads)
        .target_state_count(STATES_MAX)
        .spawn_dfs()
        .join();
    assert!(checker.unique_state_count() < STATES_MAX, "explored whole");
    checker.assert_properties();
}

#[test]
fn without_order() {
    check(Order::None);
}

#[test]
fn fifo_order() {
    check(Order::Fifo);
}

#[test]
fn causal_order() {
    check(Order::Causal);
}

#[test]
fn total_order() {
    check(Order::Total);
}

#[test]
fn a_delivery_before_the_acknowledgements_is_found() {
    let group = Group {
        order: Order::Total,
        planted: Some(super::Planted::DeliverBeforeAcknowledged),
    };
    let checker = group.checker().target_state_count(200_000).spawn_bfs().join();
    assert!(checker.discovery("total order").is_some());
}

#[test]
fn ignored_causes_are_found() {
    let group = Group {
        order: Order::Causal,
        planted: Some(super::Planted::IgnoreCauses),
    };
    let checker = group.checker().target_state_count(200_000).spawn_bfs().join();
    assert!(checker.discovery("causal order").is_some());
}
