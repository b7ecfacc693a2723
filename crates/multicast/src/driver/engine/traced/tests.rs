//! What a member records is what happened, however much of it was only counted.

use lamport::ProcessId;
use lamport::trace::{Reader, Record, Service};
use proptest::prelude::*;

use super::*;
use crate::members::Member;

/// Events of one kind in a row, each of which changes the one before by one.
#[derive(Debug, Clone)]
struct Row {
    act: Act,
    origin: usize,
    incarnation: u64,
    sequence: u64,
    /// The time between the last event and the first of these.
    ticks: u64,
    count: u64,
    /// What a broadcast says.
    text: &'static str,
    /// One of them that comes a tick late.
    late: u64,
}

fn row() -> impl Strategy<Value = Row> {
    let act = prop_oneof![
        any::<bool>().prop_map(|delivered| Act::Broadcast { delivered }),
        (1..3u64).prop_map(|stamp| Act::Deliver { stamp }),
        Just(Act::DeliverLater),
        (1..3u64).prop_map(|through| Act::Miss { through }),
    ];
    let text = prop::sample::select(vec!["", "one", "two"]);
    let count = prop_oneof![1..5u64, 60..70u64, Just(5000)];
    (act, 0..2usize, 1..3u64, 1..3u64, 1..3u64, count, text, 0..100u64).prop_map(
        |(act, origin, incarnation, sequence, ticks, count, text, late)| Row {
            act,
            origin,
            incarnation,
            sequence,
            ticks,
            count,
            text,
            late,
        },
    )
}

/// The steps, each with what it says.
fn steps(rows: &[Row]) -> Vec<(Step, &'static str)> {
    let mut time = 0;
    let mut steps = Vec::new();
    for row in rows {
        for nth in 0..row.count {
            time += if nth == 0 {
                row.ticks
            } else {
                1 + u64::from(nth == row.late)
            };
            let act = match row.act {
                Act::Deliver { stamp } => Act::Deliver { stamp: stamp + nth },
                other => other,
            };
            let stream = StreamId {
                origin: Member::new(row.origin),
                incarnation: row.incarnation,
            };
            let id = MessageId {
                stream,
                sequence: row.sequence + nth,
            };
            let text = match act {
                Act::Broadcast { .. } => row.text,
                _ => "",
            };
            steps.push((Step { act, id, time }, text));
        }
    }
    steps
}

/// What is read of a trace into which `record` recorded all of them, but for the time of day.
fn read(record: impl FnOnce(&mut Recorder)) -> Vec<Record<'static>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tracer = Tracer::to_file(file.path(), ProcessId::new("P1").unwrap(), Service::Multicast).unwrap();
    let mut recorder = Recorder::start(&tracer, Arc::new(Members::builtin()), "causal", 0);
    record(&mut recorder);
    recorder.end_batch();
    tracer.close().unwrap();
    let mut records: Vec<_> = Reader::open(file.path()).unwrap().map(Result::unwrap).collect();
    for record in &mut records {
        if let Record::Event(event) = record {
            event.at_us = 0;
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_counted_is_read_like_what_is_told(rows in prop::collection::vec(row(), 1..6)) {
        let steps = steps(&rows);
        let counted = read(|recorder| {
            for (step, text) in &steps {
                recorder.record(*step, !text.is_empty(), || text);
            }
        });
        let told = read(|recorder| steps.iter().for_each(|(step, text)| recorder.tell(*step, text)));
        prop_assert_eq!(counted.len(), told.len());
        for (counted, told) in counted.into_iter().zip(told) {
            prop_assert_eq!(counted, told);
        }
    }
}
