//! Statuses and welcomes as JSON: members by number, because both ends have the same list.
//!
//! What they list is bounded where it is read: whoever writes more than a member can know of is none, and what is looked through
//! at every message must be short.

use serde::{Deserialize, Serialize};

use super::number::{Count, Number};
use crate::core::frame::{About, Ended, Have, Status, StreamId, Welcome};
use crate::limits::{GAPS_TOLD_MAX, LOST_TOLD_MAX, STREAMS_MAX};
use crate::members::{Member, MemberSet};

/// Origin, incarnation, sequence.
pub(super) type Triple = (u8, Count, Number);

/// Both ends included.
type Range = (Count, Count);

/// What is wrong with a frame whose fields are of the right type.
pub(super) type Fault = &'static str;

const STRANGER: Fault = "names a member by a number that the group does not have";
const TOO_MANY: Fault = "lists more than a member can know of";
const UNSORTED: Fault = "lists what does not ascend";

/// A stream of the group, if its origin is a member.
pub(super) fn stream_id(origin: u8, incarnation: Count, members: usize) -> Result<StreamId, Fault> {
    let origin = usize::from(origin);
    if origin >= members {
        return Err(STRANGER);
    }
    Ok(StreamId {
        origin: Member::new(origin),
        incarnation: incarnation.get(),
    })
}

/// Refuses a list of something about streams that is longer than all streams of a group.
pub(super) fn check_streams(listed: usize, members: usize) -> Result<(), Fault> {
    if listed > members * STREAMS_MAX {
        return Err(TOO_MANY);
    }
    Ok(())
}

/// A status.
#[derive(Serialize, Deserialize)]
pub(super) struct StatusLine {
    incarnation: Count,
    number: Count,
    hears: u64,
    wants: u64,
    /// incarnation, announced, closed, horizon, sent
    members: Vec<(Number, Number, Number, Number, Number)>,
    streams: Vec<HaveLine>,
}

#[derive(Serialize, Deserialize)]
struct HaveLine {
    /// origin, incarnation
    of: (u8, Count),
    /// through, delivered, purged, stable, dropped, had
    at: (Number, Number, Number, Number, Number, Number),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lost: Vec<Range>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<Range>,
    /// by, last
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<(Count, Number)>,
}

/// A welcome.
#[derive(Serialize, Deserialize)]
pub(super) struct WelcomeLine {
    incarnation: Count,
    from: Count,
    clock: Number,
    delivered: Vec<Triple>,
    former: Vec<(Count, Number)>,
}

impl From<&Status> for StatusLine {
    fn from(status: &Status) -> Self {
        let about = |about: &About| {
            (
                Number::own(about.incarnation),
                Number::own(about.announced),
                Number::own(about.closed),
                Number::own(about.horizon),
                Number::own(about.sent),
            )
        };
        let have = |have: &Have| HaveLine {
            of: (
                have.stream.origin.index() as u8,
                Count::own(have.stream.incarnation),
            ),
            at: (
                Number::own(have.through),
                Number::own(have.delivered),
                Number::own(have.purged),
                Number::own(have.stable),
                Number::own(have.dropped),
                Number::own(have.had),
            ),
            lost: own_ranges(&have.lost),
            beyond: own_ranges(&have.beyond),
            ended: have
                .ended
                .map(|ended| (Count::own(ended.by), Number::own(ended.last))),
        };
        Self {
            incarnation: Count::own(status.incarnation),
            number: Count::own(status.number),
            hears: status.hears.bits(),
            wants: status.wants.bits(),
            members: status.members.iter().map(about).collect(),
            streams: status.streams.iter().map(have).collect(),
        }
    }
}

impl StatusLine {
    /// What it says, if it fits a group of so many members.
    pub(super) fn status(self, members: usize) -> Result<Status, Fault> {
        let all = MemberSet::all(members);
        if self.members.len() != members {
            return Err("does not tell of each member of the group");
        }
        check_streams(self.streams.len(), members)?;
        let about =
            |(incarnation, announced, closed, horizon, sent): (Number, Number, Number, Number, Number)| {
                About {
                    incarnation: incarnation.get(),
                    announced: announced.get(),
                    closed: closed.get(),
                    horizon: horizon.get(),
                    sent: sent.get(),
                }
            };
        let streams = self.streams.into_iter().map(|line| line.have(members));
        let streams = streams.collect::<Result<Vec<_>, _>>()?;
        if !streams.is_sorted_by(|before, after| before.stream < after.stream) {
            return Err(UNSORTED);
        }
        Ok(Status {
            incarnation: self.incarnation.get(),
            number: self.number.get(),
            hears: MemberSet::from_bits(self.hears).and(all),
            wants: MemberSet::from_bits(self.wants).and(all),
            members: self.members.into_iter().map(about).collect(),
            streams,
        })
    }
}

impl HaveLine {
    fn have(self, members: usize) -> Result<Have, Fault> {
        let (through, delivered, purged, stable, dropped, had) = self.at;
        Ok(Have {
            stream: stream_id(self.of.0, self.of.1, members)?,
            through: through.get(),
            delivered: delivered.get(),
            purged: purged.get(),
            stable: stable.get(),
            dropped: dropped.get(),
            had: had.get(),
            lost: ranges(&self.lost, LOST_TOLD_MAX)?,
            beyond: ranges(&self.beyond, GAPS_TOLD_MAX)?,
            ended: self.ended.map(|(by, last)| Ended {
                by: by.get(),
                last: last.get(),
            }),
        })
    }
}

impl From<&Welcome> for WelcomeLine {
    fn from(welcome: &Welcome) -> Self {
        let at = |(id, sequence): &(StreamId, u64)| {
            (
                id.origin.index() as u8,
                Count::own(id.incarnation),
                Number::own(*sequence),
            )
        };
        let former = |(incarnation, last): &(u64, u64)| (Count::own(*incarnation), Number::own(*last));
        Self {
            incarnation: Count::own(welcome.incarnation),
            from: Count::own(welcome.from),
            clock: Number::own(welcome.clock),
            delivered: welcome.delivered.iter().map(at).collect(),
            former: welcome.former.iter().map(former).collect(),
        }
    }
}

impl WelcomeLine {
    /// What it says, if it fits a group of so many members.
    pub(super) fn welcome(self, members: usize) -> Result<Welcome, Fault> {
        check_streams(self.delivered.len(), members)?;
        if self.former.len() > STREAMS_MAX {
            return Err(TOO_MANY);
        }
        let at = |(origin, incarnation, sequence): Triple| -> Result<_, Fault> {
            Ok((stream_id(origin, incarnation, members)?, sequence.get()))
        };
        Ok(Welcome {
            incarnation: self.incarnation.get(),
            from: self.from.get(),
            clock: self.clock.get(),
            delivered: self.delivered.into_iter().map(at).collect::<Result<_, _>>()?,
            former: self
                .former
                .into_iter()
                .map(|(incarnation, last)| (incarnation.get(), last.get()))
                .collect(),
        })
    }
}

fn own_ranges(ranges: &[(u64, u64)]) -> Vec<Range> {
    ranges
        .iter()
        .map(|&(from, to)| (Count::own(from), Count::own(to)))
        .collect()
}

/// Ranges that ascend, at most so many.
fn ranges(read: &[Range], most: usize) -> Result<Vec<(u64, u64)>, Fault> {
    if read.len() > most {
        return Err(TOO_MANY);
    }
    let ranges: Vec<_> = read.iter().map(|(from, to)| (from.get(), to.get())).collect();
    let is_range = ranges.iter().all(|(from, to)| from <= to);
    if !is_range || !ranges.is_sorted_by(|before, after| before.1 < after.0) {
        return Err(UNSORTED);
    }
    Ok(ranges)
}
