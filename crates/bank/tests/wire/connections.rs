//! Very many connections: bounded, told why, harmless to those who are in, and without a trace once they are gone.

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bank::{Opening, RealBank, Subject};
use crate::support::line::Wire;
use crate::support::toy::{Plant, Toy};
use crate::support::{alone, slow};

/// How long a bank may take to notice that connections are gone.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Holds {
    descriptors: usize,
    memory_kib: usize,
}

fn holds(process: u32) -> Holds {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    Holds {
        descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
        memory_kib: resident.trim().trim_end_matches(" kB").parse().unwrap(),
    }
}

/// Waits until the process holds no more descriptors than that, or it is clear that it will not.
fn settled(process: u32, descriptors: usize, within: Duration) -> Holds {
    let began = Instant::now();
    loop {
        let now = holds(process);
        if now.descriptors <= descriptors || began.elapsed() > within {
            return now;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The first line of a new connection: a greeting, or why there is none.
fn first_line(stream: &mut TcpStream) -> io::Result<Value> {
    stream.set_read_timeout(Some(NOTICED_WITHIN))?;
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    serde_json::from_slice(&line).map_err(io::Error::other)
}

/// Makes connections and ends each without a word, as a process that is killed does. How many were greeted.
fn end_abruptly(to: SocketAddr, connections: usize) -> usize {
    let greeted = (0..connections).filter(|_| {
        TcpStream::connect(to)
            .and_then(|mut stream| first_line(&mut stream))
            .is_ok_and(|line| line["service"] == "bank")
    });
    greeted.count()
}

#[test]
fn connections_are_bounded_by_address_and_an_end_makes_room() {
    let opening = Opening::new(1, 10_000);
    let flags = [
        "--pin-cost",
        "least",
        "--connections-max",
        "50",
        "--connections-per-address-max",
        "20",
    ];
    let bank = RealBank::with_flags(Some(&opening), &flags);
    let to = bank.address().get();
    let held: Vec<Wire> = (0..20).map(|_| Wire::open(to).unwrap()).collect();
    let refused = first_line(&mut TcpStream::connect(to).unwrap()).unwrap();
    assert_eq!(refused["code"], "too_many_connections", "{refused}");
    Wire::open_from(Ipv4Addr::new(127, 0, 0, 9), to).unwrap();
    drop(held);
    let began = Instant::now();
    while first_line(&mut TcpStream::connect(to).unwrap()).unwrap()["service"] != "bank" {
        // The bank may not have noticed yet that the others are gone.
        assert!(began.elapsed() < NOTICED_WITHIN, "no room is made");
    }
}

/// 5,000 at once where 1,000 may be: the others are told so and closed, who is in is served, and when all are gone the
/// bank holds what it held before.
#[test]
fn five_thousand_connections_at_once_are_bounded_and_leave_nothing_behind() {
    const ATTEMPTS: usize = 5_000;
    const MAX: usize = 1_000;
    let _alone = alone();
    proto::net::raise_open_files_limit().unwrap();
    let opening = Opening::new(2, 1_000_000);
    let max = MAX.to_string();
    let flags = [
        "--pin-cost",
        "least",
        "--connections-max",
        &max,
        "--connections-per-address-max",
        &max,
    ];
    let bank = RealBank::with_flags(Some(&opening), &flags);
    let to = bank.address().get();
    let before = holds(bank.process()).descriptors;
    let mut customer = Wire::login(to, &opening.accounts[0]).unwrap();
    let transfer = json!({"to": opening.accounts[1], "amount": "0.01"});

    let mut after_a_round = Vec::new();
    let rounds = if slow() { 5 } else { 2 };
    for _ in 0..rounds {
        let mut streams = Vec::new();
        for attempt in 0..ATTEMPTS {
            streams.push(TcpStream::connect(to).unwrap());
            if attempt % 50 == 0 {
                customer.ask("transfer", &transfer).unwrap().unwrap();
            }
        }
        let mut greeted = 0;
        for stream in &mut streams {
            let line = first_line(stream).unwrap();
            if line["service"] == "bank" {
                greeted += 1;
            } else {
                assert_eq!(line["code"], "too_many_connections", "{line}");
                assert_eq!(
                    stream.read(&mut [0]).unwrap_or(0),
                    0,
                    "it is closed after its last words"
                );
            }
        }
        // The customer is the one that is missing.
        assert_eq!(greeted, MAX - 1);
        customer.ask("transfer", &transfer).unwrap().unwrap();
        drop(streams);
        after_a_round.push(settled(bank.process(), before + 1, NOTICED_WITHIN));
    }
    println!("{before} descriptors before; with one customer after each round: {after_a_round:?}");
    assert!(
        after_a_round.iter().all(|held| held.descriptors <= before + 1),
        "{before}, then {after_a_round:?}"
    );
    // What the first round made it take from the system serves the others.
    let grown = after_a_round[rounds - 1]
        .memory_kib
        .saturating_sub(after_a_round[0].memory_kib);
    assert!(grown < 4 * 1024, "{grown} KiB more after the last round");
    Wire::login(to, &opening.accounts[1]).unwrap();
}

/// Descriptors and KiB of memory that `process`, which listens at `to`, holds more after so many abrupt ends.
fn left_behind(process: u32, to: SocketAddr, connections: usize, within: Duration) -> (usize, usize) {
    let idle = holds(process).descriptors;
    // What the first thousand make it take from the system serves the others.
    assert_eq!(end_abruptly(to, 1_000), 1_000);
    let before = settled(process, idle, within);
    assert_eq!(end_abruptly(to, connections), connections);
    let after = settled(process, idle, within);
    (
        after.descriptors.saturating_sub(idle),
        after.memory_kib.saturating_sub(before.memory_kib),
    )
}

#[test]
fn ten_thousand_abrupt_ends_leave_nothing_behind() {
    let _alone = alone();
    let ends = if slow() { 10_000 } else { 2_000 };
    let opening = Opening::new(1, 10_000);
    let bank = RealBank::start(&opening);
    let (descriptors, memory_kib) = left_behind(bank.process(), bank.address().get(), ends, NOTICED_WITHIN);
    println!("{ends} abrupt ends left {descriptors} descriptors and {memory_kib} KiB");
    assert!(descriptors <= 2, "{descriptors} descriptors are left");
    assert!(memory_kib < 4 * 1024, "{memory_kib} KiB are left");
    Wire::login(bank.address().get(), &opening.accounts[0]).unwrap();
}

/// The toy keeps every stream that it accepted; it lives in this process, where other tests open and close a few.
#[test]
fn control_of_abrupt_ends() {
    let _alone = alone();
    let toy = Toy::start(&Opening::new(1, 10_000), Plant::Nothing);
    let (descriptors, _) = left_behind(
        std::process::id(),
        toy.address().get(),
        1_000,
        Duration::from_secs(1),
    );
    assert!(descriptors > 1_000, "{descriptors} descriptors are left");
}
