//! What a member that lies or is broken brings a peer to keep, to forget and to believe, case by case. The simulation has one say
//! anything; these need many frames, or few that chance does not find.

use std::sync::Arc;

use bytes::Bytes;
use lamport::TIME_MAX;

use super::frame::{About, Ended, Frame, Have, Message, Promise, Status, StreamId};
use super::stage::{OTHER, THIRD, feed, feed_frame, have, message, newcomer, peer, status, stream, welcome};
use super::{Input, Memory, Order, Output, Peer, Refusal, Saved, Settings};
use crate::limits::{DATA_BYTES_MAX, RETAIN_BYTES, STREAMS_MAX};
use crate::members::{Member, MemberSet};

/// A status of `stage`, changed.
fn status_with(number: u64, change: impl FnOnce(&mut Status)) -> Frame {
    let Frame::Status(mut said) = status(number, 0, 0) else {
        unreachable!("it is a status")
    };
    change(Arc::make_mut(&mut said));
    Frame::Status(said)
}

#[test]
fn a_sender_that_does_not_wait_fills_the_memory_so_far() {
    let mut peer = peer();
    feed_frame(&mut peer, status(1, 0, 0));
    let data = Bytes::from(vec![b'x'; DATA_BYTES_MAX]);
    // The first waits for what never comes, and all others for it.
    for sequence in 1..=2 * RETAIN_BYTES / DATA_BYTES_MAX as u64 {
        let message = Message {
            data: data.clone(),
            ..message(OTHER, sequence, &[THIRD])
        };
        feed_frame(&mut peer, Frame::Data(message));
    }
    let (_, bytes) = peer.retained();
    assert!(
        bytes > RETAIN_BYTES && bytes <= RETAIN_BYTES + DATA_BYTES_MAX as u64,
        "{bytes}"
    );
    // Who is next in a sequence of its own is still heard.
    let next = Message {
        id: message(THIRD, 1, &[]).id,
        data,
        ..message(OTHER, 1, &[])
    };
    let told = feed_frame(&mut peer, Frame::Data(next));
    assert_eq!(told[0], (THIRD, 1, 1));
}

#[test]
fn lives_are_opened_only_so_many_at_a_time() {
    let mut peer = peer();
    feed_frame(&mut peer, status(1, 0, 0));
    for number in 2..100 {
        let life = |life| StreamId {
            incarnation: number * 10 + life,
            ..stream(THIRD)
        };
        let said = status_with(number, |status| {
            status.streams = (1..9)
                .map(|at| Have {
                    stream: life(at),
                    ..have(THIRD, 1)
                })
                .collect();
        });
        feed_frame(&mut peer, said);
        let mut passed_on = message(THIRD, 1, &[]);
        passed_on.id.stream = life(9);
        feed_frame(&mut peer, Frame::Data(passed_on));
    }
    assert!(
        peer.open_streams() <= 2 + STREAMS_MAX,
        "{} streams",
        peer.open_streams()
    );
}

#[test]
fn what_is_closed_on_another_s_word_is_told_where_it_lacks() {
    let mut peer = peer();
    feed_frame(&mut peer, status(1, 0, 0));
    feed_frame(&mut peer, Frame::Data(message(THIRD, 3, &[])));
    let five = vec![have(THIRD, 5)];
    let known = status_with(2, |status| status.streams.clone_from(&five));
    assert_eq!(feed_frame(&mut peer, known), []);
    let closed = status_with(3, |status| {
        status.members[THIRD] = About {
            incarnation: 2,
            closed: 2,
            ..About::default()
        };
    });
    assert_eq!(feed_frame(&mut peer, closed), [(THIRD, 1, 5)]);
}

#[test]
fn what_is_forgotten_on_another_s_word_is_given_up() {
    let mut peer = peer();
    feed_frame(&mut peer, status(1, 1, 0));
    feed_frame(&mut peer, Frame::Data(message(OTHER, 1, &[])));
    feed(&mut peer, Input::Taken(1));
    assert_eq!(peer.retained().0, 1, "member 2 is not known to have it");
    let everybody = status_with(2, |status| {
        status.streams = vec![Have {
            stable: 1,
            ..have(OTHER, 1)
        }];
    });
    feed_frame(&mut peer, everybody);
    assert_eq!(peer.retained().0, 0);
    let said = peer.status();
    let of = said.streams.iter().find(|have| have.stream == stream(OTHER));
    assert_eq!(
        of.map(|have| have.dropped),
        Some(1),
        "so member 2 does not wait for it"
    );
}

#[test]
fn own_messages_are_not_forgotten_while_one_that_is_heard_lacks_them() {
    let mut peer = peer();
    feed(&mut peer, Input::LinkUp(Member::new(THIRD)));
    let none = status_with(1, |status| status.streams.clear());
    for from in [OTHER, THIRD] {
        peer.step(0, Input::Frame(Member::new(from), none.clone()), &mut Vec::new());
    }
    feed(&mut peer, Input::Broadcast("x".into()));
    feed(&mut peer, Input::Taken(1));
    let everybody = status_with(2, |status| {
        status.streams = vec![Have {
            stable: TIME_MAX,
            delivered: TIME_MAX,
            ..have(0, TIME_MAX)
        }];
    });
    feed_frame(&mut peer, everybody);
    assert_eq!(peer.retained().0, 1);
}

/// Member 0 of 3 in total order, which hears both others.
fn in_total_order() -> Peer {
    let saved = Saved {
        wants: MemberSet::EMPTY,
        members: Vec::new(),
        streams: Vec::new(),
    };
    hears_both(Order::Total, Some(saved))
}

/// Member 0 of 3, which hears both others, with or without its state.
fn hears_both(order: Order, saved: Option<Saved>) -> Peer {
    let memory = Memory {
        incarnation: 1,
        saved,
        ..Memory::default()
    };
    let mut peer = Peer::new(Settings::new(Member::new(0), 3, order), memory);
    for from in [OTHER, THIRD] {
        feed(&mut peer, Input::LinkUp(Member::new(from)));
    }
    for from in [OTHER, THIRD] {
        feed_from(&mut peer, from, status_with(1, |status| status.streams.clear()));
    }
    peer
}

/// The same where the third is in its second life, and what its first sent is here.
fn hears_a_second_life() -> Peer {
    let mut peer = in_total_order();
    feed_from(&mut peer, THIRD, Frame::Data(message(THIRD, 1, &[])));
    feed_from(&mut peer, THIRD, second_life(2, None));
    assert_eq!(peer.undelivered(), 1, "it waits for the announcement");
    peer
}

fn second_life(number: u64, ended: Option<Ended>) -> Frame {
    status_with(number, |status| {
        status.incarnation = 2;
        status.members[THIRD].incarnation = 2;
        status.streams = vec![Have {
            ended,
            ..have(THIRD, 1)
        }];
    })
}

/// What is refused of it.
fn feed_from(peer: &mut Peer, from: usize, frame: Frame) -> Vec<Output> {
    let mut out = Vec::new();
    peer.step(0, Input::Frame(Member::new(from), frame), &mut out);
    out.retain(|output| matches!(output, Output::Refused(_)));
    out
}

#[test]
fn only_the_member_itself_says_where_its_former_life_ended() {
    let mut peer = hears_a_second_life();
    let ended = |last| Some(Ended { by: 2, last });
    let lie = status_with(2, |status| {
        status.members[THIRD].incarnation = 2;
        status.streams = vec![Have {
            ended: ended(0),
            ..have(THIRD, 0)
        }];
    });
    feed_from(&mut peer, OTHER, lie);
    assert_eq!(peer.undelivered(), 1, "cut off on another's word");
    feed_from(&mut peer, THIRD, second_life(3, ended(0)));
    assert_eq!(peer.undelivered(), 0, "cut off on its own");
}

/// Member 0 of 3 in total order, heard by both others, whose one message with the stamp 5 waits for word from the third.
fn waits_for_the_third() -> Peer {
    let mut peer = in_total_order();
    let sent = Message {
        stamp: 5,
        ..message(OTHER, 1, &[])
    };
    feed_from(&mut peer, OTHER, Frame::Data(sent));
    assert_eq!(peer.undelivered(), 1);
    peer
}

#[test]
fn only_the_member_itself_promises() {
    let mut peer = waits_for_the_third();
    let promise = |number| {
        status_with(number, |status| {
            status.members[THIRD].horizon = 100;
            status.streams.clear();
        })
    };
    feed_from(&mut peer, OTHER, promise(2));
    assert_eq!(peer.undelivered(), 1, "delivered on another's word");
    feed_from(&mut peer, THIRD, promise(2));
    assert_eq!(peer.undelivered(), 0, "delivered on its own");
}

#[test]
fn a_broken_promise_is_refused() {
    let mut peer = in_total_order();
    let promise = Promise {
        incarnation: 1,
        clock: 100,
        sent: 0,
    };
    feed_from(&mut peer, OTHER, Frame::Promise(promise));
    let sent = |stamp| {
        Frame::Data(Message {
            stamp,
            ..message(OTHER, 1, &[])
        })
    };
    let refused = [Output::Refused(Refusal::StampOrder {
        origin: Member::new(OTHER),
    })];
    assert_eq!(feed_from(&mut peer, OTHER, sent(100)), refused);
    assert_eq!(peer.clock(), 0);
    assert_eq!(feed_from(&mut peer, OTHER, sent(101)), []);
    assert_eq!(peer.clock(), 102);
}

/// Two members that saw the messages of a third in different orders must not wait for each other.
#[test]
fn what_another_member_took_is_taken_whatever_its_stamp() {
    let mut peer = peer();
    feed_frame(&mut peer, status(1, 0, 0));
    let sent = |of, sequence, stamp| {
        Frame::Data(Message {
            stamp,
            ..message(of, sequence, &[])
        })
    };
    for of in [OTHER, THIRD] {
        feed_frame(&mut peer, sent(of, 1, 9));
    }
    assert_eq!(feed_frame(&mut peer, sent(OTHER, 2, 9)), [], "its own");
    assert_eq!(
        feed_frame(&mut peer, sent(THIRD, 2, 9)),
        [(THIRD, 2, 2)],
        "passed on"
    );
}

#[test]
fn what_this_life_sends_was_not_delivered_by_a_former_one() {
    let mut peer = newcomer();
    feed_frame(&mut peer, status(1, 0, 0));
    let everybody = status_with(2, |status| {
        status.streams = vec![Have {
            stable: TIME_MAX,
            ..have(0, 0)
        }];
    });
    feed_frame(&mut peer, everybody);
    assert!(peer.accepts());
    assert_eq!(feed(&mut peer, Input::Broadcast("x".into())), [(0, 1, 1)]);
}

/// A peer that lost its state, and knows of member 1 that it has sent nothing.
fn knows_that_nothing_was_sent() -> Peer {
    let mut peer = hears_both(Order::Causal, None);
    feed_frame(&mut peer, welcome(0, Vec::new(), Vec::new()));
    let nothing = status_with(2, |status| status.streams = vec![have(OTHER, 0)]);
    feed_frame(&mut peer, nothing);
    peer
}

/// Whether `peer`, having heard `lie` of member 2, still delivers the first message of member 1.
fn check_delivers_after(mut peer: Peer, lie: Frame) {
    feed(&mut peer, Input::Frame(Member::new(THIRD), lie));
    let first = Frame::Data(message(OTHER, 1, &[]));
    assert_eq!(feed_frame(&mut peer, first), [(OTHER, 1, 1)]);
}

#[test]
fn a_former_self_had_no_more_than_was_sent() {
    let greeted = welcome(0, vec![(stream(OTHER), TIME_MAX)], Vec::new());
    check_delivers_after(knows_that_nothing_was_sent(), greeted);
    let everywhere = status_with(2, |status| {
        status.streams = vec![Have {
            stable: TIME_MAX,
            ..have(OTHER, 0)
        }];
    });
    check_delivers_after(knows_that_nothing_was_sent(), everywhere);
}

#[test]
fn the_present_life_is_no_former_one() {
    let mut peer = hears_both(Order::Total, None);
    for from in [OTHER, THIRD] {
        feed_from(&mut peer, from, welcome(0, Vec::new(), vec![(1, 5)]));
    }
    let said = peer.status();
    let own = said.streams.iter().find(|have| have.stream == stream(0));
    assert_eq!(own.map(|have| have.ended), Some(None));
}
