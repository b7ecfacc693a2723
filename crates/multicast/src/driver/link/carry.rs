//! A link while it is up: frames in and out, until it is over.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use proto::net::Turn;
use proto::{FrameError, WireError, codes};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Links;
use super::words::{Wire, told_error};
use crate::core::frame::Frame;
use crate::driver::wire;
use crate::group_file::Members;
use crate::limits::{FAREWELL_TIME, FLOOD_FRAMES, FRAME_BYTES_MAX, LINK_SILENCE_MAX};
use crate::members::Member;

/// What helps when a line is longer than any that a member writes.
const LONG_LINE_HINT: &str = "the other end is no member of this group, or of another version";

impl Links {
    /// Carries frames until the link is over.
    pub(super) async fn run(self: Arc<Self>, mut wire: Wire, member: Member, incarnation: u64) {
        let id = self.members.id(member);
        wire.connection.establish();
        wire.connection.set_line_bytes_max(FRAME_BYTES_MAX);
        // A member that is alive and reads nothing has an application that takes nothing: it is waited for. One that is not alive
        // is silent.
        wire.connection.set_write_stall(None);
        let link_number = self.next_link_number.fetch_add(1, Ordering::Relaxed);
        // The node holds the other end as long as this is the link to the member.
        let (hold, mut held) = oneshot::channel::<()>();
        let outbox = wire.connection.outbox().clone();
        if !self.node.link_up(member, link_number, incarnation, outbox, hold) {
            return;
        }
        tracing::info!(member = %id, incarnation, "linked");
        let why = self
            .carry(&mut wire, member, incarnation, link_number, &mut held)
            .await;
        tracing::info!(member = %id, "link is over: {why}");
        self.node.link_down(member, link_number);
        let _ = tokio::time::timeout(FAREWELL_TIME, wire.connection.finish()).await;
    }

    async fn carry(
        &self,
        wire: &mut Wire,
        member: Member,
        incarnation: u64,
        link_number: u64,
        held: &mut oneshot::Receiver<()>,
    ) -> String {
        let mut incoming = Incoming {
            members: &self.members,
            member,
            incarnation,
            reader: wire::Reader::default(),
            frames: Vec::new(),
        };
        // What came with the last word of the set-up.
        for line in std::mem::take(&mut wire.lines) {
            let read = |line: Bytes| incoming.read_into(&line, |data| line.slice_ref(data));
            if let Err(error) = line.map_err(unframed).and_then(read) {
                return self.refuse(wire, member, &error);
            }
        }
        let mut silence = pin!(tokio::time::sleep(LINK_SILENCE_MAX));
        loop {
            let frames = &mut incoming.frames;
            let is_flooded = frames.len() >= FLOOD_FRAMES;
            if !frames.is_empty() && !self.node.frames(member, link_number, frames) {
                return "this peer ends".to_owned();
            }
            // The application may wait for a thread to take its events with, and a flooded link would not let go of it. Another one
            // has nothing to read next, and does without a look at all sockets.
            if is_flooded {
                tokio::task::yield_now().await;
            }
            if let Err(closed) = wire.connection.write_while(self.node.room()).await {
                return closed.to_string();
            }
            // While nothing was read nothing could be heard.
            let heard = Instant::now();
            let turn = loop {
                tokio::select! {
                    turn = wire.connection.turn() => break turn,
                    _ = &mut *held => return "it is replaced, or this peer ends".to_owned(),
                    () = &mut silence => {
                        // The timer is not moved at every sign of life.
                        let until = heard + LINK_SILENCE_MAX;
                        if until <= Instant::now() {
                            return "it was silent for too long".to_owned();
                        }
                        silence.as_mut().reset(until);
                    }
                }
            };
            match turn {
                Turn::Received(batch) => {
                    for line in batch.lines() {
                        let read = |line| incoming.read_into(line, |data| batch.share(data));
                        if let Err(error) = line.map_err(unframed).and_then(read) {
                            return self.refuse(wire, member, &error);
                        }
                    }
                }
                // Frames were refused by the full outbox: a new link starts from what the member has.
                Turn::Drained => return "it could not keep up".to_owned(),
                // The node says farewell first, then lets go of the link.
                Turn::ShuttingDown => {
                    let _ = tokio::time::timeout(FAREWELL_TIME, &mut *held).await;
                    return "this peer ends".to_owned();
                }
                Turn::Closed(closed) => return closed.to_string(),
            }
        }
    }

    fn refuse(&self, wire: &mut Wire, member: Member, error: &WireError) -> String {
        let id = self.members.id(member);
        let hint = error.hint.as_deref().unwrap_or("send shorter lines");
        tracing::warn!(member = %id, code = %error.code, "a line from a member is no frame: {}; hint: {hint}", error.message);
        wire.refuse(error);
        error.message.to_string()
    }
}

/// The lines of a member, read into frames.
struct Incoming<'a> {
    members: &'a Members,
    member: Member,
    /// Which life of the member is at the other end, as it proved.
    incarnation: u64,
    reader: wire::Reader,
    frames: Vec<Frame>,
}

impl Incoming<'_> {
    /// Reads one line: a frame, or what the other member refused, which is for people to know.
    fn read_into(&mut self, line: &[u8], share: impl Fn(&[u8]) -> Bytes) -> Result<(), WireError> {
        if let Some(frame) = self.reader.read(line, share, self.members)? {
            if frame.is_of_another_life(self.member, self.incarnation) {
                return Err(self.other_life());
            }
            self.frames.push(frame);
        } else if let Err(error) = told_error(line) {
            let hint = error.hint.as_deref().unwrap_or("none");
            tracing::warn!(member = %self.members.id(self.member), "a member refused what this one sent: {}; hint: {hint}", error.message);
        }
        Ok(())
    }

    /// A member that speaks for a later life of its own would not be believed any more when it is restarted.
    fn other_life(&self) -> WireError {
        let (id, life) = (self.members.id(self.member), self.incarnation);
        let message =
            format!("the incarnation is not that of the link, which is with {id} in its life {life}");
        WireError::new(codes::INVALID_FIELD, message).with_hint(wire::HINT)
    }
}

fn unframed(error: FrameError) -> WireError {
    WireError::from(error).with_hint(LONG_LINE_HINT)
}
