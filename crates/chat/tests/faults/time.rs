//! The server's clock and hostile stamps.

use lamport::HORIZON_AT_START;
use proto::net::{Client, ClientSettings, Dialer};
use rustix::process::Signal;
use serde_json::json;

use super::program::{Program, chat};
use super::stage::{Reachable, Wire};

/// The last stamp that JSON readers keep exactly.
const LAST: u64 = (1 << 53) - 1;

/// A leap that is believed, and a little.
const NEAR: u64 = (1 << 32) + (1 << 26);

/// A leap that is believed, however little the clock has moved meanwhile.
const LEAP: u64 = (1 << 32) - 1024;

/// Joins, and says when, by the server's clock.
async fn time_of_joining(wire: &mut Wire, name: &str) -> u64 {
    wire.request(json!({"op": "join", "name": name})).await;
    wire.next().await.unwrap()["lamport"].as_u64().unwrap()
}

/// A stamp that is refused reserves no time: after a crash the clock goes on near where it was, not at its end. The
/// one who stamps need not even have joined.
#[tokio::test]
async fn a_stamp_that_is_refused_moves_the_clock_of_no_later_life() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--data", dir.path().to_str().unwrap()];
    let program = Program::start(chat(&flags));
    let mut stranger = program.open().await;
    for request in [
        json!({"op": "rooms", "lamport": LAST}),
        json!({"op": "fly", "lamport": LAST - 1}),
        json!({"op": "join", "name": "Ana", "lamport": NEAR}),
    ] {
        assert_eq!(stranger.ask(request).await, Err("clock_leap".into()));
    }
    stranger
        .send(format!("{{\"id\":8,\"lamport\":{LAST},\"op\":\"rooms\"}}\n").repeat(100))
        .await;
    for _ in 0..100 {
        assert_eq!(stranger.next().await.unwrap()["error"]["code"], "clock_leap");
    }
    program.signal(Signal::KILL);
    drop(program.ended());

    let program = Program::start(chat(&flags));
    let mut ana = program.open().await;
    let joined = time_of_joining(&mut ana, "Ana").await;
    assert!(joined < NEAR, "{joined}");
    program.check_alive().await;
}

/// Leap after leap, each of which may be believed, does not use up the times: nobody but real time moves the horizon.
/// Who stamps honestly does not notice, and neither does a later life.
#[tokio::test]
async fn leap_after_leap_does_not_use_up_the_times() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--data", dir.path().to_str().unwrap()];
    let program = Program::start(chat(&flags));
    let mut stranger = program.open().await;
    let leaps: String = (1..=100)
        .map(|n| format!("{{\"id\":{n},\"lamport\":{},\"op\":\"rooms\"}}\n", n * LEAP))
        .collect();
    stranger.send(leaps).await;
    let mut believed = 0;
    for n in 1..=100 {
        let reply = stranger.next().await.unwrap();
        match reply["error"]["code"].as_str() {
            Some("not_joined") => believed = n,
            code => assert_eq!(code, Some("clock_leap")),
        }
    }
    assert_eq!(believed, HORIZON_AT_START / LEAP);

    let mut ana = program.open().await;
    let joined = time_of_joining(&mut ana, "Ana").await;
    assert!(
        (believed * LEAP..HORIZON_AT_START + LEAP).contains(&joined),
        "{joined}"
    );
    ana.ok(json!({"op": "say", "text": "still here", "lamport": joined + 1}))
        .await;
    // A program that begins at 0 believes its server all the same.
    let dialer = Dialer::Tcp(program.address.to_string());
    let (client, _events) = Client::connect(&dialer, ClientSettings::new("chat"))
        .await
        .unwrap();
    let reply = client
        .request("join", |line| line.text("name", "Bia"))
        .await
        .unwrap();
    assert!(reply.received > joined && reply.outcome.is_ok());
    program.signal(Signal::KILL);
    drop(program.ended());

    let program = Program::start(chat(&flags));
    let mut ana = program.open().await;
    let again = time_of_joining(&mut ana, "Ana").await;
    assert!((joined + 1..joined + LEAP).contains(&again), "{again}");
}
