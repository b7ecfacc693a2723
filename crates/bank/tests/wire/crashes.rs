//! kill -9 and SIGTERM under load: nothing acknowledged is lost, nothing is done twice, and what has no known outcome
//! is wholly there or wholly absent.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::history::{Attempt, Books, Fate};
use crate::support::load::{Serials, connect_all, work};
use crate::support::random::Random;
use crate::support::toy::{Plant, Toy};
use crate::support::{beside_others, cycles};

const ACCOUNTS: usize = 8;
/// Enough that no random walk of a test empties an account.
const CENTS: i64 = 1_000_000_000_000;
/// A cycle's load runs at most so long before its fault.
const LOAD_MAX_MS: usize = 120;

/// How a cycle ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Kill,
    Terminate,
}

/// What a run of cycles brought.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    unknown: usize,
    unknown_done: usize,
}

/// Loads `bank` and ends it, again and again, checking the books after each time.
fn run(
    bank: &mut impl Subject,
    opening: &Opening,
    endings: &[Ending],
    mut random: Random,
) -> Result<Tally, Vec<String>> {
    let serials = Serials::default();
    let mut books = Books::opened(opening, opening.accounts.len() as u64);
    let mut tally = Tally::default();
    for (cycle, &ending) in endings.iter().enumerate() {
        let failed = |doing: &'static str| {
            move |error: io::Error| vec![format!("after cycle {cycle}, {doing}: {error}")]
        };
        let (attempts, ended) = load_and_end(bank, opening, &serials, ending, &mut random);
        ended.map_err(|what| vec![what])?;
        let mut wires = connect_all(&bank.address(), opening).map_err(failed("logging in"))?;
        let new = books
            .read_new(&mut wires)
            .map_err(failed("reading the statements"))?;
        let places = books.check(&attempts, &new)?;

        // Whoever does not know asks again, under the same key: done now, or told what was done then.
        let mut again: Vec<Attempt> = attempts
            .iter()
            .filter(|attempt| attempt.fate == Fate::Unknown)
            .cloned()
            .collect();
        for attempt in &mut again {
            let wire = wires.get_mut(&attempt.account).unwrap();
            let answer = wire
                .ask(attempt.op(), &attempt.fields())
                .map_err(failed("asking again"))?;
            attempt.fate = Fate::of(&answer);
            if let Some(place) = places.get(&attempt.key) {
                tally.unknown_done += 1;
                let told = Fate::Done {
                    balance: place.balance,
                    entry: place.entry,
                };
                if attempt.fate != told {
                    return Err(vec![format!(
                        "asked again, and told otherwise: {attempt:?}, {place:?}"
                    )]);
                }
            }
        }
        tally.acknowledged += attempts
            .iter()
            .filter(|a| matches!(a.fate, Fate::Done { .. }))
            .count();
        tally.unknown += again.len();
        again.retain(|attempt| !places.contains_key(&attempt.key));
        let new = books
            .read_new(&mut wires)
            .map_err(failed("reading the statements once more"))?;
        books.check(&again, &new)?;
    }
    Ok(tally)
}

fn load_and_end(
    bank: &mut impl Subject,
    opening: &Opening,
    serials: &Serials,
    ending: Ending,
    random: &mut Random,
) -> (Vec<Attempt>, Result<(), String>) {
    let stop = AtomicBool::new(false);
    let wires = connect_all(&bank.address(), opening).unwrap();
    thread::scope(|scope| {
        let workers: Vec<_> = wires
            .into_iter()
            .map(|(account, wire)| {
                let (mut random, stop) = (random.fork(), &stop);
                scope.spawn(move || work(wire, &account, opening, serials, &mut random, stop))
            })
            .collect();
        thread::sleep(Duration::from_millis(5 + random.below(LOAD_MAX_MS) as u64));
        let ended = match ending {
            Ending::Kill => {
                bank.crash();
                Ok(())
            }
            Ending::Terminate => bank.stop(),
        };
        stop.store(true, Ordering::Relaxed);
        let attempts = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect();
        (attempts, ended)
    })
}

fn check_real(test: &str, ending: Ending, quick: usize, thorough: usize) {
    let _beside_others = beside_others();
    let opening = Opening::new(ACCOUNTS, CENTS);
    let cycles = cycles(quick, thorough);
    let mut bank = RealBank::start(&opening);
    let tally = match run(&mut bank, &opening, &vec![ending; cycles], Random::of_test(test)) {
        Ok(tally) => tally,
        Err(violations) => panic!(
            "{} violations: {:#?}",
            violations.len(),
            violations.iter().take(5).collect::<Vec<_>>()
        ),
    };
    println!("{cycles} cycles of {ending:?}: {tally:?}, 0 violations");
    assert!(
        tally.acknowledged > cycles * 10,
        "a load that does nothing proves nothing: {tally:?}"
    );
    if ending == Ending::Terminate {
        assert_eq!(
            tally.unknown_done, 0,
            "a bank that ends in order answers what it has done: {tally:?}"
        );
    }
    if ending == Ending::Kill {
        assert!(
            tally.unknown > 0,
            "kills that interrupt nothing prove nothing: {tally:?}"
        );
    }
}

#[test]
fn kill_loses_nothing_and_doubles_nothing() {
    check_real("kill_loses", Ending::Kill, 10, 200);
}

#[test]
fn sigterm_loses_nothing_and_ends_in_time() {
    check_real("sigterm_loses", Ending::Terminate, 5, 100);
}

/// Who has read the address may end the bank: the signal must not come before its handler.
#[test]
fn sigterm_right_after_the_start_is_an_end_in_order() {
    let opening = Opening::new(1, CENTS);
    let mut bank = RealBank::start(&opening);
    for _ in 0..20 {
        bank.stop().unwrap();
    }
}

/// Runs against a toy with a fault.
fn control(plant: Plant) -> Result<Tally, Vec<String>> {
    let opening = Opening::new(ACCOUNTS, CENTS);
    let mut toy = Toy::start(&opening, plant);
    run(
        &mut toy,
        &opening,
        &[Ending::Kill; 12],
        Random::of_test("control_of_kill"),
    )
}

#[test]
fn control_of_kill_a_sound_toy_passes() {
    let tally = control(Plant::Nothing).unwrap();
    assert!(tally.acknowledged > 100 && tally.unknown > 0, "{tally:?}");
}

#[test]
fn control_of_kill_an_early_acknowledgement_is_found() {
    let violations = control(Plant::AcknowledgesTooEarly).unwrap_err();
    assert!(
        violations
            .iter()
            .any(|violation| violation.contains("acknowledged and lost")),
        "{violations:?}"
    );
}

#[test]
fn control_of_sigterm_an_early_acknowledgement_is_found() {
    let opening = Opening::new(ACCOUNTS, CENTS);
    let mut toy = Toy::start(&opening, Plant::AcknowledgesTooEarly);
    let random = Random::of_test("control_of_sigterm");
    let violations = run(&mut toy, &opening, &[Ending::Terminate; 12], random).unwrap_err();
    assert!(
        violations
            .iter()
            .any(|violation| violation.contains("acknowledged and lost"))
    );
}

#[test]
fn control_of_kill_a_torn_transfer_is_found() {
    let violations = control(Plant::TearsTransfers).unwrap_err();
    assert!(
        violations
            .iter()
            .any(|violation| violation.contains("half there")),
        "{violations:?}"
    );
}

#[test]
fn control_of_kill_a_second_application_is_found() {
    let violations = control(Plant::ForgetsKeys).unwrap_err();
    assert!(
        violations
            .iter()
            .any(|violation| violation.contains("told otherwise")),
        "{violations:?}"
    );
}
