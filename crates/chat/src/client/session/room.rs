//! How far a room was seen, and its replay after a lost connection.

/// Invariant: every event up to `cursor` was seen, or reported as missed.
#[derive(Debug)]
pub(super) struct Room {
    cursor: u64,
    replay: Replay,
    /// Our own lines in the replay are ours up to where we are seen leaving.
    still_ours: bool,
    /// The replay has a hole, or is of another room by the same name.
    has_hole: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replay {
    None,
    /// The connection was lost and the room is not entered again yet.
    Awaited,
    /// Entered again with this number; the replay goes up to the one before.
    Until(u64),
}

/// An event that is new.
pub(super) struct Seen {
    /// How many before it will not be seen.
    pub(super) missed: u64,
    /// It is from while we were away.
    pub(super) is_replayed: bool,
}

impl Room {
    /// Entered for the first time: our own `entered` has the number `seq`.
    pub(super) fn entered(seq: u64) -> Self {
        Self {
            cursor: seq,
            replay: Replay::None,
            still_ours: false,
            has_hole: false,
        }
    }

    /// Entered again: our own `entered` has the number `seq`.
    pub(super) fn entered_again(&mut self, seq: u64) {
        if seq <= self.cursor {
            // The server has forgotten the room, and everything in it is news.
            self.cursor = 0;
            self.has_hole = true;
        }
        self.replay = Replay::Until(seq);
        self.end_replay();
    }

    pub(super) fn lost(&mut self) {
        self.replay = Replay::Awaited;
        self.still_ours = true;
        self.has_hole = false;
    }

    /// Something of our own has this number.
    pub(super) fn own(&mut self, seq: u64) {
        self.cursor = self.cursor.max(seq);
    }

    /// So many events will not be seen.
    pub(super) fn lagged(&mut self, missed: u64) {
        self.cursor += missed;
        self.has_hole = true;
        self.end_replay();
    }

    /// An event has this number; nothing if it was seen before.
    pub(super) fn see(&mut self, seq: u64) -> Option<Seen> {
        let missed = seq.checked_sub(self.cursor)?.checked_sub(1)?;
        let is_replayed = self.is_replaying();
        self.has_hole |= missed > 0;
        self.cursor = seq;
        self.end_replay();
        Some(Seen { missed, is_replayed })
    }

    /// We are seen leaving in the replay: lines by our name that follow are somebody else's.
    pub(super) fn left(&mut self) {
        self.still_ours = false;
    }

    pub(super) fn is_still_ours(&self) -> bool {
        self.still_ours
    }

    pub(super) fn seen_through(&self) -> u64 {
        self.cursor
    }

    pub(super) fn is_replaying(&self) -> bool {
        self.replay != Replay::None
    }

    /// Whether the replay holds everything.
    pub(super) fn is_whole(&self) -> bool {
        !self.has_hole
    }

    fn end_replay(&mut self) {
        if let Replay::Until(seq) = self.replay
            && self.cursor + 1 >= seq
        {
            self.cursor = self.cursor.max(seq);
            self.replay = Replay::None;
        }
    }
}
