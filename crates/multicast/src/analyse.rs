//! `multicast analyse TRACE…`: the table of a run, from what its peers recorded.

use std::io::{self, Write};
use std::path::PathBuf;

use lamport::check::{Merge, MergeError};
use lamport::view::{Filter, Table};

/// Show which stamp every event of a run has at every process, from the peers' traces.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AnalyseArgs {
    /// Traces written with --trace, one or more
    #[arg(required = true, value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,
    /// A line for every message instead of every event
    #[arg(long)]
    pub(crate) by_message: bool,
    /// Print the table as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Why no table was shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnalyseError {
    /// The traces cannot be read.
    #[error(transparent)]
    Traces(#[from] MergeError),
    /// The output cannot be written.
    #[error("failed to write the table: {0}")]
    Write(#[from] io::Error),
}

/// Writes the table to `out`, and to `talk` what the traces lack.
pub(crate) fn analyse(
    args: &AnalyseArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> Result<(), AnalyseError> {
    let mut merge = Merge::new();
    for trace in &args.traces {
        merge.open(trace)?;
    }
    let all = Filter {
        events_max: usize::MAX,
        ..Filter::default()
    };
    let table = Table::read(&mut merge, &all)?;
    if args.json {
        serde_json::to_writer(&mut *out, &table).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if table.messages.is_empty() {
        writeln!(talk, "no messages in these traces")?;
    } else if args.by_message {
        write!(out, "{}", table.by_message())?;
    } else {
        write!(out, "{table}")?;
    }
    if table.dropped > 0 {
        writeln!(
            talk,
            "note: {} events are missing: a disk could not keep up with its trace",
            table.dropped
        )?;
    }
    if table.unfinished > 0 {
        writeln!(
            talk,
            "note: {} of {} traces do not end in good order: their processes were killed or are still running",
            table.unfinished,
            args.traces.len()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamport::trace::facts::{
        ACT, BROADCAST, DELIVER, DELIVERED, Fact, INCARNATION, ORIGIN, SEQUENCE, fact,
    };
    use lamport::trace::{Event, Message, Service, Tracer};
    use lamport::{Clock, ProcessId};

    /// A run by the rule: P1, P2 and P3 send one message each, every one after the last was delivered everywhere.
    fn record_s3(directory: &std::path::Path) -> Vec<PathBuf> {
        let names = ["P1", "P2", "P3"];
        let paths: Vec<PathBuf> = names
            .iter()
            .map(|name| directory.join(format!("{name}.jsonl")))
            .collect();
        let tracers: Vec<Tracer> = names
            .iter()
            .zip(&paths)
            .map(|(name, path)| {
                Tracer::to_file(path, ProcessId::new(name).unwrap(), Service::Multicast).unwrap()
            })
            .collect();
        let clocks: Vec<Clock> = names.iter().map(|_| Clock::new()).collect();
        for (sender, text) in ["Olá a todos!", "Como vocês estão?", "Mensagem final de P3"]
            .iter()
            .enumerate()
        {
            let facts = |act| -> Vec<Fact<'static>> {
                vec![
                    fact(ACT, act),
                    fact(ORIGIN, names[sender]),
                    fact(INCARNATION, 1u64),
                    fact(SEQUENCE, 1u64),
                ]
            };
            let stamp = clocks[sender].tick().unwrap();
            let mut sent = facts(BROADCAST);
            sent.push(fact(DELIVERED, 1u64));
            tracers[sender].record(stamp, &Event::send(text, &sent));
            for receiver in (0..3).filter(|&receiver| receiver != sender) {
                let time = clocks[receiver].receive(stamp).unwrap();
                let message = Message::Sent {
                    process: names[sender],
                    time: stamp,
                };
                tracers[receiver].record(time, &Event::receive(text, message, &facts(DELIVER)));
            }
        }
        for tracer in tracers {
            tracer.close().unwrap();
        }
        paths
    }

    fn show(traces: Vec<PathBuf>, by_message: bool, json: bool) -> (String, String) {
        let (mut out, mut talk) = (Vec::new(), Vec::new());
        analyse(
            &AnalyseArgs {
                traces,
                by_message,
                json,
            },
            &mut out,
            &mut talk,
        )
        .unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(talk).unwrap())
    }

    #[test]
    fn the_documents_run_has_the_stamps_of_the_rule() {
        let directory = tempfile::tempdir().unwrap();
        let mut paths = record_s3(directory.path());
        paths.reverse();
        let (out, talk) = show(paths.clone(), false, false);
        assert_eq!(
            out,
            r#"Event                                 P1  P2  P3
Send "Olá a todos!" (P1)               1   -   -
Delivery "Olá a todos!" (P2)           -   2   -
Delivery "Olá a todos!" (P3)           -   -   2
Send "Como vocês estão?" (P2)          -   3   -
Delivery "Como vocês estão?" (P1)      4   -   -
Delivery "Como vocês estão?" (P3)      -   -   4
Send "Mensagem final de P3" (P3)       -   -   5
Delivery "Mensagem final de P3" (P1)   6   -   -
Delivery "Mensagem final de P3" (P2)   -   6   -
"#
        );
        assert_eq!(talk, "");
        let (json, _) = show(paths, true, true);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["messages"][1]["at"][0]["delivered"], serde_json::json!([4]));
    }

    #[test]
    fn a_trace_cut_off_by_a_kill_is_read_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let paths = record_s3(directory.path());
        let text = std::fs::read_to_string(&paths[0]).unwrap();
        let cut = text.find("{\"closed\"").unwrap() - 20;
        std::fs::write(&paths[0], &text[..cut]).unwrap();
        let (out, talk) = show(paths, true, false);
        assert!(out.lines().count() == 4 && out.contains("5 sent"), "{out}");
        assert!(talk.contains("1 of 3 traces do not end in good order"), "{talk}");
    }
}
