//! Frames of the core as lines of the wire, and back.
//!
//! ```text
//! {"lamport":41,"event":"message","from":"P1","incarnation":2,"sequence":17,"after":[[1,3,5]],"data":"Olá"}
//! {"event":"promise","incarnation":2,"clock":44,"sent":17}
//! ```
//!
//! Messages are stamped by their sender and keep their stamp when they are relayed; the rest is upkeep and carries no stamp.
//! A message as this peer writes it is read without a general JSON parser; one written otherwise goes through serde.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use proto::LineWriter;
use serde::{Deserialize, Serialize};

use crate::core::frame::{About, Ended, Frame, Have, Message, MessageId, Promise, Status, StreamId, Welcome};
use crate::group_file::Members;
use crate::members::{Member, MemberSet};

/// Why a line is no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAFrame {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("the origin {0:?} is not a member of this group")]
    Stranger(String),
    #[error("a {0} lacks a field or names a member by a number the group does not have")]
    Incomplete(&'static str),
}

/// Writes a frame as a line.
pub(crate) fn write(line: &mut Vec<u8>, frame: &Frame, members: &Members) {
    match frame {
        Frame::Data(message) => {
            let writer = LineWriter::event(line, message.stamp, "message")
                .text("from", members.id(message.id.stream.origin).as_str())
                .number("incarnation", message.id.stream.incarnation)
                .number("sequence", message.id.sequence);
            let writer = match &message.after {
                Some(after) => writer.value("after", &after.iter().map(triple).collect::<Vec<_>>()),
                None => writer,
            };
            // Payloads enter as text, here or at their sender's.
            let data = String::from_utf8_lossy(&message.data);
            writer.text("data", &data).end();
        }
        Frame::Promise(promise) => LineWriter::upkeep(line)
            .text("event", "promise")
            .number("incarnation", promise.incarnation)
            .number("clock", promise.clock)
            .number("sent", promise.sent)
            .end(),
        Frame::Status(status) => LineWriter::upkeep(line)
            .text("event", "status")
            .value("status", &StatusLine::from(&**status))
            .end(),
        Frame::Welcome(welcome) => LineWriter::upkeep(line)
            .text("event", "welcome")
            .value("welcome", &WelcomeLine::from(&**welcome))
            .end(),
    }
}

/// Reads a line. `None` for upkeep of the connection and for events that a later version may bring.
pub(crate) fn read(
    line: &[u8],
    share: impl Fn(&[u8]) -> Bytes,
    members: &Members,
) -> Result<Option<Frame>, NotAFrame> {
    if let Some(message) = read_message(line, share, members) {
        return Ok(Some(Frame::Data(message)));
    }
    let any: AnyLine<'_> = serde_json::from_slice(line)?;
    let event = any.event.as_deref().unwrap_or_default();
    Ok(Some(match event {
        "message" => Frame::Data(any.message(members)?),
        "promise" => match (any.incarnation, any.clock, any.sent) {
            (Some(incarnation), Some(clock), Some(sent)) => Frame::Promise(Promise {
                incarnation,
                clock,
                sent,
            }),
            _ => return Err(NotAFrame::Incomplete("promise")),
        },
        "status" => {
            let status = any.status.and_then(|status| status.status(members.len()));
            Frame::Status(Arc::new(status.ok_or(NotAFrame::Incomplete("status"))?))
        }
        "welcome" => {
            let welcome = any.welcome.and_then(|welcome| welcome.welcome(members.len()));
            Frame::Welcome(Arc::new(welcome.ok_or(NotAFrame::Incomplete("welcome"))?))
        }
        _ => return Ok(None),
    }))
}

/// Reads a message in exactly the form in which [`write`] writes one without `after` and without escapes.
fn read_message(line: &[u8], share: impl Fn(&[u8]) -> Bytes, members: &Members) -> Option<Message> {
    let (stamp, rest) = number(line.strip_prefix(br#"{"lamport":"#)?)?;
    let rest = rest.strip_prefix(br#","event":"message","from":""#)?;
    let quote = memchr::memchr(b'"', rest)?;
    let origin = members.find(std::str::from_utf8(&rest[..quote]).ok()?)?;
    let (incarnation, rest) = number(rest[quote..].strip_prefix(br#"","incarnation":"#)?)?;
    let (sequence, rest) = number(rest.strip_prefix(br#","sequence":"#)?)?;
    let data = rest.strip_prefix(br#","data":""#)?.strip_suffix(br#""}"#)?;
    if data
        .iter()
        .any(|&byte| byte < b' ' || byte == b'"' || byte == b'\\')
        || std::str::from_utf8(data).is_err()
    {
        return None;
    }
    let stream = StreamId { origin, incarnation };
    Some(Message {
        id: MessageId { stream, sequence },
        stamp,
        after: None,
        data: share(data),
    })
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 16 || (digits > 1 && text[0] == b'0') {
        return None;
    }
    let value = text[..digits]
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some((value, &text[digits..]))
}

type Triple = (u8, u64, u64);

fn triple(id: &MessageId) -> Triple {
    (id.stream.origin.index() as u8, id.stream.incarnation, id.sequence)
}

fn member(index: u8, members: usize) -> Option<Member> {
    (usize::from(index) < members).then(|| Member::new(usize::from(index)))
}

fn stream_id(origin: u8, incarnation: u64, members: usize) -> Option<StreamId> {
    Some(StreamId {
        origin: member(origin, members)?,
        incarnation,
    })
}

/// Any line of a member, flat.
#[derive(Deserialize)]
struct AnyLine<'a> {
    lamport: Option<u64>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    incarnation: Option<u64>,
    sequence: Option<u64>,
    after: Option<Vec<Triple>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    clock: Option<u64>,
    sent: Option<u64>,
    status: Option<StatusLine>,
    welcome: Option<WelcomeLine>,
}

impl AnyLine<'_> {
    fn message(self, members: &Members) -> Result<Message, NotAFrame> {
        let incomplete = || NotAFrame::Incomplete("message");
        let from = self.from.ok_or_else(incomplete)?;
        let origin = members
            .find(&from)
            .ok_or_else(|| NotAFrame::Stranger(from.into_owned()))?;
        let (Some(stamp), Some(incarnation), Some(sequence), Some(data)) =
            (self.lamport, self.incarnation, self.sequence, self.data)
        else {
            return Err(incomplete());
        };
        let after = self.after.map(|after| {
            let ids = after.into_iter().map(|(origin, incarnation, sequence)| {
                Some(MessageId {
                    stream: stream_id(origin, incarnation, members.len())?,
                    sequence,
                })
            });
            ids.collect::<Option<Arc<[MessageId]>>>()
        });
        Ok(Message {
            id: MessageId {
                stream: StreamId { origin, incarnation },
                sequence,
            },
            stamp,
            after: after.map(|ids| ids.ok_or_else(incomplete)).transpose()?,
            data: Bytes::from(data.into_owned()),
        })
    }
}

/// A status; members by number, because both ends have the same list.
#[derive(Serialize, Deserialize)]
struct StatusLine {
    incarnation: u64,
    number: u64,
    hears: u64,
    wants: u64,
    /// incarnation, announced, closed, horizon, sent
    members: Vec<(u64, u64, u64, u64, u64)>,
    streams: Vec<HaveLine>,
}

#[derive(Serialize, Deserialize)]
struct HaveLine {
    /// origin, incarnation
    of: (u8, u64),
    /// through, delivered, purged, stable, dropped, had
    at: (u64, u64, u64, u64, u64, u64),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lost: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<(u64, u64)>,
    /// by, last
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct WelcomeLine {
    incarnation: u64,
    from: u64,
    clock: u64,
    delivered: Vec<Triple>,
    former: Vec<(u64, u64)>,
}

impl From<&Status> for StatusLine {
    fn from(status: &Status) -> Self {
        let about = |about: &About| {
            (
                about.incarnation,
                about.announced,
                about.closed,
                about.horizon,
                about.sent,
            )
        };
        let have = |have: &Have| HaveLine {
            of: (have.stream.origin.index() as u8, have.stream.incarnation),
            at: (
                have.through,
                have.delivered,
                have.purged,
                have.stable,
                have.dropped,
                have.had,
            ),
            lost: have.lost.clone(),
            beyond: have.beyond.clone(),
            ended: have.ended.map(|ended| (ended.by, ended.last)),
        };
        Self {
            incarnation: status.incarnation,
            number: status.number,
            hears: status.hears.bits(),
            wants: status.wants.bits(),
            members: status.members.iter().map(about).collect(),
            streams: status.streams.iter().map(have).collect(),
        }
    }
}

impl StatusLine {
    fn status(self, members: usize) -> Option<Status> {
        let all = MemberSet::all(members);
        let about = |(incarnation, announced, closed, horizon, sent)| About {
            incarnation,
            announced,
            closed,
            horizon,
            sent,
        };
        let have = |line: HaveLine| {
            let (through, delivered, purged, stable, dropped, had) = line.at;
            Some(Have {
                stream: stream_id(line.of.0, line.of.1, members)?,
                through,
                delivered,
                purged,
                stable,
                dropped,
                had,
                lost: line.lost,
                beyond: line.beyond,
                ended: line.ended.map(|(by, last)| Ended { by, last }),
            })
        };
        (self.members.len() == members).then_some(())?;
        Some(Status {
            incarnation: self.incarnation,
            number: self.number,
            hears: MemberSet::from_bits(self.hears).and(all),
            wants: MemberSet::from_bits(self.wants).and(all),
            members: self.members.into_iter().map(about).collect(),
            streams: self.streams.into_iter().map(have).collect::<Option<_>>()?,
        })
    }
}

impl From<&Welcome> for WelcomeLine {
    fn from(welcome: &Welcome) -> Self {
        let at = |(id, sequence): &(StreamId, u64)| (id.origin.index() as u8, id.incarnation, *sequence);
        Self {
            incarnation: welcome.incarnation,
            from: welcome.from,
            clock: welcome.clock,
            delivered: welcome.delivered.iter().map(at).collect(),
            former: welcome.former.clone(),
        }
    }
}

impl WelcomeLine {
    fn welcome(self, members: usize) -> Option<Welcome> {
        let at = |(origin, incarnation, sequence): Triple| {
            Some((stream_id(origin, incarnation, members)?, sequence))
        };
        Some(Welcome {
            incarnation: self.incarnation,
            from: self.from,
            clock: self.clock,
            delivered: self.delivered.into_iter().map(at).collect::<Option<_>>()?,
            former: self.former,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frame: Frame) {
        let members = Members::builtin();
        let mut line = Vec::new();
        write(&mut line, &frame, &members);
        assert_eq!(line.pop(), Some(b'\n'));
        let read = read(&line, Bytes::copy_from_slice, &members).unwrap();
        assert_eq!(read, Some(frame), "{}", String::from_utf8_lossy(&line));
    }

    fn message(data: &'static str, after: Option<Arc<[MessageId]>>) -> Message {
        let stream = StreamId {
            origin: Member::new(1),
            incarnation: 3,
        };
        Message {
            id: MessageId { stream, sequence: 9 },
            stamp: 41,
            after,
            data: Bytes::from_static(data.as_bytes()),
        }
    }

    #[test]
    fn every_frame_comes_back() {
        let id = message("", None).id;
        check(Frame::Data(message("Olá a todos!", None)));
        check(Frame::Data(message("", None)));
        check(Frame::Data(message(
            "quote \" backslash \\ newline \n escape \u{1b}[2J \u{202e}",
            None,
        )));
        check(Frame::Data(message("x", Some([id, id].into()))));
        check(Frame::Promise(Promise {
            incarnation: 1,
            clock: 2,
            sent: 3,
        }));
        let about = About {
            incarnation: 1,
            announced: 2,
            closed: 3,
            horizon: 4,
            sent: 5,
        };
        let have = Have {
            stream: id.stream,
            through: 1,
            delivered: 2,
            purged: 3,
            stable: 4,
            dropped: 5,
            had: 6,
            lost: vec![(1, 2)],
            beyond: vec![(7, 9)],
            ended: Some(Ended { by: 2, last: 9 }),
        };
        check(Frame::Status(Arc::new(Status {
            incarnation: 1,
            number: 2,
            hears: MemberSet::all(2),
            wants: MemberSet::EMPTY,
            members: vec![about; 3],
            streams: vec![
                have.clone(),
                Have {
                    lost: vec![],
                    beyond: vec![],
                    ended: None,
                    ..have
                },
            ],
        })));
        check(Frame::Welcome(Arc::new(Welcome {
            incarnation: 1,
            from: 2,
            clock: 3,
            delivered: vec![(id.stream, 4)],
            former: vec![(1, 2)],
        })));
    }

    #[test]
    fn another_writing_of_the_same_message_is_read_too() {
        let line = br#"{ "event":"message", "data":"Ol\u00e1", "from":"P2","extra":{"a":[1]}, "sequence":9,"incarnation":3,"lamport":41}"#;
        let read = read(line, Bytes::copy_from_slice, &Members::builtin()).unwrap();
        assert_eq!(read, Some(Frame::Data(message("Olá", None))));
    }

    #[test]
    fn what_is_no_frame_is_refused_or_ignored() {
        let check = |line: &str| read(line.as_bytes(), Bytes::copy_from_slice, &Members::builtin());
        assert!(matches!(check(r#"{"event":"ping"}"#), Ok(None)));
        let stranger =
            r#"{"lamport":1,"event":"message","from":"P9","incarnation":1,"sequence":1,"data":"x"}"#;
        assert!(matches!(check(stranger), Err(NotAFrame::Stranger(id)) if id == "P9"));
        for bad in [
            r#"{"event":"promise","clock":1}"#,
            r#"{"event":"status"}"#,
            r#"{"event":"status","status":{"incarnation":1,"number":1,"hears":0,"wants":0,"members":[],"streams":[]}}"#,
            r#"{"event":"welcome","welcome":{"incarnation":1,"from":1,"clock":0,"delivered":[[9,1,1]],"former":[]}}"#,
            r#"{"lamport":-1,"event":"message","from":"P1","incarnation":1,"sequence":1,"data":"x"}"#,
            r#"{"lamport":1.5,"event":"message","from":"P1","incarnation":1,"sequence":1,"data":"x"}"#,
            "[]",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
