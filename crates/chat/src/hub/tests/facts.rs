//! What a hub remembers from before it was started.

use std::num::NonZeroUsize;

use crate::codes::NAME_PROTECTED;
use crate::hub::{ConnectionId, Entering, Facts, Hub, Input, Output, Registration, Stake};
use crate::limits::ROOMS_MAX_DEFAULT;
use crate::names::Name;
use crate::ops::{Op, Request, Token};

#[test]
fn what_is_known_from_before_goes_on() {
    let facts = Facts {
        rooms: vec![(Name::room("Tea").unwrap(), 41)],
        registrations: vec![Registration {
            name: Name::member("Ana").unwrap(),
            hash: "hash".into(),
        }],
        ..Facts::default()
    };
    let mut hub = Hub::new(ROOMS_MAX_DEFAULT, None);
    assert!(hub.remember(facts).is_empty());
    let mut outputs = Vec::new();
    for n in 1..=2 {
        let connection = ConnectionId(n);
        hub.step(0, Input::Opened { connection }, &mut outputs);
        let line = [
            r#"{"id":1,"op":"join","name":"Bia","room":"tea"}"#,
            r#"{"id":1,"op":"join","name":"ana"}"#,
        ][n as usize - 1];
        let op = proto::parse::<Request<'_>>(line.as_bytes())
            .unwrap()
            .unwrap()
            .into_op(|| Token::new(1))
            .unwrap();
        hub.step(
            0,
            Input::Request {
                connection,
                id: 1,
                op,
            },
            &mut outputs,
        );
    }
    assert!(
        matches!(&outputs[0], Output::Broadcast { seq: 42, name, .. } if &**name == "Tea"),
        "{outputs:?}"
    );
    assert!(matches!(&outputs[2], Output::Refuse { error, .. } if error.code == NAME_PROTECTED));
}

fn room(name: &str, seq: u64) -> (Name, u64) {
    (Name::room(name).unwrap(), seq)
}

/// A hub for at most three rooms that remembers these; and those it does not go on with.
fn remembering(rooms: Vec<(Name, u64)>, forgotten_through: u64) -> (Hub, Vec<String>) {
    let mut hub = Hub::new(NonZeroUsize::new(3).unwrap(), None);
    let forgotten = hub.remember(Facts {
        rooms,
        forgotten_through,
        ..Facts::default()
    });
    (hub, forgotten.iter().map(ToString::to_string).collect())
}

/// The number after which a room that is entered now goes on, and the rooms that make space for it.
fn check_entering(hub: &mut Hub, room: &str, seq: u64, forgotten: &[&str]) {
    let entering = Entering::by(&Op::Enter {
        room: proto::Text(room.into()),
        since: None,
    });
    let made_space: Vec<String> = hub
        .make_space(entering.as_slice())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(made_space, forgotten);
    let stake = Stake {
        room: room.into(),
        seq,
    };
    assert_eq!(hub.stakes(ConnectionId(1), entering.as_slice()), [stake]);
}

#[test]
fn of_too_many_rooms_from_before_those_with_the_highest_numbers_go_on() {
    let rooms = (1..=5).map(|n| room(&format!("room {n}"), n)).collect();
    let (mut hub, forgotten) = remembering(rooms, 0);
    assert_eq!(forgotten, ["room 1", "room 2"]);
    check_entering(&mut hub, "room 4", 4, &[]);
    // One that was forgotten takes the place of room 3, and nobody is given a number that was given before.
    check_entering(&mut hub, "room 2", 3, &["room 3"]);
}

#[test]
fn a_new_room_begins_behind_all_that_were_forgotten_before_the_start() {
    let (mut hub, forgotten) = remembering(vec![room("Tea", 7)], 40);
    assert!(forgotten.is_empty());
    check_entering(&mut hub, "coffee", 40, &[]);
    check_entering(&mut hub, "Tea", 7, &[]);
}

#[test]
fn of_rooms_that_could_be_taken_for_each_other_the_one_with_the_highest_number_goes_on() {
    // `Ivan` could be taken for both others, and they not for each other.
    let (mut hub, forgotten) = remembering(vec![room("Ivan", 7), room("IVAN", 10)], 0);
    assert_eq!(forgotten, ["Ivan"]);
    check_entering(&mut hub, "IVAN", 10, &[]);
    // Whoever was in `Ivan` by this spelling has seen up to 7.
    check_entering(&mut hub, "lvan", 7, &[]);
}
