//! What a client can ask of a peer.

use std::sync::Arc;

use proto::net::Connection;
use proto::{IdField, LineWriter, OpenRequest, StampField, Text, WireError, codes};
use serde::Deserialize;

use super::{Attached, Clients, NOT_SENT};
use crate::client::Status;
use crate::group::SendError;

#[derive(Deserialize)]
pub(super) struct Request<'a> {
    #[serde(default)]
    pub(super) lamport: StampField,
    #[serde(default)]
    pub(super) id: IdField,
    #[serde(borrow)]
    op: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) since: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) member: Option<Text<'a>>,
}

impl OpenRequest for Request<'_> {
    fn lamport(&self) -> StampField {
        self.lamport
    }

    fn id(&self) -> IdField {
        self.id
    }
}

impl Clients {
    /// Does what is asked, and writes the reply with the id `id`.
    pub(super) async fn perform(
        self: &Arc<Self>,
        connection: &mut Connection,
        request: &Request<'_>,
        id: u64,
        attached: &mut Attached,
        reply: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let missing = |field| WireError::new(codes::MISSING_FIELD, format!("the field {field} is missing"));
        let op = request.op.as_ref().ok_or_else(|| missing("op"))?;
        let ended = || WireError::new(codes::SHUTTING_DOWN, "this peer is leaving the group");
        match &*op.0 {
            "multicast" => {
                let data = request.data.as_ref().ok_or_else(|| missing("data"))?;
                let sent = connection
                    .write_while(self.handle.send(&data.0))
                    .await
                    .map_err(|_| ended())?;
                let sent = sent.map_err(|error| match error {
                    SendError::Left => ended(),
                    SendError::NotText | SendError::TooLong(_) => {
                        WireError::new(codes::INVALID_FIELD, error.to_string())
                    }
                    SendError::Refused => WireError::new(NOT_SENT, error.to_string()),
                })?;
                let name = format!("{}/{}/{}", self.handle.id(), sent.incarnation, sent.sequence);
                LineWriter::ok(reply, self.tick(), id)
                    .text("message", &name)
                    .number("stamp", sent.stamp)
                    .end();
            }
            "watch" => {
                let at = self.kept().after(request.since.as_ref().map(|since| &*since.0))?;
                attached.cursor = Some(at);
                LineWriter::ok(reply, self.tick(), id)
                    .text("process", self.handle.id().as_str())
                    .number("incarnation", self.incarnation)
                    .text("order", self.order)
                    .end();
            }
            "trace" => {
                let member = self.follow(request, connection.outbox(), attached)?;
                let line = LineWriter::ok(reply, self.tick(), id);
                let line = line.text("process", self.members.id(member).as_str());
                // Of another member's life its own events tell.
                let line = match self.members.id(member) == self.handle.id() {
                    true => line.number("incarnation", self.incarnation),
                    false => line,
                };
                line.text("order", self.order).end();
            }
            "status" => {
                let status = self.handle.status().ok_or_else(ended)?;
                let line = LineWriter::ok(reply, self.tick(), id);
                let watchers = self.told.receiver_count() as u64;
                write_status(line, &status, watchers);
            }
            "members" => {
                let status = self.handle.status().ok_or_else(ended)?;
                LineWriter::ok(reply, self.tick(), id)
                    .value("members", &status.members)
                    .end();
            }
            _ => {
                let error = WireError::new(codes::UNKNOWN_OPERATION, "a peer has no such operation");
                return Err(error.with_hint("a peer knows multicast, watch, trace, status and members"));
            }
        }
        Ok(())
    }
}

fn write_status(line: LineWriter<'_>, status: &Status, watchers: u64) {
    line.text("process", &status.process)
        .text("order", status.order.as_deref().unwrap_or_default())
        .number("incarnation", status.incarnation.unwrap_or(0))
        .number("lamport", status.lamport.unwrap_or(0))
        .number("sent", status.sent.unwrap_or(0))
        .number("delivered", status.delivered.unwrap_or(0))
        .number("undelivered", status.undelivered.unwrap_or(0))
        .number("retained", status.retained.unwrap_or(0))
        .number("retained_bytes", status.retained_bytes.unwrap_or(0))
        .number("duplicates", status.duplicates.unwrap_or(0))
        .number("watchers", watchers)
        .value("frames", &status.frames)
        .value("waiting", &status.waiting)
        .value("members", &status.members)
        .end();
}
