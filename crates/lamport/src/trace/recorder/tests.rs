//! What is recorded is in the file, in order, and what is not is told.

use super::*;
use crate::Clock;
use crate::trace::limits::{LINE_BYTES_MAX, QUEUE_BYTES_MAX};
use crate::trace::{Reader, Record, facts::fact};
use std::sync::{Mutex, mpsc};

/// A sink that shows what was written, and writes nothing while its gate is locked.
#[derive(Clone, Default)]
struct Sink {
    text: Arc<Mutex<Vec<u8>>>,
    gate: Arc<Mutex<()>>,
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
    fn tracer(&self) -> Tracer {
        Tracer::to_writer(self.clone(), ProcessId::new("P1").unwrap(), Service::Other).unwrap()
    }

    fn records(&self) -> Vec<Record<'static>> {
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
    let label = "x".repeat(100);
    let mut told = 0;
    while tracer.summary().dropped < 10 {
        told += 1;
        tracer.record(told, &Event::local(&label, &[]));
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
