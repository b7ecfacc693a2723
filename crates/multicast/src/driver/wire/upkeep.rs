//! Statuses and welcomes as JSON: members by number, because both ends have the same list.

use serde::{Deserialize, Serialize};

use crate::core::frame::{About, Ended, Have, Status, StreamId, Welcome};
use crate::members::{Member, MemberSet};

/// Origin, incarnation, sequence.
pub(super) type Triple = (u8, u64, u64);

fn member(index: u8, members: usize) -> Option<Member> {
    (usize::from(index) < members).then(|| Member::new(usize::from(index)))
}

/// A stream of the group, if its origin is a member.
pub(super) fn stream_id(origin: u8, incarnation: u64, members: usize) -> Option<StreamId> {
    Some(StreamId {
        origin: member(origin, members)?,
        incarnation,
    })
}

/// A status.
#[derive(Serialize, Deserialize)]
pub(super) struct StatusLine {
    incarnation: u64,
    number: u64,
    hears: u64,
    wants: u64,
    /// incarnation, announced, closed, horizon, sent
    members: Vec<(u64, u64, u64, u64, u64)>,
    streams: Vec<HaveLine>,
}

#[derive(Serialize, Deserialize)]
struct HaveLine {
    /// origin, incarnation
    of: (u8, u64),
    /// through, delivered, purged, stable, dropped, had
    at: (u64, u64, u64, u64, u64, u64),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lost: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<(u64, u64)>,
    /// by, last
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<(u64, u64)>,
}

/// A welcome.
#[derive(Serialize, Deserialize)]
pub(super) struct WelcomeLine {
    incarnation: u64,
    from: u64,
    clock: u64,
    delivered: Vec<Triple>,
    former: Vec<(u64, u64)>,
}

impl From<&Status> for StatusLine {
    fn from(status: &Status) -> Self {
        let about = |about: &About| {
            (
                about.incarnation,
                about.announced,
                about.closed,
                about.horizon,
                about.sent,
            )
        };
        let have = |have: &Have| HaveLine {
            of: (have.stream.origin.index() as u8, have.stream.incarnation),
            at: (
                have.through,
                have.delivered,
                have.purged,
                have.stable,
                have.dropped,
                have.had,
            ),
            lost: have.lost.clone(),
            beyond: have.beyond.clone(),
            ended: have.ended.map(|ended| (ended.by, ended.last)),
        };
        Self {
            incarnation: status.incarnation,
            number: status.number,
            hears: status.hears.bits(),
            wants: status.wants.bits(),
            members: status.members.iter().map(about).collect(),
            streams: status.streams.iter().map(have).collect(),
        }
    }
}

impl StatusLine {
    /// What it says, if it fits a group of so many members.
    pub(super) fn status(self, members: usize) -> Option<Status> {
        let all = MemberSet::all(members);
        let about = |(incarnation, announced, closed, horizon, sent)| About {
            incarnation,
            announced,
            closed,
            horizon,
            sent,
        };
        let have = |line: HaveLine| {
            let (through, delivered, purged, stable, dropped, had) = line.at;
            Some(Have {
                stream: stream_id(line.of.0, line.of.1, members)?,
                through,
                delivered,
                purged,
                stable,
                dropped,
                had,
                lost: line.lost,
                beyond: line.beyond,
                ended: line.ended.map(|(by, last)| Ended { by, last }),
            })
        };
        (self.members.len() == members).then_some(())?;
        Some(Status {
            incarnation: self.incarnation,
            number: self.number,
            hears: MemberSet::from_bits(self.hears).and(all),
            wants: MemberSet::from_bits(self.wants).and(all),
            members: self.members.into_iter().map(about).collect(),
            streams: self.streams.into_iter().map(have).collect::<Option<_>>()?,
        })
    }
}

impl From<&Welcome> for WelcomeLine {
    fn from(welcome: &Welcome) -> Self {
        let at = |(id, sequence): &(StreamId, u64)| (id.origin.index() as u8, id.incarnation, *sequence);
        Self {
            incarnation: welcome.incarnation,
            from: welcome.from,
            clock: welcome.clock,
            delivered: welcome.delivered.iter().map(at).collect(),
            former: welcome.former.clone(),
        }
    }
}

impl WelcomeLine {
    /// What it says, if it fits a group of so many members.
    pub(super) fn welcome(self, members: usize) -> Option<Welcome> {
        let at = |(origin, incarnation, sequence): Triple| {
            Some((stream_id(origin, incarnation, members)?, sequence))
        };
        Some(Welcome {
            incarnation: self.incarnation,
            from: self.from,
            clock: self.clock,
            delivered: self.delivered.into_iter().map(at).collect::<Option<_>>()?,
            former: self.former,
        })
    }
}
