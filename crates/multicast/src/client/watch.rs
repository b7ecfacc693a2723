//! A watch over a peer that outlives its connections.

use proto::net::{Backoff, ClientSettings, Dialer, ReceivedEvent};
use proto::{ToldError, limits};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::{ClientError, Delivered, MessageName, Missed, Recent, Session, Watching};

/// The code of a peer that does not keep what a watch asks to go on from.
pub const SINCE_UNKNOWN: &str = "since_unknown";

/// Where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// With the next message.
    Now,
    /// With the oldest message that the peer still keeps.
    Start,
    /// After this message.
    Message(MessageName),
}

/// What a watch shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A message that was not seen before.
    Delivered(Delivered),
    /// Messages that the peer will never deliver.
    Missed(Missed),
    /// The connection is lost; the watch comes back by itself.
    Lost,
    /// The watch is back, and goes on after the last message seen.
    Resumed(Watching),
    /// The peer no longer keeps what would come next: messages may be missing here. The watch goes on with the oldest
    /// that the peer keeps.
    Gap,
    /// The peer could not send as fast as it delivers; the watch asks again for what follows.
    Lagged,
}

/// Watches what a peer delivers, over any number of connections.
#[derive(Debug)]
pub struct Watch {
    dialer: Dialer,
    settings: ClientSettings,
    since: Since,
    recent: Recent,
    backoff: Backoff,
    /// The next attempt waits.
    failed: bool,
    link: Option<Link>,
    watching: Watching,
}

/// The connection, and the events that come over it.
#[derive(Debug)]
struct Link {
    _session: Session,
    events: mpsc::Receiver<ReceivedEvent>,
}

impl Since {
    /// The field `since`.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Now => None,
            Self::Start => Some("start".to_owned()),
            Self::Message(name) => Some(name.to_string()),
        }
    }
}

impl std::str::FromStr for Since {
    type Err = super::MessageNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "now" => Ok(Self::Now),
            "start" => Ok(Self::Start),
            name => name.parse().map(Self::Message),
        }
    }
}

impl Watch {
    /// Begins to watch. The first connection must succeed; later ones are made as often as it takes.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; a message to go on from that the peer does not keep is [`ClientError::Refused`].
    pub async fn open(dialer: Dialer, settings: ClientSettings, since: Since) -> Result<Self, ClientError> {
        let (link, watching) = connect(&dialer, &settings, &since).await?;
        Ok(Self {
            dialer,
            settings,
            since,
            recent: Recent::default(),
            backoff: Backoff::new(limits::RECONNECT_BACKOFF),
            failed: false,
            link: Some(link),
            watching,
        })
    }

    /// The peer that is watched, as it was at the latest connection.
    #[must_use]
    pub fn watching(&self) -> &Watching {
        &self.watching
    }

    /// The last message seen, from which a later watch can go on.
    #[must_use]
    pub fn since(&self) -> &Since {
        &self.since
    }

    /// The next thing to show.
    ///
    /// Cancel safe: no message is lost when the future is dropped; a connection just being made is made anew.
    ///
    /// # Errors
    ///
    /// What coming back cannot cure: the peer does not speak this protocol, or refuses for good.
    pub async fn next(&mut self) -> Result<Seen, ClientError> {
        loop {
            match &mut self.link {
                Some(link) => {
                    let Some(event) = link.events.recv().await else {
                        self.link = None;
                        return Ok(Seen::Lost);
                    };
                    if let Some(seen) = self.take(&event)? {
                        return Ok(seen);
                    }
                }
                None => {
                    if let Some(seen) = self.come_back().await? {
                        return Ok(seen);
                    }
                }
            }
        }
    }

    fn take(&mut self, event: &ReceivedEvent) -> Result<Option<Seen>, ClientError> {
        match event.event.as_str() {
            "delivered" => {
                let delivered: Delivered = parse(event)?;
                if !self.recent.note(&delivered.message) {
                    return Ok(None);
                }
                self.since = Since::Message(delivered.message.clone());
                Ok(Some(Seen::Delivered(delivered)))
            }
            "missed" => Ok(Some(Seen::Missed(parse(event)?))),
            "lagged" => {
                self.link = None;
                Ok(Some(Seen::Lagged))
            }
            "error" => {
                let error: ToldError = parse(event)?;
                tracing::debug!(%error, "the peer told an error");
                Ok(None)
            }
            other => {
                tracing::debug!(event = other, "an event of a later version is left aside");
                Ok(None)
            }
        }
    }

    async fn come_back(&mut self) -> Result<Option<Seen>, ClientError> {
        if self.failed {
            tokio::time::sleep(self.backoff.pause()).await;
        }
        self.failed = true;
        match connect(&self.dialer, &self.settings, &self.since).await {
            Ok((link, watching)) => {
                self.link = Some(link);
                self.watching = watching.clone();
                self.backoff.reset();
                self.failed = false;
                Ok(Some(Seen::Resumed(watching)))
            }
            Err(ClientError::Refused(error)) if error.code == SINCE_UNKNOWN => {
                self.since = Since::Start;
                self.failed = false;
                Ok(Some(Seen::Gap))
            }
            Err(error @ (ClientError::NotUnderstood { .. } | ClientError::Refused(_))) if !passes(&error) => {
                Err(error)
            }
            Err(error) => {
                tracing::debug!(%error, "not back yet");
                Ok(None)
            }
        }
    }
}

/// Whether the refusal is one that time cures.
fn passes(error: &ClientError) -> bool {
    let passing = [
        proto::codes::SHUTTING_DOWN,
        proto::codes::TOO_MANY_CONNECTIONS,
        proto::codes::RATE_LIMITED,
    ];
    matches!(error, ClientError::Refused(told) if passing.iter().any(|&code| told.is(code)))
}

async fn connect(
    dialer: &Dialer,
    settings: &ClientSettings,
    since: &Since,
) -> Result<(Link, Watching), ClientError> {
    let (session, events) = Session::open(dialer, settings.clone()).await?;
    let watching = session.watch(since).await?;
    let link = Link {
        _session: session,
        events,
    };
    Ok((link, watching))
}

fn parse<T: DeserializeOwned>(event: &ReceivedEvent) -> Result<T, ClientError> {
    serde_json::from_slice(&event.line).map_err(|error| ClientError::NotUnderstood { what: "event", error })
}
