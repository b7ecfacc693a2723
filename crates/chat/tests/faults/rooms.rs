//! More rooms than the server may have: the emptiest give way, in memory and on the disk, and no number comes twice.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use chat::Settings;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::program::{Program, chat};
use super::stage::{Hub, Reachable, Wire, lifted};

/// Settings for so many rooms, kept in `data` if there is one.
fn few_rooms(rooms_max: usize, data: Option<&Path>) -> Settings {
    Settings {
        rooms_max: NonZeroUsize::new(rooms_max).unwrap(),
        data: data.map(Path::to_owned),
        ..lifted()
    }
}

/// Enters a room, says one thing there and leaves it; returns the numbers of all three.
async fn visit(wire: &mut Wire, room: &str) -> [u64; 3] {
    let requests = [
        json!({"op": "enter", "room": room}),
        json!({"op": "say", "text": "hello?"}),
        json!({"op": "exit"}),
    ];
    let mut numbers = [0; 3];
    for (number, request) in numbers.iter_mut().zip(requests) {
        *number = wire.ok(request).await["seq"].as_u64().unwrap();
    }
    numbers
}

/// The numbers of a room's events that are kept.
async fn kept(wire: &mut Wire, room: &str) -> Vec<u64> {
    let history = wire
        .ok(json!({"op": "history", "room": room, "limit": 500}))
        .await;
    let events = history["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect()
}

/// How many rooms there are in the file, and how many have events there.
fn rooms_on_disk(data: &Path) -> (u64, u64) {
    let file = rusqlite::Connection::open(data.join("chat.db")).unwrap();
    let sql = "SELECT (SELECT count(*) FROM room), (SELECT count(DISTINCT room) FROM block)";
    file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

#[tokio::test]
async fn rooms_that_somebody_left_behind_take_nobodys_place() {
    let hub = Hub::in_memory(few_rooms(20, None));
    let mut ana = hub.join("Ana").await;
    let mut first = [0; 3];
    for n in 0..30 {
        let numbers = visit(&mut ana, &format!("room {n}")).await;
        first = if n == 0 { numbers } else { first };
    }
    let mut bia = hub.join("Bia").await;
    ana.event("entered").await;
    // The first one is forgotten; back in it under another spelling, nobody is given a number again.
    let again = visit(&mut bia, "ROOM 0").await;
    assert!(again[0] > first[2], "{again:?} after {first:?}");
    assert_eq!(kept(&mut bia, "room 0").await, again);
    // Where somebody is, the numbers just go on.
    assert_eq!(ana.ok(json!({"op": "say", "text": "still here"})).await["seq"], 3);
    bia.event("said").await;
    hub.stop().await;
}

/// Who comes back to a room that was forgotten meanwhile is told of every number it will not see, so that it knows when
/// it has seen everything; also when the server was started anew.
#[tokio::test]
async fn who_comes_back_to_a_forgotten_room_is_told_what_is_not_kept() {
    for restarts in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut hub = Hub::in_memory(few_rooms(3, Some(dir.path())));
        let mut ana = hub.join("Ana").await;
        let [entered, said, _] = visit(&mut ana, "tea").await;
        assert_eq!((entered, said), (1, 2));
        for n in 0..5 {
            visit(&mut ana, &format!("room {n}")).await;
        }
        if restarts {
            hub.stop().await;
            hub = Hub::in_memory(few_rooms(3, Some(dir.path())));
        }
        let mut bia = hub.join("Bia").await;
        let back = bia.ok(json!({"op": "enter", "room": "tea", "since": said})).await["seq"]
            .as_u64()
            .unwrap();
        let lagged = bia.event("lagged").await;
        assert_eq!(lagged["missed"], back - 1 - said, "{lagged}");
        assert!(back > 3, "{back}");
        assert_eq!(kept(&mut bia, "tea").await, [back]);
        hub.stop().await;
    }
}

/// One room after the other, and `kill -9` while they come: the disk never holds more than there may be, and whatever was
/// forgotten and opened again, a number that was shown under a name never comes again under it. Every other life has
/// places for all, so that nothing needs to be forgotten for a room to be opened again.
#[tokio::test]
async fn the_disk_holds_no_more_rooms_and_no_number_comes_again_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    let mut names = (0..).map(|n| format!("room {}", n * 5 % 7));
    for round in 0..6 {
        let rooms_max = [4, 8][round % 2];
        let mut command = chat(&["--flood-rate", "0", "--flush-interval", "10ms", "--data", data]);
        command.args(["--rooms-max", &rooms_max.to_string()]);
        let program = Program::start(command);
        let mut ana = program.join("Ana").await;
        for room in names.by_ref().take(10 + 7 * round) {
            for number in visit(&mut ana, &room).await {
                let before = newest.insert(room.clone(), number).unwrap_or_default();
                assert!(number > before, "round {round}: {room} {number} after {before}");
            }
        }
        program.signal(Signal::KILL);
        drop(program.ended());
        let (rooms, with_events) = rooms_on_disk(dir.path());
        assert!(
            rooms <= rooms_max && with_events <= rooms_max,
            "round {round}: {rooms} rooms, {with_events} with events"
        );
    }
}

/// A limit that is lowered holds from the next start on.
#[tokio::test]
async fn a_lower_limit_forgets_the_rooms_with_the_fewest_events() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::in_memory(few_rooms(10, Some(dir.path())));
    let mut ana = hub.join("Ana").await;
    for (room, visits) in [("long", 3), ("short", 1), ("longer", 5)] {
        for _ in 0..visits {
            visit(&mut ana, room).await;
        }
    }
    drop(ana);
    hub.stop().await;
    assert_eq!(rooms_on_disk(dir.path()), (4, 4));
    let hub = Hub::in_memory(few_rooms(2, Some(dir.path())));
    let mut ana = hub.open().await;
    ana.ok(json!({"op": "join", "name": "Ana", "room": "long"})).await;
    let rooms = ana.ok(json!({"op": "rooms"})).await["rooms"].take();
    let rooms: Vec<&Value> = rooms
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["room"])
        .collect();
    assert_eq!(rooms, ["long", "longer"]);
    hub.stop().await;
    assert_eq!(rooms_on_disk(dir.path()), (2, 2));
}
