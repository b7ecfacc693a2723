//! Wrong PINs: limited where they come from, without locking anybody else out, and telling nothing about who has an
//! account.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::alone;
use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::{PIN, Wire};
use crate::support::toy::{Plant, Toy};

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const HOLDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);

/// What a stranger who guesses PINs meets, and what the holder meets meanwhile.
#[derive(Debug, PartialEq, Eq)]
struct Guessing {
    /// Wrong PINs that were checked before the stranger was limited, if that ever happened.
    guesses: Option<usize>,
    /// Whether the holder could log in from elsewhere while the stranger was limited.
    holder_gets_in: bool,
}

fn guess(bank: &impl Subject, opening: &Opening) -> Guessing {
    let account = &opening.accounts[0];
    let mut stranger = Wire::open_from(STRANGER, bank.address().get()).unwrap();
    let guesses = (0..100).position(|n| {
        let pin = format!("{:04}", 2000 + n);
        stranger
            .ask("login", &json!({"account": account, "pin": pin}))
            .unwrap()
            == Err("rate_limited".to_owned())
    });
    let mut holder = Wire::open_from(HOLDER, bank.address().get()).unwrap();
    let answer = holder
        .ask("login", &json!({"account": account, "pin": PIN}))
        .unwrap();
    Guessing {
        guesses,
        holder_gets_in: answer.is_ok(),
    }
}

#[test]
fn wrong_pins_are_limited_and_nobody_is_locked_out() {
    let opening = Opening::new(3, 10_000);
    let bank = RealBank::with_flags(Some(&opening), &["--pin-cost", "least"]);
    let found = guess(&bank, &opening);
    assert!(
        found.guesses.is_some_and(|guesses| (3..=20).contains(&guesses)),
        "{found:?}"
    );
    assert!(found.holder_gets_in, "{found:?}");
    // Not even the right PIN is checked while the stranger is limited: otherwise the limit would tell it apart.
    let mut stranger = Wire::open_from(STRANGER, bank.address().get()).unwrap();
    let right = stranger
        .ask("login", &json!({"account": opening.accounts[0], "pin": PIN}))
        .unwrap();
    assert_eq!(right, Err("rate_limited".to_owned()));
}

#[test]
fn guessing_over_many_accounts_is_limited_by_address() {
    let opening = Opening::new(300, 100);
    let bank = RealBank::with_flags(Some(&opening), &["--pin-cost", "least"]);
    let mut stranger = Wire::open_from(STRANGER, bank.address().get()).unwrap();
    let limited = opening.accounts.iter().position(|account| {
        stranger
            .ask("login", &json!({"account": account, "pin": "9999"}))
            .unwrap()
            == Err("rate_limited".to_owned())
    });
    assert!(
        limited.is_some(),
        "300 wrong PINs from one address, one for each account, were all checked"
    );
    let mut holder = Wire::open_from(HOLDER, bank.address().get()).unwrap();
    holder
        .ask("login", &json!({"account": opening.accounts[299], "pin": PIN}))
        .unwrap()
        .unwrap();
}

#[test]
fn control_of_limits() {
    let opening = Opening::new(3, 10_000);
    let found = |plant| guess(&Toy::start(&opening, plant), &opening);
    assert_eq!(
        found(Plant::Nothing),
        Guessing {
            guesses: Some(5),
            holder_gets_in: true
        }
    );
    assert_eq!(found(Plant::NeverLimits).guesses, None);
    assert!(!found(Plant::LocksOut).holder_gets_in);
}

/// The shortest time of a refused login, for a wrong PIN and for an account that nobody has.
fn times_of_refusal(bank: &impl Subject, opening: &Opening, tries: usize) -> (Duration, Duration) {
    let mut wire = Wire::open(bank.address().get()).unwrap();
    let mut time = |account: &str| {
        let began = Instant::now();
        let answer = wire
            .ask("login", &json!({"account": account, "pin": "9999"}))
            .unwrap();
        assert_eq!(answer, Err("login_failed".to_owned()));
        began.elapsed()
    };
    let (known, unknown) = (opening.accounts[0].as_str(), "9876543210");
    let mut shortest = (Duration::MAX, Duration::MAX);
    for attempt in 0..tries {
        // Each is as often first as second: of two threads that hash in turn, one may have its memory at hand and the other not.
        if attempt % 2 == 0 {
            shortest.0 = shortest.0.min(time(known));
            shortest.1 = shortest.1.min(time(unknown));
        } else {
            shortest.1 = shortest.1.min(time(unknown));
            shortest.0 = shortest.0.min(time(known));
        }
    }
    shortest
}

/// Whether the two can be told apart by a clock: one takes a quarter longer than the other.
fn can_be_told_apart((one, other): (Duration, Duration)) -> bool {
    let (shorter, longer) = (one.min(other).as_secs_f64(), one.max(other).as_secs_f64());
    longer > 1.25 * shorter
}

#[test]
fn an_unknown_account_takes_as_long_as_a_wrong_pin() {
    let _alone = alone();
    let opening = Opening::new(1, 10_000);
    let lifted = ["--wrong-pins-per-account", "0", "--wrong-pins-per-address", "0"];
    let bank = RealBank::with_flags(Some(&opening), &lifted);
    // What tells them apart does so each time; other processes on the machine do not.
    let mut measured = Vec::new();
    while measured.last().is_none_or(|&times| can_be_told_apart(times)) {
        assert!(measured.len() < 5, "{measured:?}");
        measured.push(times_of_refusal(&bank, &opening, 15));
    }
    println!("wrong PIN and unknown account: {measured:?}");
    let times = measured[0];
    assert!(
        times.0 > Duration::from_millis(5),
        "a PIN that is hashed in {:?} is guessed in no time",
        times.0
    );
}

#[test]
fn control_of_times() {
    let opening = Opening::new(1, 10_000);
    let _alone = alone();
    // Fewer tries than the toy allows.
    assert!(!can_be_told_apart(times_of_refusal(
        &Toy::start(&opening, Plant::Nothing),
        &opening,
        5
    )));
    assert!(can_be_told_apart(times_of_refusal(
        &Toy::start(&opening, Plant::TellsUnknownAccounts),
        &opening,
        5
    )));
}

/// What a flood of logins with wrong PINs meets, and who moves money meanwhile.
#[derive(Debug)]
struct Flood {
    /// What a login takes when nobody else wants one.
    login: Duration,
    /// The median of transfers during the flood.
    transfer: Duration,
    /// What the logins of the flood were told.
    told: BTreeSet<String>,
}

impl Flood {
    /// Whether moving money waits for PINs to be checked.
    fn suffers(&self) -> bool {
        self.transfer > self.login / 2
    }
}

fn flood(bank: &impl Subject, opening: &Opening, transfers: usize) -> Flood {
    let to = bank.address().get();
    let mut customer = Wire::login(to, &opening.accounts[0]).unwrap();
    let wrong = json!({"account": "9876543210", "pin": "0000"});
    // The shortest of a few, so that another process on the machine does not make it longer than it is.
    let logins = (0..3).map(|_| {
        let began = Instant::now();
        Wire::open(to).unwrap().ask("login", &wrong).unwrap().unwrap_err();
        began.elapsed()
    });
    let login = logins.min().unwrap();
    let stop = AtomicBool::new(false);
    let (answered, first_answers) = mpsc::channel();
    thread::scope(|scope| {
        let floods: Vec<_> = (0..40)
            .map(|_| {
                let answered = answered.clone();
                let (stop, wrong) = (&stop, &wrong);
                scope.spawn(move || {
                    let mut wire = Wire::open(to).unwrap();
                    let mut told = BTreeSet::new();
                    while !stop.load(Ordering::Relaxed) {
                        told.insert(wire.ask("login", wrong).unwrap().unwrap_err());
                        let _ = answered.send(());
                    }
                    told
                })
            })
            .collect();
        // The flood is there.
        for _ in 0..5 {
            first_answers.recv().unwrap();
        }
        let fields = json!({"to": opening.accounts[1], "amount": "0.01"});
        let mut times: Vec<_> = (0..transfers)
            .map(|_| {
                let began = Instant::now();
                customer.ask("transfer", &fields).unwrap().unwrap();
                began.elapsed()
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        times.sort();
        Flood {
            login,
            transfer: times[times.len() / 2],
            told: floods
                .into_iter()
                .flat_map(|flood| flood.join().unwrap())
                .collect(),
        }
    })
}

/// Many logins at once cost memory and time: so many wait, the rest is told `busy`, and who is in does not suffer.
#[test]
fn a_flood_of_logins_is_bounded_and_transfers_do_not_suffer() {
    let _alone = alone();
    let opening = Opening::new(2, 1_000_000);
    let flags = [
        "--hashes-waiting",
        "4",
        "--wrong-pins-per-account",
        "0",
        "--wrong-pins-per-address",
        "0",
    ];
    let bank = RealBank::with_flags(Some(&opening), &flags);
    let found = flood(&bank, &opening, 200);
    println!("{found:?}");
    assert!(!found.suffers(), "{found:?}");
    assert_eq!(found.told.iter().collect::<Vec<_>>(), ["busy", "login_failed"]);
}

#[test]
fn control_of_floods() {
    let _alone = alone();
    let opening = Opening::new(2, 1_000_000);
    let found = |plant, transfers| flood(&Toy::start(&opening, plant), &opening, transfers);
    let unbounded = found(Plant::NeverLimits, 100);
    assert!(
        !unbounded.suffers() && !unbounded.told.contains("busy"),
        "{unbounded:?}"
    );
    let blocked = found(Plant::LetsTransfersWaitForPins, 5);
    assert!(blocked.suffers(), "{blocked:?}");
}
