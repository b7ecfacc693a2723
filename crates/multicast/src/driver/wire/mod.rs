//! Frames of the core as lines of the wire, and back.
//!
//! ```text
//! {"lamport":41,"event":"message","from":"P1","incarnation":2,"sequence":17,"after":[[1,3,5]],"data":"Olá"}
//! {"event":"promise","incarnation":2,"clock":44,"sent":17}
//! ```
//!
//! Messages are stamped by their sender and keep their stamp when they are relayed; the rest is upkeep and carries no stamp.
//! A [message] or a [promise](plain) as this peer writes it is read without a general JSON parser; one written otherwise goes
//! through serde.

#[cfg(test)]
mod bounds;
mod message;
mod number;
mod plain;
mod upkeep;
mod write;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use proto::{StampField, WireError, codes};
use serde::Deserialize;

use self::number::{Count, Number};
use self::upkeep::{Fault, StatusLine, Triple, WelcomeLine, check_streams, stream_id};
pub(crate) use self::write::Writer;
use super::handshake::NOT_A_MEMBER;
use crate::core::frame::{Frame, Message, MessageId, Promise, StreamId};
use crate::group_file::Members;
use crate::limits::DATA_BYTES_MAX;

/// What helps when a line is no frame.
pub(crate) const HINT: &str = "the other end is no member of this group, or of another version: start all members from the same program";

fn missing(what: &str, field: &str) -> WireError {
    WireError::new(codes::MISSING_FIELD, format!("a {what} lacks the field {field}")).with_hint(HINT)
}

fn invalid(what: &str, fault: Fault) -> WireError {
    WireError::new(codes::INVALID_FIELD, format!("a {what} {fault}")).with_hint(HINT)
}

/// Bytes that the text of a message takes on the wire, if they are more than [`DATA_BYTES_MAX`].
pub(crate) fn too_long(data: &[u8]) -> Option<usize> {
    // A text this short has room for any escapes.
    if data.len() <= DATA_BYTES_MAX / proto::ESCAPED_BYTES_MAX {
        return None;
    }
    let length = proto::escaped_len(&String::from_utf8_lossy(data));
    (length > DATA_BYTES_MAX).then_some(length)
}

/// Reads the lines of one link.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    familiar: message::Familiar,
}

impl Reader {
    /// Reads a line. `None` for upkeep of the connection and for events that a later version may bring.
    pub(crate) fn read(
        &mut self,
        line: &[u8],
        share: impl Fn(&[u8]) -> Bytes,
        members: &Members,
    ) -> Result<Option<Frame>, WireError> {
        let frame = match self.familiar.read(line, share, members) {
            Some(message) => Some(Frame::Data(message)),
            None => match plain::promise(line) {
                Some(promise) => Some(Frame::Promise(promise)),
                None => read_any(line, members)?,
            },
        };
        if let Some(Frame::Data(message)) = &frame
            && let Some(length) = too_long(&message.data)
        {
            let message =
                format!("the text of a message has at most {DATA_BYTES_MAX} bytes, this one has {length}");
            return Err(WireError::new(codes::INVALID_FIELD, message).with_hint(HINT));
        }
        Ok(frame)
    }
}

fn read_any(line: &[u8], members: &Members) -> Result<Option<Frame>, WireError> {
    let any: AnyLine<'_> = proto::parse_object(line).map_err(|refusal| refusal.error.with_hint(HINT))?;
    let event = any.event.as_deref().unwrap_or_default();
    Ok(Some(match event {
        "message" => Frame::Data(any.message(members)?),
        "promise" => Frame::Promise(Promise {
            incarnation: any
                .incarnation
                .ok_or_else(|| missing("promise", "incarnation"))?
                .get(),
            clock: any.clock.ok_or_else(|| missing("promise", "clock"))?.get(),
            sent: any.sent.ok_or_else(|| missing("promise", "sent"))?.get(),
        }),
        "status" => {
            let status = any.status.ok_or_else(|| missing("status", "status"))?;
            Frame::Status(Arc::new(
                status
                    .status(members.len())
                    .map_err(|fault| invalid("status", fault))?,
            ))
        }
        "welcome" => {
            let welcome = any.welcome.ok_or_else(|| missing("welcome", "welcome"))?;
            Frame::Welcome(Arc::new(
                welcome
                    .welcome(members.len())
                    .map_err(|fault| invalid("welcome", fault))?,
            ))
        }
        _ => return Ok(None),
    }))
}

/// Any line of a member, flat.
#[derive(Deserialize)]
struct AnyLine<'a> {
    #[serde(default)]
    lamport: StampField,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    incarnation: Option<Count>,
    sequence: Option<Count>,
    after: Option<Vec<Triple>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    clock: Option<Number>,
    sent: Option<Number>,
    status: Option<StatusLine>,
    welcome: Option<WelcomeLine>,
}

impl AnyLine<'_> {
    fn message(self, members: &Members) -> Result<Message, WireError> {
        let missing = |field| missing("message", field);
        let stamp = match self.lamport {
            StampField::Time(stamp) => stamp,
            StampField::Absent => return Err(missing("lamport")),
            StampField::Invalid => {
                let message = "the stamp is not an integer from 0 to 2^53 - 1";
                return Err(WireError::new(codes::INVALID_STAMP, message).with_hint(HINT));
            }
        };
        let from = self.from.ok_or_else(|| missing("from"))?;
        let origin = members.find(&from).ok_or_else(|| {
            WireError::new(
                NOT_A_MEMBER,
                format!("the origin {from:?} is not a member of this group"),
            )
            .with_hint("start all members with the same group file")
        })?;
        let incarnation = self.incarnation.ok_or_else(|| missing("incarnation"))?;
        let sequence = self.sequence.ok_or_else(|| missing("sequence"))?;
        let data = self.data.ok_or_else(|| missing("data"))?;
        let after = self.after.map(|after| read_after(after, members.len()));
        Ok(Message {
            id: MessageId {
                stream: StreamId {
                    origin,
                    incarnation: incarnation.get(),
                },
                sequence: sequence.get(),
            },
            stamp,
            after: after.transpose().map_err(|fault| invalid("message", fault))?,
            data: Bytes::from(data.into_owned()),
        })
    }
}

fn read_after(after: Vec<Triple>, members: usize) -> Result<Arc<[MessageId]>, Fault> {
    check_streams(after.len(), members)?;
    let id = |(origin, incarnation, sequence): Triple| {
        Ok(MessageId {
            stream: stream_id(origin, incarnation, members)?,
            sequence: sequence.get(),
        })
    };
    after.into_iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::{About, Ended, Have, Status, Welcome};
    use crate::members::{Member, MemberSet};

    fn check(frame: Frame) {
        let members = Members::builtin();
        let mut line = Vec::new();
        Writer::default().write(&mut line, &frame, &members);
        assert_eq!(line.pop(), Some(b'\n'));
        let mut reader = Reader::default();
        // The second time it is familiar.
        for _ in 0..2 {
            let read = reader.read(&line, Bytes::copy_from_slice, &members).unwrap();
            assert_eq!(read.as_ref(), Some(&frame), "{}", String::from_utf8_lossy(&line));
        }
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
                    stream: StreamId {
                        incarnation: 4,
                        ..id.stream
                    },
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
    fn what_a_busy_group_says_is_read_without_serde() {
        let members = Members::builtin();
        let line = |frame: Frame| {
            let mut line = Vec::new();
            Writer::default().write(&mut line, &frame, &members);
            line.pop();
            line
        };
        let id = message("", None).id;
        for after in [None, Some([id, id].into())] {
            let message = message("Olá", after);
            let line = line(Frame::Data(message.clone()));
            let read = message::Familiar::default().read(&line, Bytes::copy_from_slice, &members);
            assert_eq!(read, Some(message));
        }
        let promise = Promise {
            incarnation: 1,
            clock: 2,
            sent: 3,
        };
        assert_eq!(plain::promise(&line(Frame::Promise(promise))), Some(promise));
    }

    #[test]
    fn another_writing_of_the_same_message_is_read_too() {
        let line = br#"{ "event":"message", "data":"Ol\u00e1", "from":"P2","extra":{"a":[1]}, "sequence":9,"incarnation":3,"lamport":41}"#;
        let read = Reader::default()
            .read(line, Bytes::copy_from_slice, &Members::builtin())
            .unwrap();
        assert_eq!(read, Some(Frame::Data(message("Olá", None))));
    }

    #[test]
    fn what_is_no_frame_is_refused_or_ignored() {
        let check =
            |line: &str| Reader::default().read(line.as_bytes(), Bytes::copy_from_slice, &Members::builtin());
        assert!(matches!(check(r#"{"event":"ping"}"#), Ok(None)));
        let stranger =
            r#"{"lamport":1,"event":"message","from":"P9","incarnation":1,"sequence":1,"data":"x"}"#;
        assert_eq!(check(stranger).unwrap_err().code, NOT_A_MEMBER);
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

    #[test]
    fn a_text_is_as_long_as_it_is_with_its_escapes() {
        let is_read = |text: String, stamp: &str| {
            let line = format!(
                r#"{{"lamport":{stamp},"event":"message","from":"P1","incarnation":1,"sequence":1,"data":"{text}"}}"#
            );
            Reader::default()
                .read(line.as_bytes(), Bytes::copy_from_slice, &Members::builtin())
                .is_ok()
        };
        // With the space the line is read by serde.
        for stamp in ["1", " 1"] {
            assert!(is_read("x".repeat(DATA_BYTES_MAX), stamp));
            assert!(!is_read("x".repeat(DATA_BYTES_MAX + 1), stamp));
            assert!(is_read("\u{7f}".repeat(DATA_BYTES_MAX / 6), stamp));
            assert!(!is_read("\u{7f}".repeat(DATA_BYTES_MAX / 6 + 1), stamp));
        }
    }
}
