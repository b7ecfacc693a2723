//! Plays a script to a hub and shows what it makes of it.
//!
//! A line `> 2 say text=hi` of a script is a request of connection 2; what follows it is what the hub makes of it.
//! Connections open by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;

use proto::WireError;

use crate::hub::{ConnectionId, Event, FloodLimit, Hub, Input, Output, Reason, Registration, Reply, Wanted};
use crate::limits::ROOMS_MAX_DEFAULT;
use crate::ops::{Request, Token};

pub(super) struct Stage {
    pub(super) hub: Hub,
    now_ns: u64,
    requests: u64,
    pub(super) open: BTreeSet<ConnectionId>,
    /// Those that the hub has closed.
    closed: BTreeSet<ConnectionId>,
    /// What a password was asked for.
    pending: Option<(ConnectionId, u64, Wanted)>,
    /// Every event of every room, shown.
    pub(super) log: BTreeMap<String, Vec<String>>,
    /// What each connection has seen of each room: number and event, its own included.
    pub(super) views: BTreeMap<(ConnectionId, String), Vec<(u64, String)>>,
}

impl Stage {
    pub(super) fn new(flood: Option<FloodLimit>) -> Self {
        Self::with_rooms(ROOMS_MAX_DEFAULT, flood)
    }

    pub(super) fn with_rooms(rooms_max: NonZeroUsize, flood: Option<FloodLimit>) -> Self {
        Self {
            hub: Hub::new(rooms_max, flood),
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
    pub(super) fn play(&mut self, line: &str) -> String {
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
                ..
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
        let listed = |rooms: &[(Arc<str>, u64)]| {
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

pub(super) fn check_with(flood: Option<FloodLimit>, script: &str) {
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

pub(super) fn check(script: &str) {
    check_with(None, script);
}
