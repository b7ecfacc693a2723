//! A member of three, fed by hand: the stage of the core's tests.

use std::sync::Arc;

use bytes::Bytes;

use super::frame::{About, Frame, Have, Message, MessageId, Status, StreamId, Welcome};
use super::{Input, Memory, Order, Output, Peer, Saved, Settings};
use crate::members::{Member, MemberSet};

pub(super) const OTHER: usize = 1;
pub(super) const THIRD: usize = 2;

/// The message `sequence` of member `of`, to be delivered after the first of each of the members `after`.
pub(super) fn message(of: usize, sequence: u64, after: &[usize]) -> Message {
    let id = |of, sequence| MessageId {
        stream: stream(of),
        sequence,
    };
    Message {
        id: id(of, sequence),
        stamp: sequence,
        after: Some(after.iter().map(|&cause| id(cause, 1)).collect()),
        data: Bytes::from_static(b"x"),
    }
}

pub(super) fn stream(of: usize) -> StreamId {
    StreamId {
        origin: Member::new(of),
        incarnation: 1,
    }
}

/// The status of member 1, which sent `sent` messages and gave up all of them up to `dropped`.
pub(super) fn status(number: u64, sent: u64, dropped: u64) -> Frame {
    status_of(
        number,
        vec![Have {
            purged: dropped,
            dropped,
            ..have(OTHER, sent)
        }],
    )
}

/// The first `through` messages of member `of`, delivered and kept.
pub(super) fn have(of: usize, through: u64) -> Have {
    Have {
        stream: stream(of),
        through,
        delivered: through,
        purged: 0,
        stable: 0,
        dropped: 0,
        had: 0,
        lost: Vec::new(),
        beyond: Vec::new(),
        ended: None,
    }
}

/// The status of member 1, which has these.
pub(super) fn status_of(number: u64, streams: Vec<Have>) -> Frame {
    let lives = About {
        incarnation: 1,
        announced: 1,
        ..About::default()
    };
    Frame::Status(Arc::new(Status {
        incarnation: 1,
        number,
        hears: MemberSet::EMPTY.with(Member::new(0)),
        wants: MemberSet::EMPTY,
        members: vec![lives; 3],
        streams,
    }))
}

/// The welcome of another member, which knows a former self of this one, with this time, to have delivered this and ended its lives there.
pub(super) fn welcome(clock: u64, delivered: Vec<(StreamId, u64)>, former: Vec<(u64, u64)>) -> Frame {
    Frame::Welcome(Arc::new(Welcome {
        incarnation: 1,
        from: 1,
        clock,
        delivered,
        former,
    }))
}

/// Member 0 of 3 in causal order, in its place and linked with member 1.
pub(super) fn peer() -> Peer {
    peer_back_after(0)
}

/// The same, whose former life ended so many microseconds before this one.
pub(super) fn peer_back_after(absent: u64) -> Peer {
    linked(Memory {
        absent,
        saved: Some(Saved {
            wants: MemberSet::EMPTY,
            members: Vec::new(),
            streams: Vec::new(),
        }),
        ..Memory::default()
    })
}

/// The same without its state: it asks the others where it was.
pub(super) fn newcomer() -> Peer {
    linked(Memory::default())
}

fn linked(memory: Memory) -> Peer {
    let memory = Memory {
        incarnation: 1,
        ..memory
    };
    let mut peer = Peer::new(Settings::new(Member::new(0), 3, Order::Causal), memory);
    feed(&mut peer, Input::LinkUp(Member::new(OTHER)));
    peer
}

/// What is told to the application of it: the sender and the sequences.
pub(super) fn feed(peer: &mut Peer, input: Input) -> Vec<(usize, u64, u64)> {
    let mut out = Vec::new();
    peer.step(0, input, &mut out);
    let told = out.into_iter().filter_map(|output| match output {
        Output::Deliver { message, .. } => {
            let sequence = message.id.sequence;
            Some((message.id.stream.origin.index(), sequence, sequence))
        }
        Output::Missed { stream, from, to, .. } => Some((stream.origin.index(), from, to)),
        _ => None,
    });
    told.collect()
}

pub(super) fn feed_frame(peer: &mut Peer, frame: Frame) -> Vec<(usize, u64, u64)> {
    feed(peer, Input::Frame(Member::new(OTHER), frame))
}
