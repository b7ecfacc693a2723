//! Frames written as lines.

use proto::LineWriter;

use super::upkeep::{StatusLine, WelcomeLine};
use crate::core::frame::{Frame, MessageId, StreamId};
use crate::group_file::Members;

/// Writes frames as lines. What the messages of one sender have in common is kept from one to the next and not written anew.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Of which stream the latest message was.
    stream: Option<StreamId>,
    /// What stands between the stamp and the sequence of its messages.
    common: Vec<u8>,
}

impl Writer {
    /// Writes a frame as a line.
    pub(crate) fn write(&mut self, line: &mut Vec<u8>, frame: &Frame, members: &Members) {
        match frame {
            Frame::Data(message) => {
                self.get_to_know(message.id.stream, members);
                let writer = LineWriter::event_with(line, message.stamp, &self.common)
                    .number("sequence", message.id.sequence);
                let writer = match &message.after {
                    Some(after) => writer.rows("after", after.iter().map(row)),
                    None => writer,
                };
                // Payloads enter as text, here or at their sender's.
                match std::str::from_utf8(&message.data) {
                    Ok(data) => writer.text("data", data).end(),
                    Err(_) => writer.text("data", &String::from_utf8_lossy(&message.data)).end(),
                }
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

    fn get_to_know(&mut self, stream: StreamId, members: &Members) {
        if self.stream == Some(stream) {
            return;
        }
        self.common.clear();
        let _ = LineWriter::event(&mut self.common, 0, "message")
            .text("from", members.id(stream.origin).as_str())
            .number("incarnation", stream.incarnation);
        self.common.drain(..br#"{"lamport":0"#.len());
        self.stream = Some(stream);
    }
}

/// A message's identity on the wire: origin, incarnation, sequence.
fn row(id: &MessageId) -> [u64; 3] {
    [
        id.stream.origin.index() as u64,
        id.stream.incarnation,
        id.sequence,
    ]
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::core::frame::Message;
    use crate::members::Member;

    #[test]
    fn what_messages_have_in_common_is_that_of_their_sender() {
        let mut writer = Writer::default();
        let mut lines = Vec::new();
        for (origin, incarnation) in [(0, 2), (0, 2), (0, 3), (1, 3), (0, 2)] {
            let stream = StreamId {
                origin: Member::new(origin),
                incarnation,
            };
            let message = Message {
                id: MessageId { stream, sequence: 17 },
                stamp: 41,
                after: None,
                data: Bytes::from_static("Olá".as_bytes()),
            };
            writer.write(&mut lines, &Frame::Data(message), &Members::builtin());
        }
        let expected = [("P1", 2), ("P1", 2), ("P1", 3), ("P2", 3), ("P1", 2)].map(|(from, incarnation)| {
            format!(
                r#"{{"lamport":41,"event":"message","from":"{from}","incarnation":{incarnation},"sequence":17,"data":"Olá"}}"#
            ) + "\n"
        });
        assert_eq!(String::from_utf8(lines).unwrap(), expected.concat());
    }
}
