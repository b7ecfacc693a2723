//! Stories as scripts, and properties over random ones.
//!
//! A line `> 2 say text=hi` of a script is a request of connection 2; what follows it is what the hub makes of it.
//! Connections open by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::ops::{Request, Token};

struct Stage {
    hub: Hub,
    now_ns: u64,
    requests: u64,
    open: BTreeSet<ConnectionId>,
    /// Those that the hub has closed.
    closed: BTreeSet<ConnectionId>,
    /// What a password was asked for.
    pending: Option<(ConnectionId, u64, Wanted)>,
    /// Every event of every room, shown.
    log: BTreeMap<String, Vec<String>>,
    /// What each connection has seen of each room: number and event, its own included.
    views: BTreeMap<(ConnectionId, String), Vec<(u64, String)>>,
}

impl Stage {
    fn new(flood: Option<FloodLimit>) -> Self {
        Self {
            hub: Hub::new(Facts::default(), flood),
            now_ns: 1,
            requests: 0,
            open: BTreeSet::new(),
            closed: BTreeSet::new(),
            pending: None,
            log: BTreeMap::new(),
            views: BTreeMap::new(),
        }
    }

    /// Makes the input that a script line stands for, and shows the outputs.
    fn play(&mut self, line: &str) -> String {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if first == "wait" {
            self.now_ns += rest.parse::<u64>().unwrap() * 1_000_000;
            return String::new();
        }
        if first == "shutdown" {
            return self.step(Input::ShutDown);
        }
        let connection = ConnectionId(first.parse().unwrap());
        match rest {
            "lost" => {
                self.open.remove(&connection);
                self.step(Input::Ended {
                    connection,
                    reason: Reason::Lost,
                })
            }
            "slow" => {
                self.open.remove(&connection);
                self.step(Input::Ended {
                    connection,
                    reason: Reason::Slow,
                })
            }
            "right" | "wrong" | "busy" => {
                let (connection, id, wanted) = self.pending.take().unwrap();
                let outcome = match rest {
                    "busy" => Err(WireError::new(crate::codes::BUSY, "busy")),
                    _ => Ok(rest == "right"),
                };
                self.step(Input::PasswordChecked {
                    connection,
                    id,
                    wanted,
                    outcome,
                })
            }
            _ => {
                self.requests += 1;
                self.ask(connection, &request(self.requests, rest))
            }
        }
    }

    fn ask(&mut self, connection: ConnectionId, json: &str) -> String {
        let mut shown = String::new();
        // Who was closed comes back with a join; anything else is a line that was still on its way.
        let late = self.closed.contains(&connection) && !json.contains("\"op\":\"join\"");
        if !late && self.open.insert(connection) {
            self.closed.remove(&connection);
            shown += &self.step(Input::Opened { connection });
        }
        let request: Request<'_> = proto::parse(json.as_bytes()).unwrap().unwrap();
        let id = proto::OpenRequest::id(&request).get().unwrap();
        let op = request.into_op(|| Token::new(connection.0.into())).unwrap();
        shown + &self.step(Input::Request { connection, id, op })
    }

    fn step(&mut self, input: Input<'_>) -> String {
        let mut outputs = Vec::new();
        self.hub.step(self.now_ns, input, &mut outputs);
        let mut shown = String::new();
        for output in outputs {
            let line = self.show(output);
            writeln!(shown, "{line}").unwrap();
        }
        shown
    }

    fn show(&mut self, output: Output<'_>) -> String {
        match output {
            Output::Reply {
                connection, reply, ..
            } => format!("{} <- {}", connection.0, self.show_reply(connection, reply)),
            Output::Refuse {
                connection, error, ..
            } => {
                let hint = error.hint.filter(|hint| hint.starts_with("wait"));
                format!(
                    "{} <- {}{}",
                    connection.0,
                    error.code,
                    hint.map_or(String::new(), |hint| format!(" ({hint})"))
                )
            }
            Output::Broadcast {
                room,
                name,
                seq,
                except,
                event,
            } => {
                let event = match event {
                    Event::Said { from, text } => format!("{from}: {}", &*text),
                    Event::Entered { name } => format!("{name} entered"),
                    Event::Left { name, reason } => format!("{name} left ({reason})"),
                    Event::Renamed { name, to } => format!("{name} is now {to}"),
                };
                let log = self.log.entry(name.to_string()).or_default();
                log.push(event.clone());
                assert_eq!(log.len() as u64, seq, "the numbers of {name} have no gap");
                let to: Vec<ConnectionId> = self
                    .hub
                    .members(room)
                    .filter(|&member| member != except)
                    .collect();
                for &member in &to {
                    self.views
                        .entry((member, name.to_string()))
                        .or_default()
                        .push((seq, event.clone()));
                }
                let to: Vec<String> = to.iter().map(|member| member.0.to_string()).collect();
                format!("{name} #{seq} {event} -> {}", to.join(" "))
            }
            Output::Told {
                connection,
                from,
                text,
            } => format!("{} <- {from} tells: {}", connection.0, &*text),
            Output::Replay {
                connection,
                room,
                after,
                through,
            } => {
                format!("{} <- replay of {room} {after}<..<={through}", connection.0)
            }
            Output::ReadHistory {
                connection,
                room,
                after,
                before,
                limit,
                ..
            } => {
                format!(
                    "{} <- history of {room} {after:?} {before:?} {limit}",
                    connection.0
                )
            }
            Output::CheckPassword {
                connection,
                id,
                password,
                hash,
                wanted,
            } => {
                self.pending = Some((connection, id, wanted));
                format!("check that {} hashes to {hash}", &*password)
            }
            Output::StorePassword {
                connection,
                id,
                password,
                name,
            } => {
                let hash = format!("hash({})", &*password).into();
                let stored = format!("store {hash} for {name}\n");
                let outcome = Ok(Registration { name, hash });
                stored
                    + self
                        .step(Input::PasswordStored {
                            connection,
                            id,
                            outcome,
                        })
                        .trim_end()
            }
            Output::Close { connection } => {
                self.open.remove(&connection);
                self.closed.insert(connection);
                format!("close {}", connection.0)
            }
        }
    }

    fn show_reply(&mut self, connection: ConnectionId, reply: Reply) -> String {
        let mut own = |room: &str, seq: u64| {
            let event = self.log[room][seq as usize - 1].clone();
            self.views
                .entry((connection, room.to_owned()))
                .or_default()
                .push((seq, event));
        };
        let listed = |rooms: &[(std::sync::Arc<str>, u64)]| {
            rooms
                .iter()
                .map(|(room, seq)| format!(" {room} #{seq}"))
                .collect::<String>()
        };
        match reply {
            Reply::Joined {
                name,
                room,
                seq,
                members,
                ..
            } => {
                own(&room, seq);
                format!("joined as {name}: {room} #{seq}, {members} there")
            }
            Reply::Said { room, seq } => {
                own(&room, seq);
                format!("said: {room} #{seq}")
            }
            Reply::Told { to } => format!("told {to}"),
            Reply::Entered { room, seq, members } => {
                own(&room, seq);
                format!("entered: {room} #{seq}, {members} there")
            }
            Reply::Exited { room, seq } => {
                own(&room, seq);
                format!("exited: {room} #{seq}")
            }
            Reply::Rooms { rooms, .. } => {
                let lines: Vec<String> = rooms
                    .iter()
                    .map(|line| format!("{} {} #{}", line.room, line.members, line.seq))
                    .collect();
                format!("rooms: {}", lines.join(", "))
            }
            Reply::Who { room, members, .. } => format!("who in {room}: {}", members.join(", ")),
            Reply::Renamed { name, rooms } => {
                rooms.iter().for_each(|(room, seq)| own(room, *seq));
                format!("renamed to {name}:{}", listed(&rooms))
            }
            Reply::Registered { name } => format!("registered {name}"),
            Reply::Left { rooms } => {
                rooms.iter().for_each(|(room, seq)| own(room, *seq));
                format!("left:{}", listed(&rooms))
            }
        }
    }
}

/// `say text=hi` as the line a client would send. A value may stand in quotes.
fn request(id: u64, script: &str) -> String {
    let (op, mut rest) = script.split_once(' ').unwrap_or((script, ""));
    let mut json = format!(r#"{{"id":{id},"op":"{op}""#);
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap(),
            None => after.split_at(after.find(' ').unwrap_or(after.len())),
        };
        let number = value.len() < 20 && value.parse::<u64>().is_ok();
        let value = if number {
            value.to_owned()
        } else {
            format!("{value:?}")
        };
        write!(json, r#","{key}":{value}"#).unwrap();
        rest = after.trim_start();
    }
    json + "}"
}

fn check_with(flood: Option<FloodLimit>, script: &str) {
    let mut stage = Stage::new(flood);
    let lines: Vec<&str> = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let (mut played, mut expected) = (String::new(), String::new());
    for line in lines {
        writeln!(expected, "{line}").unwrap();
        if let Some(input) = line.strip_prefix("> ") {
            writeln!(played, "{line}").unwrap();
            played.extend(
                stage
                    .play(input)
                    .lines()
                    .map(|line| line.trim_end().to_owned() + "\n"),
            );
        }
    }
    assert_eq!(played, expected, "\nplayed:\n{played}");
}

fn check(script: &str) {
    check_with(None, script);
}

#[test]
fn the_session_of_bernardo_rodrigo_and_silvio() {
    check(
        "
        > 1 join name=Bernardo
        lobby #1 Bernardo entered ->
        1 <- joined as Bernardo: lobby #1, 1 there
        > 2 join name=Rodrigo
        lobby #2 Rodrigo entered -> 1
        2 <- joined as Rodrigo: lobby #2, 2 there
        > 3 join name=Silvio
        lobby #3 Silvio entered -> 1 2
        3 <- joined as Silvio: lobby #3, 3 there
        > 1 say text='Olá pessoal, me chamo Bernardo'
        lobby #4 Bernardo: Olá pessoal, me chamo Bernardo -> 2 3
        1 <- said: lobby #4
        > 3 leave
        lobby #5 Silvio left (quit) -> 1 2
        3 <- left: lobby #5
        close 3
        > 2 lost
        lobby #6 Rodrigo left (lost) -> 1
        > 1 slow
        lobby #7 Bernardo left (slow) ->
        ",
    );
}

#[test]
fn nothing_is_done_for_who_has_not_joined() {
    check(
        "
        > 1 say text=hi
        1 <- not_joined
        > 1 rooms
        1 <- not_joined
        > 1 leave
        1 <- not_joined
        > 1 lost
        > 2 join name=Ana
        lobby #1 Ana entered ->
        2 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia
        2 <- already_joined
        ",
    );
}

#[test]
fn names_and_texts_are_checked() {
    check(
        "
        > 1 join name=''
        1 <- invalid_name
        > 1 join name=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        1 <- invalid_name
        > 1 join name=servidor
        1 <- invalid_name
        > 1 join name=Ana room='<b>'
        1 <- invalid_room
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=ANA
        2 <- name_taken
        > 2 join name='Αna'
        2 <- name_taken
        > 2 join name=Ａｎａ
        2 <- name_taken
        > 1 say text=''
        1 <- invalid_text
        > 1 say text='' room='<b>'
        1 <- invalid_room
        > 1 say text='' room=tea
        1 <- invalid_text
        > 1 tell to=Ana text=''
        1 <- invalid_text
        > 1 register password=short
        1 <- invalid_password
        > 1 say text=hi
        lobby #2 Ana: hi ->
        1 <- said: lobby #2
        ",
    );
}

#[test]
fn rooms_are_entered_left_and_listed() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia room=Tea
        Tea #1 Bia entered ->
        2 <- joined as Bia: Tea #1, 1 there
        > 1 enter room=TEA
        Tea #2 Ana entered -> 2
        1 <- entered: Tea #2, 2 there
        > 1 enter room=tea
        1 <- already_in_room
        > 1 say text='in the last room'
        Tea #3 Ana: in the last room -> 2
        1 <- said: Tea #3
        > 1 say text='in another' room=LOBBY
        lobby #2 Ana: in another ->
        1 <- said: lobby #2
        > 2 say text=hi room=lobby
        2 <- not_in_room
        > 2 say text=hi room=none
        2 <- no_such_room
        > 2 who room=lobby
        2 <- who in lobby: Ana
        > 2 who
        2 <- who in Tea: Ana, Bia
        > 2 who room=none
        2 <- no_such_room
        > 1 exit
        Tea #4 Ana left (quit) -> 2
        1 <- exited: Tea #4
        > 1 exit room=tea
        1 <- not_in_room
        > 1 exit
        lobby #3 Ana left (quit) ->
        1 <- exited: lobby #3
        > 1 exit
        1 <- not_in_room
        > 1 say text=hi
        1 <- not_in_room
        > 1 rooms
        1 <- rooms: Tea 1 #4, lobby 0 #3
        > 1 history room=tea after=1
        1 <- history of Tea Some(1) None 50
        > 2 history before=4 limit=2
        2 <- history of Tea None Some(4) 2
        > 1 history
        1 <- not_in_room
        ",
    );
}

#[test]
fn a_member_can_be_in_so_many_rooms() {
    let mut stage = Stage::new(None);
    stage.play("1 join name=Ana");
    for n in 1..crate::limits::ROOMS_PER_MEMBER_MAX {
        assert!(
            stage.play(&format!("1 enter room=room{n}")).contains("entered"),
            "{n}"
        );
    }
    assert_eq!(stage.play("1 enter room=more"), "1 <- too_many_rooms\n");
}

#[test]
fn the_server_can_have_so_many_rooms() {
    let mut stage = Stage::new(None);
    let rooms = crate::limits::ROOMS_MAX;
    for n in 0..rooms {
        stage.play(&format!("{n} join name=member{n} room=room{n}"));
    }
    assert_eq!(
        stage.play(&format!("{rooms} join name=Ana room=more")),
        format!("{rooms} <- too_many_rooms\n")
    );
    assert!(
        stage
            .play(&format!("{rooms} join name=Ana room=room7"))
            .contains("2 there"),
        "the refusal changed nothing"
    );
}

#[test]
fn private_texts_reach_one_member() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia room=tea
        tea #1 Bia entered ->
        2 <- joined as Bia: tea #1, 1 there
        > 1 tell to=BIA text=psst
        2 <- Ana tells: psst
        1 <- told Bia
        > 1 tell to=Carla text=psst
        1 <- no_such_name
        > 1 tell to='' text=psst
        1 <- invalid_name
        ",
    );
}

#[test]
fn a_rename_is_told_in_every_room() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 enter room=tea
        tea #1 Ana entered ->
        1 <- entered: tea #1, 1 there
        > 2 join name=Bia
        lobby #2 Bia entered -> 1
        2 <- joined as Bia: lobby #2, 2 there
        > 1 rename name=bia
        1 <- name_taken
        > 1 rename name=' '
        1 <- invalid_name
        > 1 rename name=Carla
        lobby #3 Ana is now Carla -> 2
        tea #2 Ana is now Carla ->
        1 <- renamed to Carla: lobby #3 tea #2
        > 1 rename name=CARLA
        lobby #4 Carla is now CARLA -> 2
        tea #3 Carla is now CARLA ->
        1 <- renamed to CARLA: lobby #4 tea #3
        > 1 rename name=CARLA
        1 <- renamed to CARLA:
        > 3 join name=Ana
        lobby #5 Ana entered -> 1 2
        3 <- joined as Ana: lobby #5, 3 there
        ",
    );
}

#[test]
fn a_password_protects_a_name() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 register password=sesame-1
        store hash(sesame-1) for Ana
        1 <- registered Ana
        > 1 leave
        lobby #2 Ana left (quit) ->
        1 <- left: lobby #2
        close 1
        > 2 join name=АNA
        2 <- name_protected
        > 2 join name=ana password=guess
        check that guess hashes to hash(sesame-1)
        > 2 wrong
        2 <- wrong_password
        > 2 join name=ana password=sesame-1
        check that sesame-1 hashes to hash(sesame-1)
        > 2 busy
        2 <- busy
        > 2 join name=Bia
        lobby #3 Bia entered ->
        2 <- joined as Bia: lobby #3, 1 there
        > 2 rename name=Ana
        2 <- name_protected
        > 2 rename name=ana password=sesame-1
        check that sesame-1 hashes to hash(sesame-1)
        > 2 right
        lobby #4 Bia is now ana ->
        2 <- renamed to ana: lobby #4
        > 2 register password=sesame-2
        store hash(sesame-2) for Ana
        2 <- registered Ana
        > 3 join name=Ana password=sesame-2
        check that sesame-2 hashes to hash(sesame-2)
        > 3 right
        lobby #5 ana left (lost) ->
        close 2
        lobby #6 Ana entered ->
        3 <- joined as Ana: lobby #6, 1 there
        ",
    );
}

#[test]
fn a_password_does_not_throw_out_a_look_alike() {
    // ВОВА (Cyrillic capitals) looks like BOBA and is Вова in capitals; it cannot speak for the latter.
    check(
        "
        > 1 join name=Boba
        lobby #1 Boba entered ->
        1 <- joined as Boba: lobby #1, 1 there
        > 1 register password=sesame-1
        store hash(sesame-1) for Boba
        1 <- registered Boba
        > 1 leave
        lobby #2 Boba left (quit) ->
        1 <- left: lobby #2
        close 1
        > 2 join name=вова
        lobby #3 вова entered ->
        2 <- joined as вова: lobby #3, 1 there
        > 3 join name=ВОВА password=sesame-1
        check that sesame-1 hashes to hash(sesame-1)
        > 3 right
        3 <- name_taken
        ",
    );
}

#[test]
fn a_token_takes_a_name_over() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia
        lobby #2 Bia entered -> 1
        2 <- joined as Bia: lobby #2, 2 there
        > 3 join name=Ana token=00000000000000000000000000000002
        3 <- name_taken
        > 3 join name=Ana token=nonsense
        3 <- name_taken
        > 3 join name=Ana token=00000000000000000000000000000001 since=1
        lobby #3 Ana left (lost) -> 2
        close 1
        lobby #4 Ana entered -> 2
        3 <- joined as Ana: lobby #4, 2 there
        3 <- replay of lobby 1<..<=3
        > 1 say text='a line still on its way'
        > 1 lost
        ",
    );
}

#[test]
fn who_comes_back_gets_what_it_missed() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 say text=one
        lobby #2 Ana: one ->
        1 <- said: lobby #2
        > 2 join name=Bia since=0
        lobby #3 Bia entered -> 1
        2 <- joined as Bia: lobby #3, 2 there
        2 <- replay of lobby 0<..<=2
        > 3 join name=Carla since=3
        lobby #4 Carla entered -> 1 2
        3 <- joined as Carla: lobby #4, 3 there
        > 3 enter room=tea since=99
        tea #1 Carla entered ->
        3 <- entered: tea #1, 1 there
        > 2 enter room=tea since=99
        tea #2 Bia entered -> 3
        2 <- entered: tea #2, 2 there
        2 <- replay of tea 0<..<=1
        ",
    );
}

#[test]
fn a_flood_is_refused_with_a_hint() {
    let limit = FloodLimit {
        rate: NonZeroU32::new(2).unwrap(),
        burst: NonZeroU32::new(2).unwrap(),
    };
    check_with(
        Some(limit),
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 say text=one
        lobby #2 Ana: one ->
        1 <- said: lobby #2
        > 1 say text=two
        1 <- rate_limited (wait 500 ms)
        > wait 200
        > 1 leave
        1 <- rate_limited (wait 300 ms)
        > 2 join name=Bia
        lobby #3 Bia entered -> 1
        2 <- joined as Bia: lobby #3, 2 there
        > wait 300
        > 1 say text=three
        lobby #4 Ana: three -> 2
        1 <- said: lobby #4
        ",
    );
}

#[test]
fn a_shutdown_empties_the_rooms_without_telling_each_of_each() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia
        lobby #2 Bia entered -> 1
        2 <- joined as Bia: lobby #2, 2 there
        > shutdown
        lobby #3 Ana left (lost) ->
        lobby #4 Bia left (lost) ->
        > 1 lost
        ",
    );
}

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
    assert!(
        matches!(&outputs[2], Output::Refuse { error, .. } if error.code == crate::codes::NAME_PROTECTED)
    );
}

#[test]
fn of_too_many_rooms_from_before_those_with_the_most_events_go_on() {
    let rooms = crate::limits::ROOMS_MAX as u64 + 2;
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

/// One random request or end, as a script line.
fn line() -> impl Strategy<Value = String> {
    let connection = 0..6_u64;
    let name = prop::sample::select(vec!["Ana", "ANA", "Аnа", "Bia", "bia", "Carla", "Ｄora", "dora"]);
    let room = prop::sample::select(vec!["lobby", "tea", "TEA"]);
    let what = prop_oneof![
        3 => (name.clone(), room.clone()).prop_map(|(name, room)| format!("join name={name} room={room}")),
        6 => Just("say text=hi".to_owned()),
        2 => room.clone().prop_map(|room| format!("say text=hi room={room}")),
        2 => room.clone().prop_map(|room| format!("enter room={room}")),
        2 => room.prop_map(|room| format!("exit room={room}")),
        2 => name.clone().prop_map(|name| format!("rename name={name}")),
        1 => name.prop_map(|name| format!("join name={name} token=00000000000000000000000000000001")),
        1 => Just("leave".to_owned()),
        1 => Just("lost".to_owned()),
    ];
    (connection, what).prop_map(|(connection, what)| format!("{connection} {what}"))
}

proptest! {
    /// Each room's numbers have no gap (asserted while playing), every view is a run of consecutive numbers from the
    /// own `entered` to the own `left`, equal numbers mean equal events, and no two members have the same name.
    #[test]
    fn views_have_no_gap_and_agree(lines in prop::collection::vec(line(), 1..120)) {
        let mut stage = Stage::new(None);
        for line in &lines {
            stage.play(line);
            let names: Vec<&Name> = stage.open.iter().filter_map(|&id| stage.hub.name(id)).collect();
            for (n, a) in names.iter().enumerate() {
                prop_assert!(names[n + 1..].iter().all(|b| !a.is_same(b)), "two members are called {}", a);
            }
        }
        for ((connection, room), view) in &stage.views {
            for &(seq, ref event) in view {
                prop_assert_eq!(event, &stage.log[room][seq as usize - 1], "{} disagrees on {}", connection.0, seq);
            }
            // A connection number that is used again begins another stay, and so does entering again.
            let own_end = |event: &str| event.ends_with("entered");
            for pair in view.windows(2) {
                let gapless = pair[1].0 == pair[0].0 + 1;
                prop_assert!(gapless || pair[1].0 > pair[0].0 && own_end(&pair[1].1), "{:?} saw {:?}", connection, view);
            }
        }
    }

    /// However fifty connections that claim one name in some spelling are interleaved, one gets it.
    #[test]
    fn a_name_has_one_winner(spellings in prop::collection::vec(
        prop::sample::select(vec!["Evan", "evan", "EVAN", "еvan", "Еvan", "Ｅvan"]), 50)) {
        let mut stage = Stage::new(None);
        let joined = spellings.iter().enumerate()
            .filter(|(n, name)| stage.play(&format!("{n} join name={name}")).contains("joined")).count();
        prop_assert_eq!(joined, 1);
    }
}
