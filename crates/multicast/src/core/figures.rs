//! What a peer shows of itself: where it is, and how much it keeps.

use super::Peer;
#[cfg(test)]
use super::stream::Stream;
use crate::members::{Member, MemberSet};

impl Peer {
    /// The Lamport time of this peer's latest event.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// This life of the member.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The sequence of the last own message in this incarnation.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Messages kept here for members that do not have them yet, and their payload bytes.
    #[must_use]
    pub fn retained(&self) -> (u64, u64) {
        (self.retained, self.retained_bytes)
    }

    /// Copies dropped so far.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Messages received that wait for their turn.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.undelivered
    }

    /// Messages kept here that `member` is not known to have.
    #[must_use]
    pub fn lacks(&self, member: Member) -> u64 {
        let streams = self.origins.iter().flat_map(|origin| &origin.streams);
        streams
            .map(|stream| {
                stream
                    .top()
                    .saturating_sub(stream.views[member.index()].through.max(stream.purged()))
            })
            .sum()
    }

    /// Members whose word this peer needs before it can take part: its state is lost, and in total order only everybody
    /// together knows where it was.
    #[must_use]
    pub fn wants(&self) -> MemberSet {
        self.wants
    }

    /// How many streams are open: one for each member heard of, and superseded ones that somebody may still need.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.origins.iter().map(|origin| origin.streams.len()).sum()
    }

    /// Places in sequences that take memory.
    #[cfg(test)]
    pub(crate) fn slots(&self) -> usize {
        let streams = self.origins.iter().flat_map(|origin| &origin.streams);
        streams.map(|stream| stream.slots.len()).sum()
    }

    /// Messages delivered and kept for others: what the retention bound is about.
    #[cfg(test)]
    pub(crate) fn kept_for_others(&self) -> u64 {
        self.origins
            .iter()
            .flat_map(|origin| &origin.streams)
            .map(Stream::kept_for_others)
            .sum()
    }
}
