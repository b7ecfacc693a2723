//! What is recorded is in the file, in order, and what is not is told.

use super::*;
use crate::Clock;
use crate::trace::limits::{LINE_BYTES_MAX, QUEUE_BYTES_MAX};
use crate::trace::{Message, Reader, Record, facts::fact};
use std::sync::{Mutex, mpsc};

/// A sink that shows what was written, and writes nothing while its gate is locked.
#[derive(Clone, Default)]
pub(super) struct Sink {
    pub(super) text: Arc<Mutex<Vec<u8>>>,
    pub(super) gate: Arc<Mutex<()>>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _open = self.gate.lock().unwrap();
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    pub(super) fn tracer(&self) -> Tracer {
        Tracer::to_writer(self.clone(), ProcessId::new("P1").unwrap(), Service::Other).unwrap()
    }

    pub(super) fn records(&self) -> Vec<Record<'static>> {
        Reader::new(&self.text.lock().unwrap()[..])
            .map(Result::unwrap)
            .collect()
    }
}

#[test]
fn off_records_nothing_and_still_advances() {
    let tracer = Tracer::off();
    let clock = Clock::new();
    tracer.record(1, &Event::local("a", &[]));
    assert_eq!(tracer.stamped(|| clock.tick(), &Event::local("a", &[])), Ok(1));
    assert!(!tracer.is_on());
    assert_eq!(tracer.close().unwrap(), Summary::default());
}

#[test]
fn many_threads_share_a_clock_and_the_trace_keeps_its_order() {
    let sink = Sink::default();
    let tracer = sink.tracer();
    let clock = Clock::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..5000u64 {
                    tracer
                        .stamped(|| clock.tick(), &Event::send("x", &[fact("n", n)]))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(
        tracer.close().unwrap(),
        Summary {
            written: 20_000,
            dropped: 0
        }
    );
    let records = sink.records();
    for (record, time) in records.iter().zip(1..=20_000) {
        let Record::Event(event) = record else {
            panic!("{record:?}")
        };
        assert_eq!(event.lamport, time);
    }
    assert_eq!(
        records[20_000..],
        [Record::Closed(Summary {
            written: 20_000,
            dropped: 0
        })]
    );
}

#[test]
fn a_stalled_disk_costs_events_but_no_time_and_the_file_tells() {
    let sink = Sink::default();
    let tracer = sink.tracer();
    let stall = sink.gate.lock().unwrap();
    // Never the message before, so that no line is small.
    let messages = ["x".repeat(100), "y".repeat(100)];
    let mut told = 0;
    while tracer.summary().dropped < 10 {
        told += 1;
        let message = Message::Text(&messages[told as usize % 2]);
        tracer.record(told, &Event::receive("a", message, &[]));
    }
    assert!(told * 100 < 2 * QUEUE_BYTES_MAX as u64, "the queue is bounded");
    drop(stall);
    let summary = tracer.close().unwrap();
    assert_eq!(
        summary,
        Summary {
            written: told - 10,
            dropped: 10
        }
    );
    let records = sink.records();
    assert_eq!(
        records
            .iter()
            .filter(|record| matches!(record, Record::Event(_)))
            .count() as u64,
        told - 10
    );
    assert!(records.contains(&Record::Dropped(10)));
    assert_eq!(records.last(), Some(&Record::Closed(summary)));
}

#[test]
fn a_line_beyond_the_bound_is_dropped_and_told() {
    let sink = Sink::default();
    let tracer = sink.tracer();
    let text = "x".repeat(LINE_BYTES_MAX);
    tracer.record(1, &Event::local("a", &[fact("text", text.as_str())]));
    tracer.record(2, &Event::local("b", &[]));
    drop(tracer);
    assert!(matches!(
        &sink.records()[..],
        [Record::Dropped(1), Record::Event(event), Record::Closed(Summary { written: 1, dropped: 1 })] if event.lamport == 2
    ));
}

#[test]
fn what_is_recorded_appears_without_closing_and_after_it_nothing() {
    let (lines, arrived) = mpsc::channel();
    struct Tell(mpsc::Sender<Vec<u8>>);
    impl Write for Tell {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let tracer = Tracer::to_writer(Tell(lines), ProcessId::new("P1").unwrap(), Service::Other).unwrap();
    let other = tracer.for_process(ProcessId::new("P2").unwrap());
    other.record(1, &Event::local("a", &[]));
    assert!(
        arrived
            .recv()
            .unwrap()
            .starts_with(br#"{"process":"P2","lamport":1"#)
    );
    assert_eq!(tracer.close().unwrap().written, 1);
    other.record(2, &Event::local("late", &[]));
    assert_eq!(
        tracer.close().unwrap(),
        Summary {
            written: 1,
            dropped: 1
        }
    );
}

#[test]
fn a_failing_disk_is_told_at_close_and_stops_nobody() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let tracer = Tracer::to_writer(Full, ProcessId::new("P1").unwrap(), Service::Other).unwrap();
    for time in 1..1000 {
        tracer.record(time, &Event::local("a", &[]));
    }
    for _ in 0..2 {
        assert_eq!(
            tracer.close().unwrap_err().source.kind(),
            io::ErrorKind::StorageFull
        );
    }
}

#[test]
fn a_batch_has_one_wall_time_and_follows_what_was_before_it() {
    let sink = Sink::default();
    let tracer = sink.tracer();
    let mut batched = tracer.batched();
    assert!(batched.is_on());
    for batch in 0..3u64 {
        for n in 1..=1000 {
            batched.record(1000 * batch + n, &Event::send("x", &[fact("n", n)]));
        }
        batched.end_batch();
    }
    assert_eq!(tracer.summary().written, 3000);
    batched.record(3001, &Event::local("not ended", &[]));
    drop(batched);
    tracer.close().unwrap();
    let records = sink.records();
    assert_eq!(records.len(), 3002);
    let events = records.iter().filter_map(|record| match record {
        Record::Event(event) => Some(event),
        _ => None,
    });
    let mut times = Vec::new();
    for (event, time) in events.zip(1..) {
        assert_eq!(event.lamport, time);
        times.push(event.at_us);
    }
    assert!(times.is_sorted());
    times.dedup();
    assert!(times.len() <= 4, "{times:?}");
}

#[test]
fn a_batch_that_finds_no_room_is_dropped_whole_and_told() {
    let sink = Sink::default();
    let tracer = sink.tracer();
    let mut batched = tracer.batched();
    let stall = sink.gate.lock().unwrap();
    let messages = ["x".repeat(100), "y".repeat(100)];
    let mut told = 0;
    while tracer.summary().dropped == 0 {
        for _ in 0..500 {
            told += 1;
            let message = Message::Text(&messages[told as usize % 2]);
            batched.record(told, &Event::receive("a", message, &[]));
        }
        batched.end_batch();
    }
    drop(stall);
    while sink.text.lock().unwrap().len() < QUEUE_BYTES_MAX / 2 {
        std::thread::yield_now();
    }
    let text = "x".repeat(LINE_BYTES_MAX);
    batched.record(told + 1, &Event::local("a", &[fact("text", text.as_str())]));
    batched.record(told + 2, &Event::local("b", &[]));
    batched.record(told + 3, &Event::local("b", &[]));
    drop(batched);
    let summary = tracer.close().unwrap();
    assert_eq!((summary.written, summary.dropped), (told - 500 + 2, 501));
    let records = sink.records();
    let end = &records[records.len() - 5..];
    assert_eq!(
        (&end[0], &end[1], &end[4]),
        (
            &Record::Dropped(500),
            &Record::Dropped(1),
            &Record::Closed(summary)
        )
    );
    let times = records.iter().filter_map(|record| match record {
        Record::Event(event) => Some(event.lamport),
        _ => None,
    });
    assert!(times.eq((1..=told - 500).chain([told + 2, told + 3])));
}

#[test]
fn short_lines_of_two_owners_in_one_file_are_kept_apart() {
    let sink = Sink::default();
    let tracer = sink.tracer();
    let mut owners = [
        tracer.batched(),
        tracer.for_process(ProcessId::new("P2").unwrap()).batched(),
    ];
    for time in 1..=100 {
        for owner in &mut owners {
            owner.record(time, &Event::local("a", &[]));
            owner.end_batch();
        }
        tracer
            .for_process(ProcessId::new("P3").unwrap())
            .record(time, &Event::local("b", &[]));
    }
    drop(owners);
    tracer.close().unwrap();
    let mut times = [1; 3];
    for record in sink.records() {
        let Record::Event(event) = record else { continue };
        let place = usize::from(event.process.as_bytes()[1] - b'1');
        assert_eq!(
            (event.lamport, &*event.label),
            (times[place], ["a", "a", "b"][place])
        );
        times[place] += 1;
    }
    assert_eq!(times, [101; 3]);
}
