//! The world of one run: peers, the network between them, time, and what goes wrong.
//!
//! Links break and come back, directions are cut without a word, peers crash, as the plan has it. From [`HEAL_AT`] on nothing
//! goes wrong any more, and [`CALM`] later the run ends.

mod lives;
mod storage;

use std::io::Write as _;

use bytes::Bytes;

use super::agenda::{Agenda, Step};
use super::history::{Chain, Event, History};
use super::host::{Host, Keeping, delivered};
use super::network::Network;
use super::plan::{self, HEAL_AT};
use super::{Planted, Random};
use crate::core::frame::{Frame, MessageId, StreamId};
use crate::core::{Input, Order, Output, Peer};
use crate::members::{Member, MemberSet};

/// After healing everything must have arrived within this time: the promise of five seconds.
const CALM: u64 = 5_000_000;

pub(super) struct World {
    random: Random,
    now: u64,
    order: Order,
    planted: Option<Planted>,
    keeping: Keeping,
    hosts: Vec<Host>,
    network: Network,
    agenda: Agenda,
    retain: u64,
    healed: bool,
    history: History,
    data: u64,
    outputs: Vec<Output>,
    tell: bool,
}

impl World {
    /// Plays the run of `seed`. `tell` prints it.
    pub(super) fn play(
        seed: u64,
        order: Order,
        keeping: Keeping,
        planted: Option<Planted>,
        tell: bool,
    ) -> History {
        let mut random = Random(seed);
        let members = random.one_of(&[3, 3, 3, 4, 4, 5, 7]);
        let retain = random.one_of(&[1_000_000, 1_000_000, 1_000_000, 12]);
        let network = Network::draw(members, &mut random);
        let agenda = plan::draw(members, &mut random);
        let chain = |member| Chain {
            member,
            first: true,
            last: true,
            events: vec![],
        };
        let mut world = Self {
            now: 0,
            order,
            planted,
            keeping,
            hosts: (0..members).map(Host::new).collect(),
            network,
            agenda,
            retain,
            healed: false,
            history: History {
                order,
                members,
                chains: MemberSet::all(members).iter().map(chain).collect(),
                retained_max: 0,
                retained_bound: retain,
                left: Vec::new(),
                misnumbered: None,
            },
            data: 0,
            outputs: Vec::new(),
            tell,
            random,
        };
        world.run();
        world.finish()
    }

    /// Prints a line of the story; straight to stdout, because it is asked for by hand.
    fn say(&self, line: &str) {
        let _ = writeln!(std::io::stdout(), "{:>9} {line}", self.now);
    }

    fn others(&self, than: Member) -> Vec<Member> {
        MemberSet::all(self.hosts.len()).without(than).iter().collect()
    }

    fn run(&mut self) {
        while let Some((time, step)) = self.agenda.next() {
            if time > HEAL_AT + CALM {
                return;
            }
            self.now = self.now.max(time);
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrive {
                from,
                to,
                link_number,
                frame,
            } => {
                if self.network.link_number(to, from) == Some(link_number) {
                    self.feed(to, Input::Frame(from, frame));
                }
            }
            Step::Broadcast(member) => self.broadcast(member),
            Step::Tick(member) => {
                if self.hosts[member.index()].tick_at <= self.now {
                    self.hosts[member.index()].tick_at = u64::MAX;
                    self.feed(member, Input::Tick);
                }
            }
            Step::Take(member) => self.application_takes(member),
            Step::Stored { member, incarnation } => self.stored(member, incarnation),
            Step::Crash(member) => self.crash(member),
            Step::Restart(member) => self.restart(member),
            Step::Break(a, b) => self.break_link(a, b),
            Step::Join(a, b) => self.join(a, b),
            Step::Notice { at, of, link_number } => {
                if self.network.link_number(at, of) == Some(link_number) {
                    self.network.leave(at, of);
                    self.feed(at, Input::LinkDown(of));
                }
            }
            Step::Cut(from, to) => self.network.set_cut(from, to, !self.healed),
            Step::Mend(from, to) => self.network.set_cut(from, to, false),
            Step::Heal => self.heal(),
            Step::Sample => {
                for host in &self.hosts {
                    let kept = host.peer.as_ref().map_or(0, |peer| peer.kept_for_others());
                    self.history.retained_max = self.history.retained_max.max(kept);
                }
                self.agenda.at(self.now + 50_000, Step::Sample);
            }
        }
    }

    fn broadcast(&mut self, member: Member) {
        self.data += 1;
        let data = Bytes::copy_from_slice(&self.data.to_be_bytes());
        if self.hosts[member.index()]
            .peer
            .as_ref()
            .is_some_and(Peer::accepts)
        {
            self.feed(member, Input::Broadcast(data));
        }
    }

    fn break_link(&mut self, a: Member, b: Member) {
        if self.healed {
            return;
        }
        for (at, of) in [(a, b), (b, a)] {
            if let Some(link_number) = self.network.link_number(at, of) {
                let notice = self.now + self.random.below(50_000);
                self.agenda.at(notice, Step::Notice { at, of, link_number });
            }
        }
    }

    fn join(&mut self, a: Member, b: Member) {
        if self.hosts[a.index()].peer.is_none() || self.hosts[b.index()].peer.is_none() {
            return;
        }
        if self.network.is_joined(a, b) {
            return;
        }
        let link_number = self.network.new_link_number();
        for (at, of) in [(a, b), (b, a)] {
            if self.network.enter(at, of, link_number, self.now) {
                self.feed(at, Input::LinkDown(of));
            }
        }
        for (at, of) in [(a, b), (b, a)] {
            self.feed(at, Input::LinkUp(of));
        }
    }

    fn heal(&mut self) {
        self.healed = true;
        self.network.heal();
        for index in 0..self.hosts.len() {
            self.restart(Member::new(index));
        }
        for a in MemberSet::all(self.hosts.len()).iter() {
            for b in self.others(a) {
                // Also a link that only one side knows to be broken comes back.
                self.join(a, b);
            }
        }
    }

    fn feed(&mut self, member: Member, input: Input) {
        let index = member.index();
        if self.hosts[index].peer.is_none() {
            return;
        }
        let mut out = std::mem::take(&mut self.outputs);
        let is_tick = input == Input::Tick;
        let sends = matches!(input, Input::Broadcast(_));
        if self.tell && !is_tick {
            self.say(&format!("{member:?} <- {input:?}"));
        }
        let peer = self.hosts[index].peer.as_mut().expect("checked above");
        let mut sent = None;
        let before = (peer.sequence(), peer.clock());
        if let (true, Input::Broadcast(data)) = (sends, &input) {
            sent = Some(u64::from_be_bytes(
                data[..].try_into().expect("the world's payloads are numbers"),
            ));
        }
        peer.step(self.now, input, &mut out);
        let sent = sent.filter(|_| peer.clock() != before.1).map(|data| Event::Sent {
            id: MessageId {
                stream: StreamId {
                    origin: member,
                    incarnation: peer.incarnation(),
                },
                sequence: peer.sequence(),
            },
            // Its own delivery may have ticked after it.
            stamp: before.1 + 1,
            data,
        });
        let peer = self.hosts[index].peer.as_mut().expect("checked above");
        // Most batches hold one input; some hold several before the peer may answer.
        if !is_tick && self.random.chance(70) {
            peer.step(self.now, Input::Tick, &mut out);
        }
        let due = peer.deadline().max(self.now + self.random.between(50, 1_000));
        if due < self.hosts[index].tick_at {
            self.hosts[index].tick_at = due;
            self.agenda.at(due, Step::Tick(member));
        }
        match self.keeping {
            Keeping::AllOrNothing => {
                self.events(member, sent);
                for output in out.drain(..) {
                    self.act(member, output);
                }
                self.outputs = out;
            }
            Keeping::Journal => self.commit(member, out, sent),
        }
    }

    fn events(&mut self, member: Member, events: impl IntoIterator<Item = Event>) {
        let chain = &mut self.history.chains[self.hosts[member.index()].chain];
        chain
            .events
            .extend(events.into_iter().map(|event| (self.now, event)));
    }

    fn act(&mut self, member: Member, output: Output) {
        if self.tell {
            self.say(&format!("{member:?} -> {output:?}"));
        }
        match output {
            Output::Send(to, frame) => {
                for to in to.iter() {
                    self.send(member, to, &frame);
                }
            }
            Output::Deliver { message, time, later } => {
                self.hosts[member.index()].hand(delivered(&message, time, later));
            }
            Output::Missed {
                stream,
                from,
                to,
                time,
            } => {
                let missed = Event::Missed {
                    stream,
                    from,
                    to,
                    time: Some(time),
                };
                self.hosts[member.index()].hand(missed);
            }
            Output::Keep { .. }
            | Output::Suspected(_)
            | Output::Trusted(_)
            | Output::Waiting(_)
            | Output::Refused(_) => {}
        }
    }

    fn send(&mut self, from: Member, to: Member, frame: &Frame) {
        let Some(link_number) = self.network.link_number(from, to) else {
            return;
        };
        let arrivals = self.network.arrivals(from, to, self.now, &mut self.random);
        for arrival in arrivals {
            self.agenda.at(
                arrival,
                Step::Arrive {
                    from,
                    to,
                    link_number,
                    frame: frame.clone(),
                },
            );
        }
    }

    fn finish(mut self) -> History {
        for host in &self.hosts {
            let left = host
                .peer
                .as_ref()
                .map_or((0, 0), |peer| (peer.retained().0, peer.open_streams()));
            self.history.left.push(left);
        }
        self.history
    }
}
