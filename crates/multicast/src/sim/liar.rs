//! Two honest members and one that says anything a frame can say.
//!
//! Whatever it says, the two do not panic, keep little, do little at a time, and still agree with each other. What nobody can find out
//! without signatures is left out there: messages forged under another member's name, two different messages under one name, and former
//! lives of others of which nobody but the liar has something left, so that they are worth waiting for.

mod says;

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::Random;
use crate::core::frame::{Frame, Message};
use crate::core::{Input, Memory, Order, Output, Peer, Saved, Settings};
use crate::limits::{HOLD_MAX, SKIPPED_SLOTS_MAX, STREAMS_MAX, SUSPECT_AFTER};
use crate::members::{Member, MemberSet};

const SEEDS: u64 = 3000;
const STEPS: usize = 150;

/// In which life the honest are.
const LIFE: u64 = 5;

const MEMBERS: usize = 3;
const ORDERS: [Order; 4] = [Order::None, Order::Fifo, Order::Causal, Order::Total];

/// What a step of one member may want done at most, in this small a run.
const OUTPUTS_MAX: usize = 2 * STEPS + MEMBERS * STREAMS_MAX;

/// How much is left out of what the liar may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    /// Messages are those of their senders; and the honest know where they are.
    Detectable,
    /// Nothing. The honest may have lost their state, and believe what they are told of it.
    All,
}

struct Stage {
    random: Random,
    lies: Lies,
    now: u64,
    /// When everything on its way between the honest last arrived.
    exchanged: u64,
    order: Order,
    liar: Member,
    /// The life in which it is linked.
    life: u64,
    linked: bool,
    peers: Vec<Option<Peer>>,
    /// What is on its way between the honest.
    links: Vec<VecDeque<Frame>>,
    sent: Vec<u64>,
    delivered: Vec<Vec<Message>>,
    /// What the honest sent, for the liar to repeat.
    seen: Vec<Frame>,
    /// What happened, if it is to be told.
    story: Option<String>,
}

impl Stage {
    fn new(seed: u64, tell: bool) -> Self {
        let mut random = Random(seed);
        let order = ORDERS[(seed % 4) as usize];
        let lies = random.one_of(&[Lies::Detectable, Lies::Detectable, Lies::All]);
        let liar = Member::new(random.below(MEMBERS as u64) as usize);
        let mut stage = Self {
            lies,
            now: 0,
            exchanged: 0,
            order,
            liar,
            life: random.between(1, 3),
            linked: false,
            peers: vec![None; MEMBERS],
            links: vec![VecDeque::new(); MEMBERS],
            sent: vec![0; MEMBERS],
            delivered: vec![Vec::new(); MEMBERS],
            seen: Vec::new(),
            story: tell.then(|| format!("seed {seed}: {order:?}, {liar:?} lies ({lies:?})\n")),
            random,
        };
        for member in stage.honest() {
            let saved = Saved {
                wants: MemberSet::EMPTY,
                members: Vec::new(),
                streams: Vec::new(),
            };
            let knows = lies == Lies::Detectable || stage.random.chance(50);
            let memory = Memory {
                incarnation: LIFE,
                saved: knows.then_some(saved),
                ..Memory::default()
            };
            let peer = Peer::new(Settings::new(member, MEMBERS, order), memory);
            stage.peers[member.index()] = Some(peer);
        }
        for member in stage.honest() {
            stage.feed(member, Input::LinkUp(stage.other(member)));
        }
        stage.rounds(5);
        stage
    }

    fn honest(&self) -> [Member; 2] {
        let mut honest = MemberSet::all(MEMBERS).without(self.liar).iter();
        [(); 2].map(|()| honest.next().expect("two of three"))
    }

    fn other(&self, member: Member) -> Member {
        let [one, two] = self.honest();
        if member == one { two } else { one }
    }

    fn any_honest(&mut self) -> Member {
        let honest = self.honest();
        self.random.one_of(&honest)
    }

    fn feed(&mut self, member: Member, input: Input) {
        let place = member.index();
        let mut out = Vec::new();
        let peer = self.peers[place].as_mut().expect("an honest member runs");
        if let Some(story) = &mut self.story {
            let _ = writeln!(story, "{:>9} {member:?} <- {input:?}", self.now);
        }
        peer.step(self.now, input, &mut out);
        assert!(out.len() <= OUTPUTS_MAX, "{} outputs of one step", out.len());
        let slots = MEMBERS * STREAMS_MAX * (2 * HOLD_MAX as usize + SKIPPED_SLOTS_MAX);
        assert!(peer.slots() <= slots, "{} slots", peer.slots());
        assert!(peer.open_streams() <= MEMBERS * STREAMS_MAX);
        for output in out {
            if let Some(story) = &mut self.story {
                let _ = writeln!(story, "{:>9} {member:?} -> {output:?}", self.now);
            }
            self.take(member, output);
        }
    }

    fn take(&mut self, member: Member, output: Output) {
        let other = self.other(member);
        match output {
            Output::Send(to, frame) => {
                if to.contains(other) {
                    self.links[other.index()].push_back(frame.clone());
                }
                if to.contains(self.liar) {
                    self.seen.push(frame);
                }
            }
            Output::Deliver { message, .. } if message.id.stream.origin != self.liar => {
                self.delivered[member.index()].push(message);
            }
            Output::Missed { stream, from, to, .. } if self.lies == Lies::Detectable => {
                let own = |place: usize| stream.incarnation == LIFE && from <= self.sent[place];
                let place = stream.origin.index();
                assert!(
                    stream.origin == self.liar || !own(place),
                    "{from} to {to} of {stream:?} are missed"
                );
            }
            _ => {}
        }
    }

    fn step(&mut self) {
        let member = self.any_honest();
        let place = member.index();
        match self.random.below(10) {
            0 | 1 => {
                let accepts = self.peers[place].as_ref().is_some_and(Peer::accepts);
                if accepts {
                    self.sent[place] += 1;
                    let data = format!("{member:?} {}", self.sent[place]);
                    self.feed(member, Input::Broadcast(data.into()));
                }
            }
            2 | 3 => {
                if let Some(frame) = self.links[place].pop_front() {
                    self.feed(member, Input::Frame(self.other(member), frame));
                }
            }
            4 => {
                self.tick(200_000);
                // The honest hear each other: of one that is not heard, what others say is believed.
                if self.now - self.exchanged > SUSPECT_AFTER / 2 {
                    self.exchanged = self.now;
                    self.rounds(1);
                }
            }
            5 => {
                let count = self.random.below(4);
                self.feed(member, Input::Taken(count));
            }
            6 if self.random.chance(20) => self.relink(),
            _ if !self.linked => self.relink(),
            _ => {
                let frame = self.lie();
                if !frame.is_of_another_life(self.liar, self.life) {
                    self.feed(member, Input::Frame(self.liar, frame));
                }
            }
        }
    }

    fn tick(&mut self, most: u64) {
        self.now += self.random.between(1, most);
        for member in self.honest() {
            self.feed(member, Input::Tick);
        }
    }

    fn relink(&mut self) {
        self.linked = !self.linked;
        if self.linked && self.random.chance(30) {
            self.life += self.random.one_of(&[1, 2, 1 << 40]);
        }
        for member in self.honest() {
            self.feed(
                member,
                if self.linked {
                    Input::LinkUp(self.liar)
                } else {
                    Input::LinkDown(self.liar)
                },
            );
        }
    }

    /// The liar goes, and the others have time.
    fn calm_down(&mut self) {
        if self.linked {
            self.relink();
        }
        self.rounds(120);
    }

    /// All that is on its way arrives, and time passes, so often.
    fn rounds(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for member in self.honest() {
                while let Some(frame) = self.links[member.index()].pop_front() {
                    self.feed(member, Input::Frame(self.other(member), frame));
                }
            }
            self.tick(100_000);
        }
    }

    fn check_agreement(&self) {
        for member in self.honest() {
            let peer = self.peers[member.index()]
                .as_ref()
                .expect("an honest member runs");
            assert_eq!(peer.disowned(), None, "{member:?} is ended");
        }
        let [one, two] = self.honest().map(|member| &self.delivered[member.index()]);
        for (member, delivered) in self.honest().into_iter().zip([one, two]) {
            for sender in self.honest() {
                let of = delivered
                    .iter()
                    .filter(|message| message.id.stream.origin == sender);
                let mut next = 1;
                for message in of {
                    assert_eq!(message.data, format!("{sender:?} {}", message.id.sequence));
                    if self.order != Order::None {
                        assert_eq!(message.id.sequence, next, "{member:?} of {sender:?}");
                    }
                    next += 1;
                }
                let sent = self.sent[sender.index()];
                if self.order != Order::Total {
                    assert_eq!(next - 1, sent, "{member:?} has not all of {sender:?}");
                }
            }
            let mut ids: Vec<_> = delivered.iter().map(|message| message.id).collect();
            ids.sort_unstable();
            assert!(
                ids.windows(2).all(|pair| pair[0] != pair[1]),
                "{member:?} has something twice"
            );
        }
        if self.order == Order::Total {
            let agreed = one.iter().zip(two).all(|(one, two)| one.id == two.id);
            assert!(agreed, "{one:?} and {two:?} differ");
        }
    }
}

fn play(seed: u64, tell: bool) {
    let mut stage = Stage::new(seed, tell);
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..STEPS {
            stage.step();
        }
        stage.calm_down();
        if stage.lies == Lies::Detectable {
            stage.check_agreement();
        }
    }));
    if let Err(panic) = played {
        use std::io::Write as _;
        let story = stage.story.unwrap_or_default();
        let _ = writeln!(
            std::io::stdout(),
            "{story}\nrepeat: ANTES_SEED={seed} cargo test -p multicast one_lie -- --nocapture"
        );
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn whatever_a_member_says_the_others_agree() {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for worker in 0..threads {
            scope.spawn(move || {
                for seed in (worker..SEEDS).step_by(threads as usize) {
                    play(seed, false);
                }
            });
        }
    });
}

/// Plays the seed given in `ANTES_SEED` and prints all of it if it fails.
#[test]
fn one_lie() {
    let given = std::env::var("ANTES_SEED").ok();
    play(
        given.map_or(0, |seed| seed.parse().expect("ANTES_SEED is a number")),
        true,
    );
}
