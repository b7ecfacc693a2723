//! What a chat server sends, as a client's own types.

use proto::{Text, ToldError};
use serde::Deserialize;

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
