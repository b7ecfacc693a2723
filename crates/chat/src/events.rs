//! Replies and events as lines of the wire.
//!
//! Every function writes one whole line, newline included, at the end of a buffer. docs/protocol.md shows them all.

use proto::LineWriter;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::hub::{Event, Reply, RoomLine};

/// An event of a room: what everybody in it receives, with the same bytes, and what is stored.
pub(crate) fn write_event(
    line: &mut Vec<u8>,
    lamport: u64,
    at_ms: u64,
    room: &str,
    seq: u64,
    event: &Event<'_>,
) {
    let begin = |line, name| {
        LineWriter::event(line, lamport, name)
            .text("room", room)
            .number("seq", seq)
    };
    match event {
        Event::Said { from, text } => begin(line, "said").text("from", from).text("text", text),
        Event::Entered { name } => begin(line, "entered").text("name", name),
        Event::Left { name, reason } => begin(line, "left")
            .text("name", name)
            .text("reason", reason.as_str()),
        Event::Renamed { name, to } => begin(line, "renamed").text("name", name).text("to", to),
    }
    .number("at", at_ms)
    .end();
}

/// A private text.
pub(crate) fn write_told(line: &mut Vec<u8>, lamport: u64, at_ms: u64, from: &str, text: &str) {
    LineWriter::event(line, lamport, "told")
        .text("from", from)
        .text("text", text)
        .number("at", at_ms)
        .end();
}

/// So many events of a room are missing here.
pub(crate) fn write_lagged(line: &mut Vec<u8>, lamport: u64, room: &str, missed: u64) {
    LineWriter::event(line, lamport, "lagged")
        .text("room", room)
        .number("missed", missed)
        .end();
}

/// What a request brought.
pub(crate) fn write_reply(line: &mut Vec<u8>, lamport: u64, id: u64, reply: &Reply) {
    let line = LineWriter::ok(line, lamport, id);
    match reply {
        Reply::Said { room, seq } | Reply::Exited { room, seq } => {
            line.text("room", room).number("seq", *seq)
        }
        Reply::Joined {
            name,
            room,
            seq,
            members,
            token,
        } => line
            .text("name", name)
            .text("room", room)
            .number("seq", *seq)
            .number("members", *members)
            .text("token", &token.to_string()),
        Reply::Told { to } => line.text("to", to),
        Reply::Entered { room, seq, members } => line
            .text("room", room)
            .number("seq", *seq)
            .number("members", *members),
        Reply::Rooms { rooms, more } => line.value("rooms", rooms).flag("more", *more),
        Reply::Who { room, members, more } => {
            let members: Vec<&str> = members.iter().map(|name| &**name).collect();
            line.text("room", room)
                .value("members", &members)
                .flag("more", *more)
        }
        Reply::Renamed { name, rooms } => line.text("name", name).value("rooms", &Numbers(rooms)),
        Reply::Registered { name } => line.text("name", name),
        Reply::Left { rooms } => line.value("rooms", &Numbers(rooms)),
    }
    .end();
}

/// The reply to `history`: stored lines as they were sent.
pub(crate) fn write_history<'e>(
    line: &mut Vec<u8>,
    lamport: u64,
    id: u64,
    room: &str,
    events: impl IntoIterator<Item = &'e [u8]>,
    more: bool,
) {
    LineWriter::ok(line, lamport, id)
        .text("room", room)
        .list("events", events)
        .flag("more", more)
        .end();
}

/// `{"lobby":42,"tea":7}`.
struct Numbers<'a>(&'a [(std::sync::Arc<str>, u64)]);

impl Serialize for Numbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (room, seq) in self.0 {
            map.serialize_entry(&**room, seq)?;
        }
        map.end()
    }
}

impl Serialize for RoomLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("RoomLine", 3)?;
        line.serialize_field("room", &*self.room)?;
        line.serialize_field("members", &self.members)?;
        line.serialize_field("seq", &self.seq)?;
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Reason;
    use crate::ops::Token;

    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut line = Vec::new();
        write(&mut line);
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
    }

    fn check_event(event: &Event<'_>, expected: &str) {
        check(|line| write_event(line, 7, 1000, "lobby", 41, event), expected);
    }

    fn check_reply(reply: &Reply, expected: &str) {
        check(
            |line| write_reply(line, 12, 3, reply),
            &format!(r#"{{"lamport":12,"id":3,"ok":{expected}}}"#),
        );
    }

    #[test]
    fn events_look_as_documented() {
        let text = proto::Text("Olá \u{1b}[31mpessoal".into());
        check_event(
            &Event::Said {
                from: "Ana".into(),
                text,
            },
            r#"{"lamport":7,"event":"said","room":"lobby","seq":41,"from":"Ana","text":"Olá \u001b[31mpessoal","at":1000}"#,
        );
        check_event(
            &Event::Entered { name: "Ana".into() },
            r#"{"lamport":7,"event":"entered","room":"lobby","seq":41,"name":"Ana","at":1000}"#,
        );
        check_event(
            &Event::Left {
                name: "Ana".into(),
                reason: Reason::Quit,
            },
            r#"{"lamport":7,"event":"left","room":"lobby","seq":41,"name":"Ana","reason":"quit","at":1000}"#,
        );
        check_event(
            &Event::Renamed {
                name: "Ana".into(),
                to: "Bia".into(),
            },
            r#"{"lamport":7,"event":"renamed","room":"lobby","seq":41,"name":"Ana","to":"Bia","at":1000}"#,
        );
        check(
            |line| write_told(line, 7, 1000, "Ana", "psst"),
            r#"{"lamport":7,"event":"told","from":"Ana","text":"psst","at":1000}"#,
        );
        check(
            |line| write_lagged(line, 7, "lobby", 9),
            r#"{"lamport":7,"event":"lagged","room":"lobby","missed":9}"#,
        );
    }

    #[test]
    fn replies_look_as_documented() {
        let (name, room) = (|| "Ana".into(), || "lobby".into());
        check_reply(
            &Reply::Joined {
                name: name(),
                room: room(),
                seq: 4,
                members: 2,
                token: Token::new(255),
            },
            r#"{"name":"Ana","room":"lobby","seq":4,"members":2,"token":"000000000000000000000000000000ff"}"#,
        );
        check_reply(
            &Reply::Said { room: room(), seq: 4 },
            r#"{"room":"lobby","seq":4}"#,
        );
        check_reply(&Reply::Told { to: name() }, r#"{"to":"Ana"}"#);
        check_reply(
            &Reply::Entered {
                room: room(),
                seq: 4,
                members: 2,
            },
            r#"{"room":"lobby","seq":4,"members":2}"#,
        );
        check_reply(
            &Reply::Exited { room: room(), seq: 4 },
            r#"{"room":"lobby","seq":4}"#,
        );
        check_reply(
            &Reply::Rooms {
                rooms: vec![RoomLine {
                    room: room(),
                    members: 2,
                    seq: 4,
                }],
                more: false,
            },
            r#"{"rooms":[{"room":"lobby","members":2,"seq":4}],"more":false}"#,
        );
        check_reply(
            &Reply::Who {
                room: room(),
                members: vec![name()],
                more: true,
            },
            r#"{"room":"lobby","members":["Ana"],"more":true}"#,
        );
        check_reply(
            &Reply::Renamed {
                name: name(),
                rooms: vec![(room(), 4), ("tea".into(), 5)],
            },
            r#"{"name":"Ana","rooms":{"lobby":4,"tea":5}}"#,
        );
        check_reply(&Reply::Registered { name: name() }, r#"{"name":"Ana"}"#);
        check_reply(
            &Reply::Left {
                rooms: vec![(room(), 4)],
            },
            r#"{"rooms":{"lobby":4}}"#,
        );
        check(
            |line| {
                write_history(
                    line,
                    12,
                    3,
                    "lobby",
                    [&br#"{"seq":1}"#[..], br#"{"seq":2}"#],
                    true,
                )
            },
            r#"{"lamport":12,"id":3,"ok":{"room":"lobby","events":[{"seq":1},{"seq":2}],"more":true}}"#,
        );
    }
}
