//! Links: one connection per pair of members, proven, and kept up.
//!
//! The member with the larger number dials the one with the smaller, again and again with back-off; so there is one
//! connection per pair whoever starts first. A link is one task; it reads, writes and parses for its member alone.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use proto::net::{Backoff, Connection, ConnectionSettings, Dialer, OutboxLimits, Shutdown, Turn};
use proto::{FrameError, LineWriter, WireError, codes};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handshake::{self, Hello, Side};
use super::node::Node;
use super::wire;
use crate::core::Order;
use crate::group_file::Members;
use crate::limits::{
    FAREWELL_TIME, FRAME_BYTES_MAX, HANDSHAKE_TIME, LINK_OUTBOX_BYTES, LINK_SILENCE_MAX, RECONNECT_PAUSES,
};
use crate::members::Member;

/// Who serves the connections to the peer's port that are not from members.
pub trait ClientPort: Send + Sync {
    /// Takes over a greeted connection and the lines that it has sent already.
    fn serve(
        &self,
        connection: Connection,
        lines: VecDeque<Result<Bytes, FrameError>>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What all links of a peer share.
pub(crate) struct Links {
    pub(crate) members: Members,
    pub(crate) me: Member,
    pub(crate) order: Order,
    pub(crate) incarnation: u64,
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) node: Arc<Node>,
    pub(crate) clients: OnceLock<Arc<dyn ClientPort>>,
    pub(crate) shutdown: Shutdown,
    pub(crate) sessions: AtomicU64,
}

/// A connection and the lines that were read and not yet taken.
struct Wire {
    connection: Connection,
    lines: VecDeque<Result<Bytes, FrameError>>,
}

impl Wire {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            lines: VecDeque::new(),
        }
    }

    /// The next line; none when the connection is over or the peer goes down.
    async fn line(&mut self) -> Option<Result<Bytes, FrameError>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            match self.connection.turn().await {
                Turn::Received(batch) => {
                    let lines = batch.lines().map(|line| line.map(|line| batch.share(line)));
                    self.lines.extend(lines);
                }
                Turn::Drained => {}
                Turn::ShuttingDown | Turn::Closed(_) => return None,
            }
        }
    }

    fn say(&self, write: impl FnOnce(LineWriter<'_>)) {
        let mut line = Vec::new();
        write(LineWriter::upkeep(&mut line));
        let _ = self.connection.outbox().push_reply(line.into());
    }

    /// Says what was wrong: below the clock, like everything of the set-up.
    fn refuse(&mut self, error: &WireError) {
        let mut line = Vec::new();
        LineWriter::upkeep_error(&mut line, error);
        self.connection.queue(line.into());
    }
}

#[derive(Deserialize)]
struct Word<'a> {
    #[serde(borrow)]
    op: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    proof: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    hint: Option<String>,
}

impl Links {
    fn hello(&self) -> Result<Hello, WireError> {
        let nonce = handshake::nonce()
            .map_err(|error| WireError::new(codes::INTERNAL, format!("no randomness: {error}")))?;
        Ok(Hello {
            id: self.members.id(self.me).clone(),
            incarnation: self.incarnation,
            group: self.members.fingerprint(),
            order: handshake::order_word(self.order).to_owned(),
            nonce,
            proof: String::new(),
        })
    }

    /// Serves one accepted connection: a member's, or a client's.
    pub(crate) async fn accept(self: Arc<Self>, connection: Connection) {
        let mut wire = Wire::new(connection);
        let Some(first) = wire.line().await else { return };
        let hello = first.as_ref().ok().filter(|first| is_hello(first)).cloned();
        let Some(hello) = hello else {
            wire.lines.push_front(first);
            if let Some(clients) = self.clients.get() {
                clients.serve(wire.connection, wire.lines).await;
            } else {
                wire.refuse(&WireError::new(
                    codes::UNKNOWN_OPERATION,
                    "this peer serves no clients",
                ));
                wire.connection.finish().await;
            }
            return;
        };
        let peer = wire.connection.peer();
        match tokio::time::timeout(HANDSHAKE_TIME, self.welcome(&mut wire, &hello)).await {
            Ok(Ok(Some((member, incarnation)))) => {
                self.run(wire, member, incarnation).await;
            }
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => {
                let claimed = proto::parse_object::<Hello>(&hello).ok();
                let claimed = claimed.and_then(|hello| self.members.find(hello.id.as_str()));
                if let Some(member) = claimed.filter(|member| *member != self.me) {
                    self.node
                        .not_linked(member, format!("{}: {}", error.code, error.message));
                }
                tracing::warn!(%peer, code = %error.code, "refused a member: {}; hint: {}", error.message, error.hint.as_deref().unwrap_or("none"));
                wire.refuse(&error);
                wire.connection.finish().await;
            }
        }
    }

    /// The acceptor's side of the handshake.
    async fn welcome(&self, wire: &mut Wire, first: &[u8]) -> Result<Option<(Member, u64)>, WireError> {
        let theirs = read_hello(first)?;
        let mut ours = self.hello()?;
        handshake::compare(&theirs, &ours)?;
        let member = self.member(&theirs)?;
        if self.secret.is_none() && !wire.connection.peer().is_local() {
            return Err(secret_needed());
        }
        ours.proof = handshake::proof(self.secret.as_deref(), Side::Acceptor, &theirs, &ours);
        wire.say(|line| write_hello(line.text("event", "peer"), &ours));
        let Some(answer) = wire.line().await else {
            return Ok(None);
        };
        let answer = answer?;
        let word: Word<'_> =
            proto::parse_object(&answer).map_err(|refusal| refusal.error.with_hint(HELLO_HINT))?;
        let right = handshake::proof(self.secret.as_deref(), Side::Dialler, &theirs, &ours);
        if word.op.as_deref() != Some("proof") || !handshake::proves(&word.proof, &right) {
            return Err(wrong_secret(theirs.id.as_str()));
        }
        wire.say(|line| line.text("event", "linked").end());
        Ok(Some((member, theirs.incarnation)))
    }

    fn member(&self, theirs: &Hello) -> Result<Member, WireError> {
        self.members.find(theirs.id.as_str()).ok_or_else(|| {
            WireError::new(
                handshake::NOT_A_MEMBER,
                format!("{:?} is not a member of this group", theirs.id),
            )
            .with_hint("start all members with the same --group file")
        })
    }

    /// Keeps the link to a member with a smaller number up, until the peer goes down.
    pub(crate) async fn dial(self: Arc<Self>, member: Member) {
        let dialer = Dialer::Tcp(self.members.address(member).to_owned());
        let id = self.members.id(member).clone();
        let mut backoff = Backoff::new(RECONNECT_PAUSES);
        let mut told = String::new();
        while !self.shutdown.has_begun() {
            let attempt = async {
                let (stream, peer) = dialer.dial().await.map_err(|error| (error.to_string(), None))?;
                let settings = Arc::new(link_settings());
                let name: Arc<str> = format!("to {id}").into();
                let mut wire = Wire::new(Connection::new(stream, peer, name, settings, &self.shutdown));
                let incarnation = self
                    .introduce(&mut wire, member)
                    .await
                    .map_err(|error| (what_was_wrong(&error), error.hint.map(|hint| hint.to_string())))?;
                Ok((wire, incarnation))
            };
            let attempt = tokio::select! {
                attempt = tokio::time::timeout(HANDSHAKE_TIME, attempt) => attempt,
                () = self.shutdown.begun() => return,
            };
            match attempt.unwrap_or_else(|_| Err(("no answer".to_owned(), None))) {
                Ok((wire, incarnation)) => {
                    backoff.reset();
                    told.clear();
                    Arc::clone(&self).run(wire, member, incarnation).await;
                }
                Err((error, hint)) if error != told => {
                    self.node.not_linked(member, error.clone());
                    tracing::info!(member = %id, address = %dialer, "not connected: {error}{}", hint.map(|hint| format!("; hint: {hint}")).unwrap_or_default());
                    told = error;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                () = self.shutdown.begun() => return,
            }
        }
    }

    /// The dialler's side of the handshake.
    async fn introduce(&self, wire: &mut Wire, member: Member) -> Result<u64, WireError> {
        let lost = || WireError::new(codes::INTERNAL, "the connection ended during the handshake");
        if self.secret.is_none() && !wire.connection.peer().is_local() {
            return Err(secret_needed());
        }
        let _greeting = wire.line().await.ok_or_else(lost)??;
        let ours = self.hello()?;
        wire.say(|line| write_hello(line.text("op", "peer"), &ours));
        let answer = wire.line().await.ok_or_else(lost)??;
        told_error(&answer)?;
        let theirs = read_hello(&answer)?;
        handshake::compare(&theirs, &ours)?;
        if self.member(&theirs)? != member {
            let (wanted, found) = (self.members.id(member), &theirs.id);
            return Err(WireError::new(
                handshake::NOT_A_MEMBER,
                format!("{found} answers where {wanted} should"),
            )
            .with_hint("check the addresses in the --group file"));
        }
        let right = handshake::proof(self.secret.as_deref(), Side::Acceptor, &ours, &theirs);
        if !handshake::proves(&theirs.proof, &right) {
            return Err(wrong_secret(theirs.id.as_str()));
        }
        let proof = handshake::proof(self.secret.as_deref(), Side::Dialler, &ours, &theirs);
        wire.say(|line| line.text("op", "proof").text("proof", &proof).end());
        let linked = wire.line().await.ok_or_else(lost)??;
        told_error(&linked)?;
        Ok(theirs.incarnation)
    }

    /// Carries frames until the link is over.
    async fn run(self: Arc<Self>, mut wire: Wire, member: Member, incarnation: u64) {
        let id = self.members.id(member);
        wire.connection.establish();
        wire.connection.set_line_bytes_max(FRAME_BYTES_MAX);
        // A member that is alive and reads nothing has an application that takes nothing: it is waited for. One that is not alive
        // is silent.
        wire.connection.set_write_stall(None);
        let session = self.sessions.fetch_add(1, Ordering::Relaxed);
        // The node holds the other end as long as this is the link to the member.
        let (hold, mut held) = oneshot::channel::<()>();
        let outbox = wire.connection.outbox().clone();
        if !self.node.link_up(member, session, incarnation, outbox, hold) {
            return;
        }
        tracing::info!(member = %id, incarnation, "linked");
        let why = self.carry(&mut wire, member, session, &mut held).await;
        tracing::info!(member = %id, "link is over: {why}");
        self.node.link_down(member, session);
        let _ = tokio::time::timeout(FAREWELL_TIME, wire.connection.finish()).await;
    }

    async fn carry(
        &self,
        wire: &mut Wire,
        member: Member,
        session: u64,
        held: &mut oneshot::Receiver<()>,
    ) -> String {
        let mut reader = wire::Reader::default();
        let mut frames = Vec::new();
        for line in std::mem::take(&mut wire.lines) {
            let read = match &line {
                Ok(line) => reader.read(line, |data| line.slice_ref(data), &self.members),
                Err(error) => Err(WireError::from(*error).with_hint(LONG_LINE_HINT)),
            };
            match read {
                Ok(frame) => frames.extend(frame),
                Err(error) => return self.refuse(wire, member, &error),
            }
        }
        let mut silence = pin!(tokio::time::sleep(LINK_SILENCE_MAX));
        loop {
            if !frames.is_empty() && !self.node.frames(member, session, &mut frames) {
                return "this peer ends".to_owned();
            }
            // The application may wait for a thread to take its events with, and a flooded link would not let go of it.
            tokio::task::yield_now().await;
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
                        let read = match line {
                            Ok(line) => reader.read(line, |data| batch.share(data), &self.members),
                            Err(error) => Err(WireError::from(error).with_hint(LONG_LINE_HINT)),
                        };
                        match read {
                            Ok(Some(frame)) => frames.push(frame),
                            Ok(None) => self.hear_refusal(line, member),
                            Err(error) => return self.refuse(wire, member, &error),
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

    /// What the other member refused is for people to know.
    fn hear_refusal(&self, line: Result<&[u8], FrameError>, member: Member) {
        if let Some(Err(error)) = line.ok().map(told_error) {
            let hint = error.hint.as_deref().unwrap_or("none");
            tracing::warn!(member = %self.members.id(member), "a member refused what this one sent: {}; hint: {hint}", error.message);
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

/// The bounds of a connection that this peer opens.
pub(crate) fn link_settings() -> ConnectionSettings {
    ConnectionSettings {
        line_bytes_max: FRAME_BYTES_MAX,
        outbox: OutboxLimits {
            soft_bytes: LINK_OUTBOX_BYTES,
            hard_bytes: LINK_OUTBOX_BYTES,
        },
        ..ConnectionSettings::default()
    }
}

/// The error with its code, unless it is the other end's word, which names one.
fn what_was_wrong(error: &WireError) -> String {
    if error.code == codes::INTERNAL {
        error.message.to_string()
    } else {
        format!("{}: {}", error.code, error.message)
    }
}

/// What helps when a line is longer than any that a member writes.
const LONG_LINE_HINT: &str = "the other end is no member of this group, or of another version";

/// What helps when the words of the set-up are not understood.
const HELLO_HINT: &str =
    "the other end is no member, or of another version: start all members from the same program";

/// Whether a member begins to introduce itself; everybody else is a client.
fn is_hello(line: &[u8]) -> bool {
    serde_json::from_slice::<Word<'_>>(line).is_ok_and(|word| word.op.as_deref() == Some("peer"))
}

fn read_hello(line: &[u8]) -> Result<Hello, WireError> {
    proto::parse_object(line).map_err(|refusal| refusal.error.with_hint(HELLO_HINT))
}

fn write_hello(line: LineWriter<'_>, hello: &Hello) {
    line.text("id", hello.id.as_str())
        .number("incarnation", hello.incarnation)
        .text("group", &hello.group)
        .text("order", &hello.order)
        .text("nonce", &hello.nonce)
        .text("proof", &hello.proof)
        .end();
}

fn told_error(line: &[u8]) -> Result<(), WireError> {
    match serde_json::from_slice::<Word<'_>>(line) {
        Ok(word) if word.event.as_deref() == Some("error") => {
            let error = WireError::new(codes::INTERNAL, format!("{}: {}", word.code, word.message));
            Err(match word.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            })
        }
        _ => Ok(()),
    }
}

fn secret_needed() -> WireError {
    WireError::new(
        handshake::SECRET_NEEDED,
        "members on other machines need a group secret",
    )
    .with_hint("start all members with the same --secret-file")
}

fn wrong_secret(id: &str) -> WireError {
    WireError::new(
        handshake::WRONG_SECRET,
        format!("{id} does not prove to know the group's secret"),
    )
    .with_hint("start all members with the same --secret-file")
}
