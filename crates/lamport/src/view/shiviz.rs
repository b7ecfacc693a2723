//! The log that ShiViz reads (I. Beschastnikh et al., *Debugging Distributed Systems*, CACM 59(8), 2016): each event
//! with its vector clock, which is computed from the messages.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Run;

/// The regular expression that takes the log apart; ShiViz's own default, and the log's first line.
pub const SHIVIZ_PATTERN: &str = r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})";

/// Writes the run as a file that ShiViz opens: the regular expression, an empty delimiter, then two lines an event.
#[must_use]
pub fn shiviz(run: &Run) -> String {
    let mut out = format!("{SHIVIZ_PATTERN}\n\n");
    let mut clocks: Vec<BTreeMap<usize, u64>> = vec![BTreeMap::new(); run.processes.len()];
    // What a message carries, kept until its last receive.
    let mut carried: BTreeMap<usize, (BTreeMap<usize, u64>, usize)> = BTreeMap::new();
    let mut sender_of = vec![None; run.events.len()];
    for &(from, to) in &run.arrows {
        sender_of[to] = Some(from);
        carried.entry(from).or_default().1 += 1;
    }
    for (index, event) in run.events.iter().enumerate() {
        let clock = &mut clocks[event.process];
        *clock.entry(event.process).or_default() += 1;
        if let Some(from) = sender_of[index]
            && let Some((sent, receivers)) = carried.get_mut(&from)
        {
            for (process, count) in sent.iter() {
                let known = clock.entry(*process).or_default();
                *known = (*known).max(*count);
            }
            *receivers -= 1;
            if *receivers == 0 {
                carried.remove(&from);
            }
        }
        if let Some((sent, _)) = carried.get_mut(&index) {
            sent.clone_from(clock);
        }
        let host = &run.processes[event.process];
        let _ = write!(out, "{} (Lamport {})\n{host} {{", event.label, event.lamport);
        let entries = clock.iter().map(|(process, count)| {
            let name = serde_json::to_string(&run.processes[*process]).expect("a text is always JSON");
            format!("{name}:{count}")
        });
        out.push_str(&entries.collect::<Vec<_>>().join(", "));
        out.push_str("}\n");
    }
    out
}
