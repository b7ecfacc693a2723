//! What several lanes recorded, put into the order of one clock.

use std::ops::Range;

/// Lines in the order of their times, and where each event among them ends.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) lines: Vec<u8>,
    pub(super) ends: Vec<End>,
}

/// Where the lines that belong to an event end.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) time: u64,
    pub(super) at: usize,
}

impl Told {
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.ends.clear();
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.lines.len() + size_of_val(&*self.ends)
    }
}

/// Appends what the lanes hold, in the order of the times. What comes in a row from one lane is copied at once.
pub(super) fn merge(lanes: &[Told], out: &mut Vec<u8>) {
    out.reserve(lanes.iter().map(|lane| lane.lines.len()).sum());
    let mut rests: Vec<Rest<'_>> = lanes
        .iter()
        .filter(|lane| !lane.ends.is_empty())
        .map(|told| Rest { told, next: 0 })
        .collect();
    loop {
        let Some(first) = (0..rests.len()).min_by_key(|lane| rests[*lane].time()) else {
            return;
        };
        let others = rests.iter().enumerate().filter(|(lane, _)| *lane != first);
        let before = others.map(|(_, rest)| rest.time()).min().unwrap_or(u64::MAX);
        let rest = &mut rests[first];
        out.extend_from_slice(&rest.told.lines[rest.through(before)]);
        if rest.next == rest.told.ends.len() {
            rests.swap_remove(first);
        }
    }
}

/// What of a lane is not copied yet: at least one event.
struct Rest<'t> {
    told: &'t Told,
    next: usize,
}

impl Rest<'_> {
    fn time(&self) -> u64 {
        self.told.ends[self.next].time
    }

    /// Goes on to the first event that is not before that time, at least by one. Says which bytes it passed.
    fn through(&mut self, before: u64) -> Range<usize> {
        let start = match self.next {
            0 => 0,
            next => self.told.ends[next - 1].at,
        };
        let passed = self.told.ends[self.next + 1..]
            .iter()
            .take_while(|end| end.time < before)
            .count();
        self.next += 1 + passed;
        start..self.told.ends[self.next - 1].at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(times: impl IntoIterator<Item = u64>) -> Told {
        let mut told = Told::default();
        for time in times {
            told.lines.extend_from_slice(format!("{time}\n").as_bytes());
            let at = told.lines.len();
            told.ends.push(End { time, at });
        }
        told
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_times(lanes_of in prop::collection::vec(0..5usize, 0..60)) {
            let of = |lane| (1..).zip(&lanes_of).filter(move |(_, of)| **of == lane).map(|(time, _)| time);
            let lanes: Vec<Told> = (0..5).map(|lane| told(of(lane))).collect();
            let mut out = Vec::new();
            merge(&lanes, &mut out);
            prop_assert_eq!(out, told(1..=lanes_of.len() as u64).lines);
        }
    }
}
