//! Every interleaving of a few threads: `RUSTFLAGS="--cfg loom" cargo test -p flat-combining --release --lib`.

use std::sync::atomic::{AtomicUsize as Count, Ordering::SeqCst};

use loom::sync::Arc;
use loom::thread;

use super::fault::{self, Fault};
use super::*;

/// What was done, in its order.
type Log = Vec<u64>;

/// Does what is published, and remembers that it handed over.
struct Member {
    log: Combining<Log, Vec<u64>>,
    handed_over: Count,
}

impl Combiner<Log, Vec<u64>> for Member {
    fn combine<R>(&self, mut log: Hold<'_, Log, Vec<u64>>, work: impl FnOnce(&mut Log) -> R) -> Option<R> {
        log.take_published(|log, _place, batch| log.append(batch));
        Some(work(&mut log))
    }

    fn hand_over(&self) {
        self.handed_over.fetch_add(1, SeqCst);
    }
}

impl Member {
    /// Publishes at `place`, or waits, as a link does.
    fn arrive(&self, place: usize, item: u64) {
        let mut batch = vec![item];
        if !self.log.publish(self, place, &mut batch).unwrap() {
            self.log.with(self, |log| log.append(&mut batch)).unwrap();
        }
    }
}

/// In how many interleavings of three threads it is `wrong` what they have done, when each has gone and who was called in has come:
/// the first has something of its own to do, the second publishes one batch, the third two. Counted, not asserted inside,
/// since a model cannot unwind what still waits.
fn count(fault: Option<Fault>, wrong: fn(&Log) -> bool) -> usize {
    fault::plant(fault);
    let found = std::sync::Arc::new(Count::new(0));
    let count = found.clone();
    let mut explorer = loom::model::Builder::new();
    // Nearly all races show with so many; without a bound three threads take hours.
    explorer.preemption_bound = Some(3);
    explorer.check(move || {
        let member = Arc::new(Member {
            log: Combining::new(Log::new(), 2, 1),
            handed_over: Count::new(0),
        });
        let links = [(0, &[1][..]), (1, &[2, 3])].map(|(place, items)| {
            let member = member.clone();
            thread::spawn(move || items.iter().for_each(|item| member.arrive(place, *item)))
        });
        member.log.with(&*member, |log| log.push(0)).unwrap();
        for link in links {
            link.join().unwrap();
        }
        if member.handed_over.load(SeqCst) > 0 {
            member.log.with(&*member, |_| ()).unwrap();
        }
        if member.log.look(&*member, |log| wrong(log)).unwrap() {
            count.fetch_add(1, SeqCst);
        }
    });
    fault::plant(None);
    found.load(SeqCst)
}

/// Something stays behind.
fn is_incomplete(log: &Log) -> bool {
    log.len() < 4
}

#[test]
fn nothing_stays_behind() {
    assert_eq!(count(None, is_incomplete), 0);
}

#[test]
fn control_without_a_look_after_work_something_stays_behind() {
    assert!(count(Some(Fault::NoLookAfterWork), is_incomplete) > 0);
}

#[test]
fn control_without_handing_over_something_stays_behind() {
    assert!(count(Some(Fault::NoHandOver), is_incomplete) > 0);
}

#[test]
fn what_one_place_publishes_is_done_once_and_in_its_order() {
    let out_of_order = |log: &Log| {
        let third: Vec<u64> = log.iter().copied().filter(|item| *item >= 2).collect();
        third != [2, 3]
    };
    assert_eq!(count(None, out_of_order), 0);
}
