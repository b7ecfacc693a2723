//! What many threads record is in the file in the order of their clock, and what is not is told.

use super::super::tests::Sink;
use super::*;
use crate::Clock;
use crate::trace::limits::{LINE_BYTES_MAX, QUEUE_BYTES_MAX};
use crate::trace::{Message, Record, facts::fact};

const fn at(lane: usize) -> Here {
    Here { lane, at_us: 1 }
}

fn times(records: &[Record<'_>]) -> Vec<u64> {
    let time = |record: &Record<'_>| match record {
        Record::Event(event) => Some(event.lamport),
        _ => None,
    };
    records.iter().filter_map(time).collect()
}

#[test]
fn off_it_only_advances() {
    let (tracer, clock) = (Tracer::off().shared(), Clock::new());
    assert_eq!(
        tracer.stamped(at(3), || clock.tick(), &Event::local("a", &[])),
        Ok(1)
    );
    assert!(!tracer.is_on());
    assert_eq!(tracer.close().unwrap(), Summary::default());
}

#[test]
fn many_threads_on_many_lanes_stand_in_the_order_of_the_clock() {
    const EACH: u64 = 20_000;
    let sink = Sink::default();
    let tracer = sink.tracer().shared();
    let clock = Clock::new();
    std::thread::scope(|scope| {
        for lane in [0, 1, 2, 2, usize::MAX] {
            let (tracer, clock) = (tracer.clone(), &clock);
            scope.spawn(move || {
                for n in 0..EACH {
                    let facts = [fact("n", n)];
                    let event = Event::send("x", &facts);
                    tracer.stamped(at(lane), || clock.tick(), &event).unwrap();
                }
            });
        }
    });
    let summary = tracer.close().unwrap();
    assert_eq!((summary.written, summary.dropped), (5 * EACH, 0));
    let records = sink.records();
    assert!(times(&records).into_iter().eq(1..=5 * EACH));
    assert_eq!(records.last(), Some(&Record::Closed(summary)));
}

#[test]
fn an_event_appears_without_another_after_it() {
    let sink = Sink::default();
    let tracer = sink.tracer().shared();
    for time in 1..=3 {
        let nobody_stamps = || Ok::<_, ()>(time);
        tracer
            .stamped(at(time as usize), nobody_stamps, &Event::local("a", &[]))
            .unwrap();
        while times(&sink.records()).len() < time as usize {
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_finds_no_room_on_a_lane_is_dropped_and_told_where_it_is_missing() {
    let sink = Sink::default();
    let tracer = sink.tracer().shared();
    let clock = Clock::new();
    let record = |lane, event: &Event<'_>| tracer.stamped(at(lane), || clock.tick(), event).unwrap();
    let dropped = || tracer.on.as_ref().unwrap().0.recorder.summary().dropped;
    let stall = sink.gate.lock().unwrap();
    // Never the message before, so that no line is small.
    let messages = ["x".repeat(100), "y".repeat(100)];
    let mut told = 0;
    while dropped() < 10 {
        told = record(
            1,
            &Event::receive("a", Message::Text(&messages[told as usize % 2]), &[]),
        );
    }
    assert!(told * 100 < QUEUE_BYTES_MAX as u64, "the lane is bounded");
    drop(stall);
    // Not all of what waits is taken at once: it waits until there is room again.
    let room = || loop {
        let before = dropped();
        let time = record(1, &Event::local("room", &[]));
        if dropped() == before {
            return time;
        }
    };
    let back = room();
    let text = "x".repeat(LINE_BYTES_MAX);
    let long = record(1, &Event::local("a", &[fact("text", text.as_str())]));
    let summary = tracer.close().unwrap();
    record(2, &Event::local("late", &[]));
    assert_eq!(tracer.close().unwrap().dropped, summary.dropped + 1);
    assert_eq!(summary.written + summary.dropped, long);
    let records = sink.records();
    let times = times(&records);
    assert_eq!((times.len() as u64, times.last()), (summary.written, Some(&back)));
    assert!(times.is_sorted());
    let end = &records[records.len() - 4..];
    assert_eq!(
        (&end[0], &end[2], &end[3]),
        (
            &Record::Dropped(summary.dropped - 1),
            &Record::Dropped(1),
            &Record::Closed(summary)
        )
    );
}

/// Beside a thread that tells its events one by one, so that its times lie between those of the others, and not in every run.
#[test]
fn what_is_told_of_several_events_at_once_stands_in_the_order_of_the_clock() {
    const BATCHES: u64 = 200;
    const EACH: u64 = 64;
    let sink = Sink::default();
    let tracer = sink.tracer().shared();
    let clock = Clock::new();
    std::thread::scope(|scope| {
        for lane in [0, 1, 1] {
            let (tracer, clock) = (tracer.clone(), &clock);
            scope.spawn(move || {
                for batch in 0..BATCHES {
                    let mut together = tracer.lane(at(lane));
                    for n in 0..EACH {
                        let message = Message::Request {
                            connection: "c",
                            number: batch * EACH + n,
                        };
                        let event = Event::receive("x", message, &[]);
                        together.stamped(|| clock.tick(), &event).unwrap();
                    }
                }
            });
        }
        for n in 0..BATCHES * EACH {
            let facts = [fact("n", n)];
            let event = Event::send("y", &facts);
            tracer.stamped(at(1), || clock.tick(), &event).unwrap();
        }
    });
    let summary = tracer.close().unwrap();
    assert_eq!((summary.written, summary.dropped), (4 * BATCHES * EACH, 0));
    assert!(times(&sink.records()).into_iter().eq(1..=4 * BATCHES * EACH));
}

#[test]
fn events_that_go_on_as_the_one_before_are_counted_only_if_nothing_lies_between() {
    let sink = Sink::default();
    let tracer = sink.tracer().shared();
    let clock = Clock::new();
    let event = Event::local("a", &[]);
    let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    let lines = |step: u64| {
        let before = count(&sink.text.lock().unwrap());
        let mut told = tracer.lane(at(0));
        for _ in 0..100 {
            told.stamped(|| (0..step).map(|_| clock.tick()).last().unwrap(), &event)
                .unwrap();
        }
        drop(told);
        // What is told is there once a later event is.
        let last = tracer.stamped(at(0), || clock.tick(), &event).unwrap();
        while times(&sink.records()).last() != Some(&last) {
            std::thread::yield_now();
        }
        count(&sink.text.lock().unwrap()) - before
    };
    // In full once, and once with a number; a change, and that it comes again; the last one.
    assert_eq!(lines(1), 5);
    // Each of them, and the last one.
    assert_eq!(lines(2), 101);
    assert_eq!(tracer.close().unwrap().written, 202);
}

#[test]
fn what_goes_on_is_told_before_events_are_missing() {
    let sink = Sink::default();
    let tracer = sink.tracer().shared();
    let clock = Clock::new();
    let text = "x".repeat(LINE_BYTES_MAX);
    let too_long = [fact("text", text.as_str())];
    let mut told = tracer.lane(at(0));
    for n in 1..=100 {
        let event = match n {
            50 => Event::local("a", &too_long),
            _ => Event::local("a", &[]),
        };
        told.stamped(|| clock.tick(), &event).unwrap();
    }
    drop(told);
    let summary = tracer.close().unwrap();
    assert_eq!((summary.written, summary.dropped), (99, 1));
    let records = sink.records();
    assert_eq!(records[49], Record::Dropped(1));
    assert!(times(&records).into_iter().eq((1..=49).chain(51..=100)));
}
