//! Links: one connection per pair of members, proven, and kept up.
//!
//! The member with the larger number dials the one with the smaller, again and again with back-off; so there is one
//! connection per pair whoever starts first. A link is one task; it reads, writes and parses for its member alone.

mod carry;
mod proof;
mod words;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use proto::net::{Backoff, Connection, ConnectionSettings, Dialer, OutboxLimits, Shutdown};
use proto::{FrameError, WireError, codes};

use self::words::{Wire, is_hello};
use super::handshake::Hello;
use super::node::Node;
use crate::core::Order;
use crate::group_file::Members;
use crate::limits::{FRAME_BYTES_MAX, HANDSHAKE_TIME, LINK_OUTBOX_BYTES, RECONNECT_PAUSES, REFUSED_PAUSES};
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
    pub(crate) next_link_number: AtomicU64,
}

impl Links {
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
                let is_news = claimed.filter(|member| *member != self.me).is_none_or(|member| {
                    let why = format!("{}: {}", error.code, error.message);
                    self.node.not_linked(member, why)
                });
                // It tries again and again.
                if is_news {
                    tracing::warn!(%peer, code = %error.code, "refused a member: {}; hint: {}", error.message, error.hint.as_deref().unwrap_or("none"));
                }
                wire.refuse(&error);
                wire.connection.finish().await;
            }
        }
    }

    /// Keeps the link to a member with a smaller number up, until the peer goes down.
    pub(crate) async fn dial(self: Arc<Self>, member: Member) {
        let dialer = Dialer::Tcp(self.members.address(member).to_owned());
        let id = self.members.id(member).clone();
        let mut backoff = Backoff::new(RECONNECT_PAUSES);
        let mut refused = Backoff::new(REFUSED_PAUSES);
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
            let pause = match attempt.unwrap_or_else(|_| Err(("no answer".to_owned(), None))) {
                Ok((wire, incarnation)) => {
                    backoff.reset();
                    refused.reset();
                    Arc::clone(&self).run(wire, member, incarnation).await;
                    backoff.pause()
                }
                Err((error, hint)) => {
                    let is_news = self.node.not_linked(member, error.clone());
                    match &hint {
                        Some(hint) if is_news => {
                            tracing::warn!(member = %id, address = %dialer, "not connected: {error}; hint: {hint}");
                        }
                        None if is_news => {
                            tracing::info!(member = %id, address = %dialer, "not connected: {error}");
                        }
                        _ => {}
                    }
                    // What has a hint is for a person to mend.
                    hint.map_or_else(|| backoff.pause(), |_| refused.pause())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shutdown.begun() => return,
            }
        }
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
