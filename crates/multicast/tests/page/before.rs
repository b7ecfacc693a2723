//! What happened before what, found without the page: from the trace files, by asking of every pair of events whether there is
//! a way from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use lamport::trace::{Kind, TraceEvent};

/// An event: its process, and its place on that process's line from 1.
pub(crate) type Place = (String, usize);

/// The events of a run and the steps from one to the next: along a line, and from a broadcast to its deliveries.
pub(crate) struct Before {
    pub(crate) events: BTreeMap<Place, TraceEvent<'static>>,
    steps: BTreeSet<(Place, Place)>,
}

impl Before {
    /// Of the events of all processes, those of each in its order.
    pub(crate) fn of(all: Vec<TraceEvent<'static>>) -> Self {
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        let mut events = BTreeMap::new();
        for event in all {
            let number = lines.entry(event.process.to_string()).or_default();
            *number += 1;
            events.insert((event.process.to_string(), *number), event);
        }
        let mut steps = BTreeSet::new();
        for (place, event) in &events {
            let next = (place.0.clone(), place.1 + 1);
            if events.contains_key(&next) {
                steps.insert((place.clone(), next));
            }
            for (other, receive) in &events {
                if event.kind == Kind::Send
                    && receive.kind == Kind::Receive
                    && event.message == receive.message
                {
                    steps.insert((place.clone(), other.clone()));
                }
            }
        }
        Self { events, steps }
    }

    /// `before`, `after`, `concurrent` or `itself`: how each event stands to that one.
    pub(crate) fn relations(&self, to: &Place) -> BTreeMap<Place, &'static str> {
        let reaches = |from: &Place, to: &Place| {
            let mut reached = BTreeSet::from([from]);
            loop {
                let before = reached.len();
                let more: Vec<_> = self.steps.iter().filter(|(a, _)| reached.contains(a)).collect();
                reached.extend(more.into_iter().map(|(_, b)| b));
                if reached.len() == before {
                    return reached.contains(to);
                }
            }
        };
        let relation = |event: &Place| match event {
            itself if itself == to => "itself",
            event if reaches(event, to) => "before",
            event if reaches(to, event) => "after",
            _ => "concurrent",
        };
        self.events
            .keys()
            .map(|event| (event.clone(), relation(event)))
            .collect()
    }
}
