//! What members keep while everybody is connected and messages never end: bounded, whoever sends and whoever lags.
//!
//! The group is whole; only paces differ. A link may not be read for a while, because its reader gets no processor, and an
//! application may be slow to take. A member whose application leaves too much lying reads no link, as in the driver.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::core::frame::Frame;
use crate::core::{Input, Memory, Order, Output, Peer, Settings};
use crate::limits::{
    ACK_BYTES, ACK_MESSAGES, INBOX_BYTES_MAX, INBOX_EVENTS_MAX, LOCAL_BATCH_MAX, RETAIN_MESSAGES,
    UNSAFE_BYTES, UNSAFE_MESSAGES, WINDOW_MESSAGES,
};
use crate::members::{Member, MemberSet};

const MEMBERS: usize = 3;
/// Virtual time between two turns, in microseconds: about what a batch takes.
const TURN: u64 = 200;
/// Turns after which everybody hears everybody.
const LINKED_AFTER: u64 = 20;
/// Frames that a member reads from one link in a turn.
const READ_MAX: usize = 400;
/// Messages broadcast in a run: more than any bound, within a heart-beat.
const MESSAGES: u64 = 200_000;
/// Payloads so long that it is their bytes that are bounded, not their number.
const LONG: usize = 4 * 1024;
/// The most that members keep of each sender, whoever lags.
const KEPT_MAX: u64 = UNSAFE_MESSAGES + ACK_MESSAGES + LOCAL_BATCH_MAX as u64;
/// The same while everybody keeps up: what is sent between two statuses, and what they are late.
const KEPT_UP_MAX: u64 = 2 * ACK_MESSAGES;
/// The most bytes of long payloads that members keep of each sender, whoever lags.
const KEPT_BYTES_MAX: u64 = UNSAFE_BYTES + ACK_BYTES + (LOCAL_BATCH_MAX * LONG) as u64;

/// What members keep for one that is away: more than [`KEPT_MAX`] of two senders, less than all that is sent.
const RETAIN: u64 = 150_000;

/// What goes how fast.
struct Paces {
    order: Order,
    /// Messages that each member sends in a turn.
    sends: [usize; MEMBERS],
    /// Bytes of each.
    payload: usize,
    /// Events that each member's application takes in a turn.
    takes: [usize; MEMBERS],
    /// From one member to another: nothing is read in all but every so many turns; then everything.
    starved: Option<(usize, usize, u64)>,
    /// Messages that each member keeps for those who lack them.
    retain: u64,
}

impl Paces {
    fn of(order: Order, sends: [usize; MEMBERS]) -> Self {
        Self {
            order,
            sends,
            payload: 1,
            takes: [usize::MAX; MEMBERS],
            starved: None,
            retain: RETAIN_MESSAGES,
        }
    }
}

struct Flood {
    paces: Paces,
    now: u64,
    turns: u64,
    peers: Vec<Peer>,
    /// What is on its way, by sender and receiver.
    links: Vec<Vec<VecDeque<Frame>>>,
    /// What each application has not taken.
    inboxes: [usize; MEMBERS],
    sent: u64,
    payload: Bytes,
    /// The most that a member kept at once: messages, and bytes.
    kept_max: (u64, u64),
}

impl Flood {
    fn new(paces: Paces) -> Self {
        let memory = Memory {
            incarnation: 1,
            ..Memory::default()
        };
        let peer = |index| {
            let mut settings = Settings::new(Member::new(index), MEMBERS, paces.order);
            settings.retain_messages = paces.retain;
            Peer::new(settings, memory.clone())
        };
        let mut flood = Self {
            peers: (0..MEMBERS).map(peer).collect(),
            links: vec![vec![VecDeque::new(); MEMBERS]; MEMBERS],
            inboxes: [0; MEMBERS],
            now: 0,
            turns: 0,
            sent: 0,
            payload: vec![b'x'; paces.payload].into(),
            kept_max: (0, 0),
            paces,
        };
        for a in MemberSet::all(MEMBERS).iter() {
            for b in MemberSet::all(MEMBERS).without(a).iter() {
                flood.feed(a.index(), Input::LinkUp(b));
            }
        }
        flood
    }

    fn feed(&mut self, member: usize, input: Input) {
        let mut out = Vec::new();
        self.peers[member].step(self.now, input, &mut out);
        for output in out {
            match output {
                Output::Send(to, frame) => {
                    for to in to.iter() {
                        self.links[member][to.index()].push_back(frame.clone());
                    }
                }
                Output::Deliver { .. } => self.inboxes[member] += 1,
                Output::Suspected(_) | Output::Trusted(_) | Output::Waiting(_) => {}
                other => panic!("member {member} of a whole group: {other:?}"),
            }
        }
    }

    fn has_room(&self, member: usize) -> bool {
        let events = self.inboxes[member];
        events < INBOX_EVENTS_MAX && events * self.paces.payload < INBOX_BYTES_MAX
    }

    fn turn(&mut self) {
        self.now += TURN;
        self.turns += 1;
        for member in 0..MEMBERS {
            for from in 0..MEMBERS {
                let most = match self.paces.starved {
                    Some((a, b, every)) if (a, b) == (from, member) => {
                        let is_read = self.turns < LINKED_AFTER || self.turns.is_multiple_of(every);
                        usize::from(is_read) * usize::MAX
                    }
                    _ => READ_MAX,
                };
                for _ in 0..most {
                    if !self.has_room(member) {
                        break;
                    }
                    let Some(frame) = self.links[from][member].pop_front() else {
                        break;
                    };
                    self.feed(member, Input::Frame(Member::new(from), frame));
                }
            }
            for _ in 0..self.paces.sends[member] {
                if self.sent == MESSAGES || !self.has_room(member) || !self.peers[member].accepts() {
                    break;
                }
                self.sent += 1;
                self.feed(member, Input::Broadcast(self.payload.clone()));
            }
            let taken = self.inboxes[member].min(self.paces.takes[member]);
            self.inboxes[member] -= taken;
            self.feed(member, Input::Taken(taken as u64));
            self.feed(member, Input::Tick);
            let (messages, bytes) = self.peers[member].retained();
            self.kept_max = (self.kept_max.0.max(messages), self.kept_max.1.max(bytes));
        }
    }

    /// No link to the member is left.
    fn cut_off(&mut self, member: usize) {
        for other in (0..MEMBERS).filter(|other| *other != member) {
            self.links[member][other].clear();
            self.links[other][member].clear();
            self.feed(member, Input::LinkDown(Member::new(other)));
            self.feed(other, Input::LinkDown(Member::new(member)));
        }
    }

    fn is_over(&self) -> bool {
        self.sent == MESSAGES && self.peers.iter().all(|peer| peer.retained() == (0, 0))
    }
}

/// Sends everything: the most that anybody kept, as so much of each sender.
fn kept_of_each(paces: Paces) -> (u64, u64) {
    let senders = paces.sends.iter().filter(|sends| **sends > 0).count() as u64;
    let order = paces.order;
    let mut flood = Flood::new(paces);
    while !flood.is_over() {
        flood.turn();
        assert!(
            flood.turns < MESSAGES,
            "{order:?}: it stands still after {} messages",
            flood.sent
        );
    }
    let (messages, bytes) = flood.kept_max;
    (messages.div_ceil(senders), bytes.div_ceil(senders))
}

fn check(paces: Paces, messages_max: u64) {
    let order = paces.order;
    let (messages, _) = kept_of_each(paces);
    assert!(
        messages <= messages_max,
        "{order:?}: {messages} messages of each were kept, {messages_max} allowed"
    );
}

/// The same for somebody who lags: with short payloads their number is bounded, with long ones their bytes.
fn check_lag(paces: impl Fn(Order) -> Paces) {
    for order in ORDERS {
        check(paces(order), KEPT_MAX);
        let long = Paces {
            payload: LONG,
            ..paces(order)
        };
        let (_, bytes) = kept_of_each(long);
        assert!(
            bytes <= KEPT_BYTES_MAX,
            "{order:?}: {bytes} bytes of each were kept, {KEPT_BYTES_MAX} allowed"
        );
    }
}

const ORDERS: [Order; 4] = [Order::None, Order::Fifo, Order::Causal, Order::Total];

#[test]
fn who_alone_sends_says_in_time_that_its_messages_may_be_forgotten() {
    for order in ORDERS {
        check(Paces::of(order, [0, 0, 350]), KEPT_UP_MAX);
    }
}

#[test]
fn all_send_and_keep_up() {
    for order in ORDERS {
        check(Paces::of(order, [120; 3]), KEPT_UP_MAX);
    }
}

#[test]
fn a_member_that_is_slow_to_take_holds_the_others_back() {
    check_lag(|order| Paces {
        takes: [usize::MAX, 90, usize::MAX],
        ..Paces::of(order, [100; 3])
    });
}

#[test]
fn what_waits_for_a_link_that_nobody_reads_holds_its_sender_back() {
    check_lag(|order| Paces {
        starved: Some((1, 0, 1000)),
        ..Paces::of(order, [0, 20, 330])
    });
}

/// Whose application takes nothing holds the others back for as long as it is connected. Away it holds nobody back, but in total
/// order, and what is kept for it has the retention bound.
#[test]
fn who_never_takes_holds_the_others_back_until_it_is_away() {
    for order in ORDERS {
        let mut flood = Flood::new(Paces {
            takes: [usize::MAX, 0, usize::MAX],
            retain: RETAIN,
            ..Paces::of(order, [100, 0, 100])
        });
        let mut sent_after_a_while = || {
            (0..2000).for_each(|_| flood.turn());
            (flood.sent, flood.kept_max.0)
        };
        let (held, kept) = sent_after_a_while();
        assert!(
            held < MESSAGES && kept <= 2 * KEPT_MAX,
            "{order:?}: {held} sent, {kept} kept"
        );
        assert_eq!(sent_after_a_while(), (held, kept), "{order:?}: it is waited for");
        flood.cut_off(1);
        while flood.sent < MESSAGES && flood.turns < MESSAGES / 10 {
            flood.turn();
        }
        if order == Order::Total {
            assert!(
                flood.sent <= held + 2 * WINDOW_MESSAGES,
                "total order waits for all"
            );
        } else {
            assert_eq!((flood.sent, flood.kept_max.0), (MESSAGES, RETAIN), "{order:?}");
        }
    }
}
