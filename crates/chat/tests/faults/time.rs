//! The server's clock and hostile stamps.

use rustix::process::Signal;
use serde_json::json;

use super::program::{Program, chat};
use super::stage::Reachable;

/// The last stamp that JSON readers keep exactly.
const LAST: u64 = (1 << 53) - 1;

/// A leap that is believed, and a little.
const NEAR: u64 = (1 << 32) + (1 << 26);

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
    ana.request(json!({"op": "join", "name": "Ana"})).await;
    let joined = ana.next().await.unwrap();
    assert!(joined["lamport"].as_u64().unwrap() < NEAR, "{joined}");
    program.check_alive().await;
}
