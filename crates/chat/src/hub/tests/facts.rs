//! What a hub remembers from before it was started.

use crate::codes::NAME_PROTECTED;
use crate::hub::{ConnectionId, Entering, Facts, Hub, Input, Output, Registration, Stake};
use crate::limits::ROOMS_MAX;
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
    };
    let mut hub = Hub::new(facts, None);
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

#[test]
fn of_too_many_rooms_from_before_those_with_the_most_events_go_on() {
    let rooms = ROOMS_MAX as u64 + 2;
    let facts = Facts {
        rooms: (1..=rooms)
            .map(|n| (Name::room(&format!("room {n}")).unwrap(), n))
            .collect(),
        ..Facts::default()
    };
    let mut hub = Hub::new(facts, None);
    let known = |hub: &Hub, n: u64| hub.has_room(&Name::room(&format!("room {n}")).unwrap());
    assert!(!known(&hub, 1) && !known(&hub, 2) && known(&hub, 3) && known(&hub, rooms));

    // The next one takes the place of room 3, and nobody is given a number that was given before.
    let entering = Entering::by(&Op::Enter {
        room: proto::Text("room 2".into()),
        since: None,
    });
    assert_eq!(hub.make_space(entering.as_slice()), ["room 3".into()]);
    let stakes = hub.stakes(ConnectionId(1), entering.as_slice());
    assert_eq!(
        stakes,
        [Stake {
            room: "room 2".into(),
            seq: 3
        }]
    );
}
