//! The world of one run: peers, the network between them, time, and what goes wrong.
//!
//! A link carries frames in order, as TCP does, except that single frames may be lost (up to 30 %) or come again later
//! (up to 50 %): more than TCP ever does, so that nothing rests on it. Links break and come back, directions are cut without
//! a word, peers crash. From [`HEAL_AT`] on nothing goes wrong any more, and [`CALM`] later the run ends.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::Write as _;

use bytes::Bytes;

use super::history::{Chain, Event, History};
use super::host::{Batch, Host, Keeping, delivered};
use super::{Planted, Random};
use crate::core::frame::Frame;
use crate::core::{Input, Memory, Order, Output, Peer, Settings};
use crate::members::{Member, MemberSet};

/// When everything heals, in microseconds.
const HEAL_AT: u64 = 5_000_000;

/// After healing everything must have arrived within this time: the promise of five seconds.
const CALM: u64 = 5_000_000;

enum Step {
    Arrive {
        from: Member,
        to: Member,
        session: u64,
        frame: Frame,
    },
    Broadcast(Member),
    Tick(Member),
    /// The application of a member takes a few deliveries.
    Take(Member),
    /// What a member was writing is stored.
    Stored {
        member: Member,
        incarnation: u64,
    },
    Crash(Member),
    Restart(Member),
    Break(Member, Member),
    Join(Member, Member),
    /// What the other side notices of a broken link, later.
    Notice {
        at: Member,
        of: Member,
        session: u64,
    },
    Cut(Member, Member),
    Mend(Member, Member),
    Heal,
    Sample,
}

/// One end of a link: which session it is in, if any.
#[derive(Clone, Copy, Default)]
struct End {
    session: Option<u64>,
    last_arrival: u64,
    cut: bool,
}

pub(super) struct World {
    random: Random,
    now: u64,
    order: Order,
    planted: Option<Planted>,
    keeping: Keeping,
    hosts: Vec<Host>,
    /// By (at, of): the end at `at` of the link with `of`.
    ends: BTreeMap<(Member, Member), End>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    steps: BTreeMap<u64, Step>,
    number: u64,
    sessions: u64,
    loss: u64,
    replay: u64,
    delay_max: u64,
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
        let mut world = Self {
            now: 0,
            order,
            planted,
            keeping,
            hosts: Vec::new(),
            ends: BTreeMap::new(),
            queue: BinaryHeap::new(),
            steps: BTreeMap::new(),
            number: 0,
            sessions: 0,
            loss: random.one_of(&[0, 0, 0, 5, 15, 30]),
            replay: random.one_of(&[0, 0, 5, 20, 50]),
            delay_max: random.one_of(&[100, 2_000, 50_000, 300_000]),
            retain,
            healed: false,
            history: History {
                order,
                members,
                chains: Vec::new(),
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
        for index in 0..members {
            world.history.chains.push(Chain {
                member: Member::new(index),
                first: true,
                last: true,
                events: vec![],
            });
            world.hosts.push(Host::new(index));
            for other in (0..members).filter(|&other| other != index) {
                world
                    .ends
                    .insert((Member::new(index), Member::new(other)), End::default());
            }
        }
        world.plan();
        world.run();
        world.finish()
    }

    /// Prints a line of the story; straight to stdout, because it is asked for by hand.
    fn say(&self, line: &str) {
        let _ = writeln!(std::io::stdout(), "{:>9} {line}", self.now);
    }

    /// Draws what will happen.
    fn plan(&mut self) {
        let members = self.hosts.len() as u64;
        for index in 0..members {
            // Peers start in any order; now and then one only after the others have done a lot.
            let late = if self.random.chance(10) {
                HEAL_AT / 2
            } else {
                100_000
            };
            let at = self.random.below(late);
            self.at(at, Step::Restart(Member::new(index as usize)));
        }
        for _ in 0..self.random.between(10, 90) {
            let (at, member) = (self.random.below(HEAL_AT), self.member());
            self.at(at, Step::Broadcast(member));
        }
        let stormy = self.random.chance(70);
        for _ in 0..if stormy { self.random.below(6) } else { 0 } {
            let (at, member) = (self.random.below(HEAL_AT), self.member());
            self.at(at, Step::Crash(member));
            let back = at + self.random.between(1_000, 2_000_000);
            self.at(back, Step::Restart(member));
        }
        for _ in 0..if stormy { self.random.below(10) } else { 0 } {
            let (at, from) = (self.random.below(HEAL_AT), self.member());
            let to = self.other(from);
            let end = at + self.random.between(1_000, 2_500_000);
            if self.random.chance(50) {
                self.at(at, Step::Cut(from, to));
                self.at(end, Step::Mend(from, to));
            } else {
                self.at(at, Step::Break(from, to));
                self.at(end, Step::Join(from, to));
            }
        }
        if self.random.chance(15) {
            // One member is cut off altogether.
            let (at, member) = (self.random.below(HEAL_AT / 2), self.member());
            let end = at + self.random.between(100_000, 4_000_000);
            for other in self.others(member) {
                self.at(at, Step::Break(member, other));
                self.at(end, Step::Join(member, other));
            }
        }
        self.at(HEAL_AT, Step::Heal);
        self.at(0, Step::Sample);
    }

    fn member(&mut self) -> Member {
        Member::new(self.random.below(self.hosts.len() as u64) as usize)
    }

    fn other(&mut self, than: Member) -> Member {
        let others = self.others(than);
        self.random.one_of(&others)
    }

    fn others(&self, than: Member) -> Vec<Member> {
        MemberSet::all(self.hosts.len()).without(than).iter().collect()
    }

    fn at(&mut self, time: u64, step: Step) {
        self.number += 1;
        self.queue.push(Reverse((time, self.number)));
        self.steps.insert(self.number, step);
    }

    fn run(&mut self) {
        while let Some(Reverse((time, number))) = self.queue.pop() {
            if time > HEAL_AT + CALM {
                return;
            }
            self.now = self.now.max(time);
            let step = self
                .steps
                .remove(&number)
                .expect("every queued number has its step");
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrive {
                from,
                to,
                session,
                frame,
            } => {
                if self.ends[&(to, from)].session == Some(session) {
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
            Step::Notice { at, of, session } => {
                let end = self.ends.get_mut(&(at, of)).expect("every pair has its ends");
                if end.session == Some(session) {
                    end.session = None;
                    self.feed(at, Input::LinkDown(of));
                }
            }
            Step::Cut(from, to) => self.set_cut(from, to, !self.healed),
            Step::Mend(from, to) => self.set_cut(from, to, false),
            Step::Heal => self.heal(),
            Step::Sample => {
                for host in &self.hosts {
                    let kept = host.peer.as_ref().map_or(0, |peer| peer.kept_for_others());
                    self.history.retained_max = self.history.retained_max.max(kept);
                }
                self.at(self.now + 50_000, Step::Sample);
            }
        }
    }

    fn set_cut(&mut self, from: Member, to: Member, cut: bool) {
        self.ends
            .get_mut(&(to, from))
            .expect("every pair has its ends")
            .cut = cut;
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

    fn crash(&mut self, member: Member) {
        let keeps = self.random.chance(50);
        let Some(peer) = self.hosts[member.index()].peer.take() else {
            return;
        };
        let how = match (self.keeping, keeps) {
            (Keeping::Journal, true) => "and what it was writing is stored",
            (Keeping::Journal, false) => "and what it was writing is not stored",
            (Keeping::AllOrNothing, true) => "with its state",
            (Keeping::AllOrNothing, false) => "and loses it",
        };
        if self.tell {
            self.say(&format!("{member:?} crashes {how}"));
        }
        let host = &mut self.hosts[member.index()];
        match (self.keeping, keeps) {
            (Keeping::Journal, stored) => {
                if stored {
                    // Stored, and nothing of it said any more.
                    for batch in host.stored() {
                        let sent = batch.sent.into_iter().map(|event| (self.now, event));
                        self.history.chains[host.chain].events.extend(sent);
                    }
                }
                host.crash();
            }
            (Keeping::AllOrNothing, true) => {
                host.kept = peer.save().map(|saved| Memory {
                    incarnation: 0,
                    clock: peer.clock(),
                    saved: Some(saved),
                });
            }
            (Keeping::AllOrNothing, false) => host.kept = None,
        }
        for other in self.others(member) {
            self.ends
                .get_mut(&(member, other))
                .expect("every pair has its ends")
                .session = None;
            if let Some(session) = self.ends[&(other, member)].session {
                // What was on its way may still arrive until the other side notices.
                let notice = self.now + self.random.below(100_000);
                self.at(
                    notice,
                    Step::Notice {
                        at: other,
                        of: member,
                        session,
                    },
                );
            }
        }
    }

    fn restart(&mut self, member: Member) {
        let first = self.hosts[member.index()].incarnation == 0;
        let host = &mut self.hosts[member.index()];
        if host.peer.is_some() {
            return;
        }
        let mut kept = host.kept.take();
        if self.keeping == Keeping::Journal && !first {
            kept = Some(host.memory(0, self.planted));
        }
        if kept.is_none() {
            host.forget();
        }
        if !(self.planted == Some(Planted::ForgetIncarnation) && kept.is_none() && !first) {
            host.incarnation += 1;
        }
        if kept.is_none() && !first {
            self.history.chains[host.chain].last = false;
            host.chain = self.history.chains.len();
            self.history.chains.push(Chain {
                member,
                first: false,
                last: true,
                events: vec![],
            });
        }
        let mut settings = Settings::new(member, self.history.members, self.order);
        settings.retain_messages = self.retain;
        settings.planted = self.planted;
        settings.durable = self.keeping == Keeping::Journal;
        let incarnation = host.incarnation;
        let memory = Memory {
            incarnation,
            ..kept.unwrap_or_default()
        };
        if self.tell {
            self.say(&format!("{member:?} starts as incarnation {incarnation}"));
        }
        self.hosts[member.index()].peer = Some(Peer::new(settings, memory));
        self.feed(member, Input::Tick);
        self.at(self.now + 1, Step::Take(member));
        for other in self.others(member) {
            let at = self.now + self.random.below(200_000);
            self.at(at, Step::Join(member, other));
        }
    }

    fn break_link(&mut self, a: Member, b: Member) {
        if self.healed {
            return;
        }
        for (at, of) in [(a, b), (b, a)] {
            if let Some(session) = self.ends[&(at, of)].session {
                let notice = self.now + self.random.below(50_000);
                self.at(notice, Step::Notice { at, of, session });
            }
        }
    }

    fn join(&mut self, a: Member, b: Member) {
        if self.hosts[a.index()].peer.is_none() || self.hosts[b.index()].peer.is_none() {
            return;
        }
        let of = |world: &Self, at, of| world.ends[&(at, of)].session;
        if of(self, a, b).is_some() && of(self, a, b) == of(self, b, a) {
            return;
        }
        self.sessions += 1;
        for (at, of) in [(a, b), (b, a)] {
            let end = self.ends.get_mut(&(at, of)).expect("every pair has its ends");
            let had = end.session.replace(self.sessions).is_some();
            end.last_arrival = self.now;
            if had {
                self.feed(at, Input::LinkDown(of));
            }
        }
        for (at, of) in [(a, b), (b, a)] {
            self.feed(at, Input::LinkUp(of));
        }
    }

    fn heal(&mut self) {
        self.healed = true;
        self.loss = 0;
        self.replay = 0;
        self.delay_max = self.delay_max.min(20_000);
        for end in self.ends.values_mut() {
            end.cut = false;
        }
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
            id: crate::core::frame::MessageId {
                stream: crate::core::frame::StreamId {
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
            self.at(due, Step::Tick(member));
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

    /// Stores what a batch changed, and does after that what it wants done.
    fn commit(&mut self, member: Member, mut outputs: Vec<Output>, sent: Option<Event>) {
        let host = &mut self.hosts[member.index()];
        let mut batch = Batch {
            records: host.records(&outputs),
            sent: sent.into_iter().collect(),
            told: outputs
                .iter()
                .filter(|output| matches!(output, Output::Deliver { .. } | Output::Missed { .. }))
                .count() as u64,
            outputs: Vec::new(),
        };
        let idle = host.queued.is_empty() && host.writing.is_empty();
        if self.planted == Some(Planted::ActBeforeStored) || (idle && batch.records.is_empty()) {
            self.events(member, batch.sent.drain(..));
            for output in outputs.drain(..) {
                self.act(member, output);
            }
        }
        batch.outputs = outputs;
        self.hosts[member.index()].queued.push(batch);
        if idle {
            self.write(member);
        }
    }

    /// Begins to write what waits.
    fn write(&mut self, member: Member) {
        let host = &mut self.hosts[member.index()];
        host.writing = std::mem::take(&mut host.queued);
        if host
            .writing
            .iter()
            .all(|batch| batch.records.is_empty() && batch.outputs.is_empty())
        {
            host.writing.clear();
            return;
        }
        let incarnation = host.incarnation;
        let at = self.now + self.random.between(50, 5_000);
        self.at(at, Step::Stored { member, incarnation });
    }

    fn stored(&mut self, member: Member, incarnation: u64) {
        let host = &mut self.hosts[member.index()];
        if host.incarnation != incarnation || host.peer.is_none() {
            return;
        }
        let batches = host.stored();
        let safe: u64 = batches.iter().map(|batch| batch.told).sum();
        for mut batch in batches {
            self.events(member, batch.sent.drain(..));
            for output in batch.outputs {
                self.act(member, output);
            }
        }
        self.write(member);
        if safe > 0 {
            self.feed(member, Input::Taken(safe));
        }
    }

    fn events(&mut self, member: Member, events: impl IntoIterator<Item = Event>) {
        let chain = &mut self.history.chains[self.hosts[member.index()].chain];
        chain
            .events
            .extend(events.into_iter().map(|event| (self.now, event)));
    }

    /// The application takes some of what it was handed, and the peer hears of it.
    fn application_takes(&mut self, member: Member) {
        if self.hosts[member.index()].peer.is_none() {
            return;
        }
        let waiting = self.hosts[member.index()].handed.len() as u64;
        let mut taken = 0;
        for _ in 0..self.random.between(1, 4).min(waiting) {
            taken += 1;
            match self.hosts[member.index()].take() {
                Ok(Some((event, new))) => self.events(member, Some(event).filter(|_| new)),
                Ok(None) => {}
                Err(why) => {
                    let why = format!("at {} {member:?}: {why}", self.now);
                    self.history.misnumbered.get_or_insert(why);
                }
            }
        }
        let again = self.now + self.random.between(1_000, 20_000);
        self.at(again, Step::Take(member));
        if taken == 0 {
            return;
        }
        match self.keeping {
            Keeping::AllOrNothing => self.feed(member, Input::Taken(taken)),
            Keeping::Journal => {
                let host = &mut self.hosts[member.index()];
                let left = host.handed.len() as u64;
                let record = crate::durable::record::Record::Taken(host.numbered - left);
                let idle = host.queued.is_empty() && host.writing.is_empty();
                host.queued.push(Batch {
                    records: vec![record],
                    ..Batch::default()
                });
                if idle {
                    self.write(member);
                }
            }
        }
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
            Output::Deliver { message, time, .. } => {
                self.hosts[member.index()].hand(delivered(&message, time));
            }
            Output::Missed { stream, from, to } => {
                self.hosts[member.index()].hand(Event::Missed { stream, from, to });
            }
            Output::Keep { .. }
            | Output::Suspected(_)
            | Output::Trusted(_)
            | Output::Waiting(_)
            | Output::Refused(_) => {}
        }
    }

    fn send(&mut self, from: Member, to: Member, frame: &Frame) {
        let Some(session) = self.ends[&(from, to)].session else {
            return;
        };
        let copies = 1 + u64::from(self.random.chance(self.replay));
        for copy in 0..copies {
            let late = if copy == 0 { 0 } else { self.random.below(500_000) };
            let delay = self.random.between(20, self.delay_max) + late;
            let lost = self.random.chance(self.loss);
            let end = self.ends.get_mut(&(to, from)).expect("every pair has its ends");
            if end.cut || lost {
                continue;
            }
            let mut arrival = self.now + delay;
            if copy == 0 {
                arrival = arrival.max(end.last_arrival);
                end.last_arrival = arrival;
            }
            self.at(
                arrival,
                Step::Arrive {
                    from,
                    to,
                    session,
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
