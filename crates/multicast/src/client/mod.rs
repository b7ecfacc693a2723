//! The client's end: attach to a running peer, send through it, watch what it delivers, ask how it is.
//!
//! A [`Session`] is one connection to one peer. A [`Watch`] outlives connections: it comes back with back-off and asks for
//! what follows the last message it had, so that its user sees every delivery of the peer once and in order.
//! What is left to others: the group's own protocol among peers, and what a terminal shows.
//!
//! ```no_run
//! use multicast::client::{Seen, Session, Since, Watch, settings};
//! use proto::net::Dialer;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let peer = Dialer::Tcp("localhost:5001".into());
//! let mut watch = Watch::open(peer.clone(), settings(), Since::Now).await?;
//! let sent = Session::attach(&peer, settings()).await?.send("Olá a todos!").await?;
//! while let Seen::Delivered(delivered) = watch.next().await? {
//!     println!("{} from {}", delivered.data, delivered.from);
//!     if delivered.message == sent.message {
//!         break;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod observer;
mod recent;
mod trace;
mod watch;
mod wire;

use proto::net::{Client, ClientSettings, ConnectError, Dialer, ReceivedEvent};
use proto::{ReplyError, ToldError};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

pub use observer::TraceObserver;
pub use recent::{RECENT_MAX, Recent};
pub use trace::{TraceSeen, TraceSince, TraceSinceError, TraceWatch};
pub use watch::{SINCE_UNKNOWN, Seen, Since, Watch};
pub use wire::{
    Delivered, Frames, MemberStatus, MessageName, MessageNameError, Missed, Sent, Status, Watching,
};

/// The name by which a peer greets.
pub const SERVICE: &str = "multicast";

/// Why a peer did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no connection to it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection ended first: nobody knows whether the request was carried out.
    #[error("the connection ended before the peer answered")]
    Lost,
    /// The peer refused.
    #[error("the peer refused: {0}")]
    Refused(#[from] ToldError),
    /// The peer's words are not those of this protocol.
    #[error("the peer's {what} is not understood: {error}")]
    NotUnderstood {
        /// Which words.
        what: &'static str,
        /// What is wrong with them.
        error: serde_json::Error,
    },
}

impl From<ReplyError> for ClientError {
    fn from(ReplyError::Lost: ReplyError) -> Self {
        Self::Lost
    }
}

/// Settings of a client of a peer, with a clock of its own.
#[must_use]
pub fn settings() -> ClientSettings {
    ClientSettings::new(SERVICE)
}

/// One connection to a running peer. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Session {
    client: Client,
}

/// A message handed to the peer whose answer is still to come.
#[derive(Debug)]
pub struct Sending(oneshot::Receiver<proto::net::ReceivedReply>);

impl Session {
    /// Attaches to the peer that `dialer` reaches.
    ///
    /// # Errors
    ///
    /// [`ClientError::Connect`] if there is none.
    pub async fn attach(dialer: &Dialer, settings: ClientSettings) -> Result<Self, ClientError> {
        Ok(Self::open(dialer, settings).await?.0)
    }

    async fn open(
        dialer: &Dialer,
        settings: ClientSettings,
    ) -> Result<(Self, mpsc::Receiver<ReceivedEvent>), ClientError> {
        let (client, events) = Client::connect(dialer, settings).await?;
        Ok((Self { client }, events))
    }

    /// The process that answers, as traces name it: `P1.clients`, the client port of P1.
    #[must_use]
    pub fn process(&self) -> &str {
        self.client.greeting().process()
    }

    /// Multicasts `data` to the group and waits until the peer has taken it.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. After [`ClientError::Lost`] the message may have been sent: sending it again may double it.
    pub async fn send(&self, data: &str) -> Result<Sent, ClientError> {
        self.begin_send(data).await?.done().await
    }

    /// Multicasts `data` without waiting for the peer's answer, so that more can be sent meanwhile.
    ///
    /// # Errors
    ///
    /// [`ClientError::Lost`] when the connection is over.
    pub async fn begin_send(&self, data: &str) -> Result<Sending, ClientError> {
        let reply = self
            .client
            .send("multicast", |line| line.text("data", data))
            .await?;
        Ok(Sending(reply))
    }

    /// How the peer is, and what it knows of the others.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        parse_words("status", &self.raw_status().await?)
    }

    /// The same as the peer wrote it.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn raw_status(&self) -> Result<Box<RawValue>, ClientError> {
        Ok(self.client.request("status", |line| line).await?.outcome?)
    }

    async fn watch(&self, since: &Since) -> Result<Watching, ClientError> {
        let reply = self
            .client
            .request("watch", |line| match since.text() {
                Some(since) => line.text("since", &since),
                None => line,
            })
            .await?;
        parse_words("answer", &reply.outcome?)
    }
}

impl Sending {
    /// Waits for the peer's answer.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. After [`ClientError::Lost`] the message may have been sent.
    pub async fn done(self) -> Result<Sent, ClientError> {
        let reply = self.0.await.map_err(|_| ClientError::Lost)?;
        parse_words("answer", &reply.outcome?)
    }
}

fn parse_words<T: DeserializeOwned>(what: &'static str, words: &RawValue) -> Result<T, ClientError> {
    serde_json::from_str(words.get()).map_err(|error| ClientError::NotUnderstood { what, error })
}

#[cfg(test)]
mod tests;
