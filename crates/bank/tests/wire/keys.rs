//! Keys over cut connections and restarts: however often a change is sent, it is done once and answered the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::bank::{Address, Opening, RealBank, Subject};
use crate::support::beside_others;
use crate::support::history::{Attempt, Books, Fate};
use crate::support::line::{Answer, Wire};
use crate::support::load::{Serials, connect_all};
use crate::support::random::Random;
use crate::support::toy::{Plant, Toy};

const ACCOUNTS: usize = 8;
const CENTS: i64 = 1_000_000_000_000;
const COPIES_MAX: usize = 5;
/// Changes that a worker sends one after the other on one connection.
const CHUNK: usize = 25;
/// Kills during a run.
const RESTARTS: usize = 6;

/// An answer and to which key.
type Answers = Vec<(String, Answer)>;

/// Sends each of `keys` changes one to five times, over connections that are cut and a bank that is killed meanwhile,
/// and checks that each was done once and always answered alike.
fn run(
    bank: &mut impl Subject,
    opening: &Opening,
    keys: usize,
    mut random: Random,
) -> Result<usize, Vec<String>> {
    let serials = Serials::default();
    let address = bank.address();
    let done = AtomicUsize::new(0);
    let (attempts, answers) = thread::scope(|scope| {
        let workers: Vec<_> = opening
            .accounts
            .iter()
            .map(|account| {
                let (mut random, address, serials, done) = (random.fork(), address.clone(), &serials, &done);
                let share = keys / ACCOUNTS;
                scope.spawn(move || {
                    let mut all = (Vec::new(), Answers::new());
                    for _ in 0..share.div_ceil(CHUNK) {
                        send_chunk(&address, opening, account, serials, &mut random, &mut all);
                        done.fetch_add(CHUNK, Ordering::Relaxed);
                    }
                    all
                })
            })
            .collect();
        let over = AtomicBool::new(false);
        for restart in 1..=RESTARTS {
            while done.load(Ordering::Relaxed) < keys * restart / (RESTARTS + 1)
                && !over.load(Ordering::Relaxed)
            {
                thread::sleep(Duration::from_millis(2));
                over.store(
                    workers.iter().all(thread::ScopedJoinHandle::is_finished),
                    Ordering::Relaxed,
                );
            }
            bank.crash();
        }
        let mut all = (Vec::new(), Answers::new());
        for worker in workers {
            let (attempts, answers) = worker.join().unwrap();
            all.0.extend(attempts);
            all.1.extend(answers);
        }
        all
    });
    check(bank, opening, attempts, &answers)
}

/// All answers to a key are alike, and the books agree with them.
fn check(
    bank: &impl Subject,
    opening: &Opening,
    mut attempts: Vec<Attempt>,
    answers: &Answers,
) -> Result<usize, Vec<String>> {
    let mut first: BTreeMap<&str, &Answer> = BTreeMap::new();
    for (key, answer) in answers {
        let known = first.entry(key).or_insert(answer);
        if *known != answer {
            return Err(vec![format!("{key} was answered {known:?}, then {answer:?}")]);
        }
    }
    for attempt in &mut attempts {
        attempt.fate = Fate::of(first[attempt.key.as_str()]);
    }
    let mut wires = connect_all(&bank.address(), opening).map_err(|error| vec![error.to_string()])?;
    let mut books = Books::opened(opening, opening.accounts.len() as u64);
    let new = books
        .read_new(&mut wires)
        .map_err(|error| vec![error.to_string()])?;
    books.check(&attempts, &new)?;
    Ok(answers.len())
}

/// Sends a chunk of changes, every one of them one to five times and until it is answered.
fn send_chunk(
    address: &Address,
    opening: &Opening,
    account: &str,
    serials: &Serials,
    random: &mut Random,
    (all, answers): &mut (Vec<Attempt>, Answers),
) {
    let chunk: Vec<Attempt> = (0..CHUNK)
        .map(|_| serials.attempt(opening, account, random))
        .collect();
    let mut copies: Vec<(&Attempt, usize)> = chunk
        .iter()
        .map(|attempt| (attempt, 1 + random.below(COPIES_MAX)))
        .collect();
    while !copies.is_empty() {
        let Ok(mut wire) = Wire::login(address.get(), account) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        // A round sends one copy of each; some rounds are cut before their answers can be read.
        let read = match random.below(4) {
            0 => random.below(copies.len()),
            _ => copies.len(),
        };
        let sent = copies
            .iter()
            .take_while(|(attempt, _)| wire.send(attempt.op(), &attempt.fields()).is_ok());
        let read = read.min(sent.count());
        let mut answered = 0;
        while answered < read {
            let Ok(answer) = wire.answer() else { break };
            answers.push((copies[answered].0.key.clone(), answer));
            answered += 1;
        }
        wire.cut();
        // Whatever was answered needs one copy less; what was not is sent again in any case.
        copies.iter_mut().take(answered).for_each(|(_, left)| *left -= 1);
        copies.retain(|(_, left)| *left > 0);
    }
    all.extend(chunk);
}

#[test]
fn ten_thousand_keys_sent_one_to_five_times_are_done_once() {
    let _beside_others = beside_others();
    let opening = Opening::new(ACCOUNTS, CENTS);
    let mut bank = RealBank::start(&opening);
    match run(&mut bank, &opening, 10_000, Random::of_test("ten_thousand_keys")) {
        Ok(answers) => println!("{answers} answers to 10,000 keys, {RESTARTS} kills, 0 violations"),
        Err(violations) => panic!("{:#?}", violations.iter().take(5).collect::<Vec<_>>()),
    }
}

fn control(plant: Plant) -> Result<usize, Vec<String>> {
    let opening = Opening::new(ACCOUNTS, CENTS);
    let mut toy = Toy::start(&opening, plant);
    run(&mut toy, &opening, 800, Random::of_test("control_of_keys"))
}

#[test]
fn control_of_keys_a_sound_toy_passes() {
    assert!(control(Plant::Nothing).unwrap() > 800);
}

#[test]
fn control_of_keys_a_forgotten_key_is_found() {
    let violations = control(Plant::ForgetsKeys).unwrap_err();
    assert!(violations[0].contains("was answered"), "{violations:?}");
}

#[test]
fn control_of_keys_another_answer_is_found() {
    let violations = control(Plant::AnswersAnew).unwrap_err();
    assert!(violations[0].contains("was answered"), "{violations:?}");
}
