//! The log that ShiViz reads (I. Beschastnikh et al., *Debugging Distributed Systems*, CACM 59(8), 2016): each event
//! with its vector clock.

use std::fmt::Write;

use super::causality::vector_clocks;
use super::{Run, VectorClock};

/// The regular expression that takes the log apart; ShiViz's own default, and the log's first line.
pub const SHIVIZ_PATTERN: &str = r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})";

/// Writes the run as a file that ShiViz opens: the regular expression, an empty delimiter, then two lines an event.
#[must_use]
pub fn shiviz(run: &Run) -> String {
    let mut out = format!("{SHIVIZ_PATTERN}\n\n");
    for (event, clock) in run.events.iter().zip(vector_clocks(run)) {
        let host = &run.processes[event.process];
        let clock = json(run, &clock);
        let _ = writeln!(
            out,
            "{} (Lamport {})\n{host} {{{clock}}}",
            event.label, event.lamport
        );
    }
    out
}

fn json(run: &Run, clock: &VectorClock) -> String {
    let entries = clock.entries().map(|(process, count)| {
        let name = serde_json::to_string(&run.processes[process]).expect("a text is always JSON");
        format!("{name}:{count}")
    });
    entries.collect::<Vec<_>>().join(", ")
}
