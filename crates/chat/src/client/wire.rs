//! What a chat server sends, as a client's own types.

use proto::net::ReceivedReply;
use proto::{Text, ToldError, codes};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something that happened in a room and has a number there.
    Room {
        /// The room.
        room: String,
        /// Its number.
        seq: u64,
        /// When, in milliseconds since the Unix epoch.
        at: u64,
        /// Who did it.
        name: String,
        /// What.
        what: What,
    },
    /// Somebody told us something privately.
    Told {
        /// Who.
        from: String,
        /// When, in milliseconds since the Unix epoch.
        at: u64,
        /// What.
        text: String,
    },
    /// So many of a room's events are missing here.
    Lagged {
        /// The room.
        room: String,
        /// How many.
        missed: u64,
    },
    /// Something is wrong, and not with a request.
    Error(ToldError),
}

/// What somebody did in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Said this text.
    Said(String),
    /// Entered.
    Entered,
    /// Left, for this reason: `quit`, `lost`, `timeout`, `slow`.
    Left(String),
    /// Took this name.
    Renamed(String),
}

/// A room in the reply to `rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RoomLine {
    /// Its name.
    pub room: String,
    /// How many are there.
    pub members: u64,
    /// The number of its latest event.
    pub seq: u64,
}

/// Reads an event's line. Events we do not know, and lines that lack what their event needs, are nothing: a later
/// server may say more than we understand.
#[must_use]
pub fn parse_event(line: &[u8]) -> Option<Event> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        event: Text<'a>,
        room: Option<String>,
        seq: Option<u64>,
        at: Option<u64>,
        from: Option<String>,
        name: Option<String>,
        text: Option<String>,
        to: Option<String>,
        reason: Option<String>,
        missed: Option<u64>,
    }
    let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
    let at = fields.at.unwrap_or_default();
    let (name, what) = match &*fields.event {
        "told" => {
            return Some(Event::Told {
                from: fields.from?,
                at,
                text: fields.text?,
            });
        }
        "lagged" => {
            return Some(Event::Lagged {
                room: fields.room?,
                missed: fields.missed?,
            });
        }
        "error" => return serde_json::from_slice(line).ok().map(Event::Error),
        "said" => (fields.from?, What::Said(fields.text?)),
        "entered" => (fields.name?, What::Entered),
        "left" => (fields.name?, What::Left(fields.reason.unwrap_or_default())),
        "renamed" => (fields.name?, What::Renamed(fields.to?)),
        _ => return None,
    };
    Some(Event::Room {
        room: fields.room?,
        seq: fields.seq?,
        at,
        name,
        what,
    })
}

/// The results of all operations; each fills its own fields, and some fields have a type of their own in each.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Results<'a> {
    pub(super) name: Option<String>,
    pub(super) room: Option<String>,
    pub(super) seq: Option<u64>,
    #[serde(borrow)]
    members: Option<&'a RawValue>,
    pub(super) token: Option<String>,
    #[serde(borrow)]
    rooms: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    pub(super) more: bool,
}

/// What the server answered.
pub(super) fn results(reply: &ReceivedReply) -> Result<Results<'_>, ToldError> {
    let result = reply.outcome.as_ref().map_err(Clone::clone)?;
    serde_json::from_str(result.get()).map_err(|problem| ToldError {
        code: codes::INTERNAL.to_string(),
        message: format!("the server's result is not understood: {problem}"),
        hint: Some("is it newer than this client?".to_owned()),
    })
}

impl Results<'_> {
    /// How many are in the room, in the reply to `join` and `enter`.
    pub(super) fn members_count(&self) -> u64 {
        inner(self.members).unwrap_or_default()
    }

    /// Who is in the room, in the reply to `who`.
    pub(super) fn members_names(&self) -> Vec<String> {
        inner(self.members).unwrap_or_default()
    }

    /// The rooms, as the operation has them.
    pub(super) fn rooms_as<'de, T: Deserialize<'de> + Default>(&'de self) -> T {
        inner(self.rooms).unwrap_or_default()
    }

    /// The events that we know of those in the reply to `history`.
    pub(super) fn parsed_events(&self) -> Vec<Event> {
        let events = self.events.iter().flatten();
        events
            .filter_map(|event| parse_event(event.get().as_bytes()))
            .collect()
    }
}

fn inner<'a, T: Deserialize<'a>>(field: Option<&'a RawValue>) -> Option<T> {
    field.and_then(|value| serde_json::from_str(value.get()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_server_writes() {
        let said = parse_event(
            r#"{"lamport":7,"event":"said","room":"lobby","seq":41,"from":"Ana","text":"Olá \u001b","at":5}"#
                .as_bytes(),
        );
        let (room, what) = ("lobby".to_owned(), What::Said("Olá \u{1b}".to_owned()));
        assert_eq!(
            said,
            Some(Event::Room {
                room,
                seq: 41,
                at: 5,
                name: "Ana".to_owned(),
                what
            })
        );
        let lagged = parse_event(br#"{"lamport":7,"event":"lagged","room":"tea","missed":9}"#);
        assert_eq!(
            lagged,
            Some(Event::Lagged {
                room: "tea".to_owned(),
                missed: 9
            })
        );
        assert_eq!(
            parse_event(br#"{"lamport":7,"event":"danced","room":"tea"}"#),
            None
        );
        assert_eq!(parse_event(br#"{"lamport":7,"event":"said","room":"tea"}"#), None);
        let told = parse_event(br#"{"lamport":7,"event":"error","code":"taken_over","message":"gone"}"#);
        assert!(matches!(told, Some(Event::Error(error)) if error.code == "taken_over"));
    }
}
