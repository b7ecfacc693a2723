//! Many seeds, all properties.

use std::fmt::Write as _;
use std::ops::Range;

use super::Planted;
use super::host::Keeping;
use super::properties::ALL;
use super::world::World;
use crate::core::Order;

const ORDERS: [Order; 4] = [Order::None, Order::Fifo, Order::Causal, Order::Total];

/// Seeds of a full exploration (`ANTES_SLOW=1`), and of one that fits between two edits.
const SEEDS_FULL: u64 = 10_000;
const SEEDS_QUICK: u64 = 400;

/// The first property that the run of `seed` breaks. The seed also chooses the order.
pub(super) fn broken(
    seed: u64,
    keeping: Keeping,
    planted: Option<Planted>,
    tell: bool,
) -> Option<(&'static str, String)> {
    let order = ORDERS[(seed % 4) as usize];
    let history = match std::panic::catch_unwind(|| World::play(seed, order, keeping, planted, tell)) {
        Ok(history) => history,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
            return Some(("an assertion of the core", said.unwrap_or_default().to_owned()));
        }
    };
    ALL.iter()
        .find_map(|(name, check)| check(&history).err().map(|broken| (*name, broken)))
}

/// The seeds to play: those from `ANTES_SEEDS=400000..500000`, if it is set.
fn seeds() -> Range<u64> {
    if let Ok(given) = std::env::var("ANTES_SEEDS") {
        let number = |text: &str| text.parse().expect("ANTES_SEEDS is two numbers with .. between");
        let (from, to) = given.split_once("..").expect("ANTES_SEEDS is a range");
        return number(from)..number(to);
    }
    if std::env::var_os("ANTES_SLOW").is_some() {
        0..SEEDS_FULL
    } else {
        0..SEEDS_QUICK
    }
}

#[test]
fn every_property_holds_for_every_seed() {
    explore(Keeping::AllOrNothing);
}

#[test]
fn every_property_holds_over_crashes_between_any_two_writes() {
    explore(Keeping::Journal);
}

fn explore(keeping: Keeping) {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut failures: Vec<_> = std::thread::scope(|scope| {
        let seeds = &seeds;
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let seeds = (seeds.start + worker..seeds.end).step_by(threads as usize);
                    let failures = seeds
                        .filter_map(|seed| broken(seed, keeping, None, false).map(|broken| (seed, broken)));
                    failures.take(3).collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a simulation does not panic"))
            .collect()
    });
    failures.sort();
    let mut report = String::new();
    for (seed, (property, how)) in &failures {
        let order = ORDERS[(seed % 4) as usize];
        let _ = writeln!(report, "seed {seed} ({order:?}): {property} is broken: {how}");
        let _ = writeln!(
            report,
            "repeat: ANTES_SEED={seed} ANTES_KEEPING={keeping:?} cargo test -p multicast one_seed -- --nocapture"
        );
    }
    assert!(failures.is_empty(), "{report}");
}

/// Plays the seed given in `ANTES_SEED` and prints all of it.
#[test]
fn one_seed() {
    let given = std::env::var("ANTES_SEED").ok();
    let seed = given
        .as_deref()
        .map_or(0, |seed| seed.parse().expect("ANTES_SEED is a number"));
    let keeping = match std::env::var("ANTES_KEEPING").as_deref() {
        Ok("Journal") => Keeping::Journal,
        _ => Keeping::AllOrNothing,
    };
    if let Some((property, how)) = broken(seed, keeping, None, given.is_some()) {
        panic!("seed {seed}: {property} is broken: {how}");
    }
}
