//! What happens at a peer, event by event, over any number of connections.

use std::fmt;
use std::str::FromStr;

use lamport::ProcessId;
use lamport::trace::{Reader, Record, TraceEvent};
use proto::limits;
use proto::net::{Backoff, ClientSettings, Dialer, ReceivedEvent};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{ClientError, Session, Watching, parse_words};

/// Where looking on begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceSince {
    /// With the next event.
    Now,
    /// With the oldest event that the peer still keeps.
    Start,
    /// After this event.
    Event {
        /// Of which life of the peer.
        incarnation: u64,
        /// Its number in that life, from 1.
        number: u64,
    },
}

/// The text says no place in a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in a trace")]
pub struct TraceSinceError;

/// What one who looks on sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceSeen {
    /// The peer tells its events from now on.
    Attached {
        /// Which life of it.
        incarnation: u64,
    },
    /// Something happened there.
    Event {
        /// In which life.
        incarnation: u64,
        /// As which event of that life, from 1.
        number: u64,
        /// What.
        event: TraceEvent<'static>,
    },
    /// Events that happened and will not be told: the peer keeps a bounded number, and tells them at a bounded pace.
    Missed {
        /// In which life.
        incarnation: u64,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The peer cannot be reached, for this reason; it is tried again.
    Lost(String),
}

/// Follows the events of one peer, and comes back to it as often as it takes.
#[derive(Debug)]
pub struct TraceWatch {
    process: ProcessId,
    dialer: Dialer,
    settings: ClientSettings,
    since: TraceSince,
    backoff: Backoff,
    /// The loss has been told.
    lost: bool,
    link: Option<(Session, mpsc::Receiver<ReceivedEvent>)>,
}

/// `traced`, and `untraced`.
#[derive(Deserialize)]
struct Told<'a> {
    incarnation: u64,
    #[serde(default)]
    number: u64,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    #[serde(default)]
    first: u64,
    #[serde(default)]
    last: u64,
}

impl fmt::Display for TraceSince {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Start => f.write_str("start"),
            Self::Event { incarnation, number } => write!(f, "{incarnation}/{number}"),
        }
    }
}

impl FromStr for TraceSince {
    type Err = TraceSinceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = || {
            let (incarnation, number) = text.split_once('/')?;
            Some(Self::Event {
                incarnation: incarnation.parse().ok()?,
                number: number.parse().ok()?,
            })
        };
        match text {
            "now" => Ok(Self::Now),
            "start" => Ok(Self::Start),
            _ => place().ok_or(TraceSinceError),
        }
    }
}

impl TraceWatch {
    /// Will follow `process`, the peer that `dialer` reaches. Connections are made by [`next`](Self::next).
    #[must_use]
    pub fn new(process: ProcessId, dialer: Dialer, settings: ClientSettings, since: TraceSince) -> Self {
        Self {
            process,
            dialer,
            settings,
            since,
            backoff: Backoff::new(limits::RECONNECT_BACKOFF),
            lost: false,
            link: None,
        }
    }

    /// The next thing seen. It never ends: a peer that is away is tried again, with pauses.
    ///
    /// Cancel safe: no event is lost when the future is dropped; a connection just being made is made anew.
    pub async fn next(&mut self) -> TraceSeen {
        loop {
            let Some((_, events)) = &mut self.link else {
                if let Some(seen) = self.come_back().await {
                    return seen;
                }
                continue;
            };
            let Some(event) = events.recv().await else {
                self.link = None;
                self.lost = true;
                return TraceSeen::Lost("the connection ended".to_owned());
            };
            if let Some(seen) = self.take(&event) {
                return seen;
            }
        }
    }

    /// What has come already and needs no waiting.
    pub fn ready(&mut self) -> Option<TraceSeen> {
        loop {
            let (_, events) = self.link.as_mut()?;
            let event = events.try_recv().ok()?;
            if let Some(seen) = self.take(&event) {
                return Some(seen);
            }
        }
    }

    /// What the event shows; with a peer that says what cannot be, nothing more is spoken.
    fn take(&mut self, event: &ReceivedEvent) -> Option<TraceSeen> {
        self.read(event).unwrap_or_else(|why| {
            self.link = None;
            self.lost = true;
            Some(TraceSeen::Lost(why))
        })
    }

    fn read(&mut self, event: &ReceivedEvent) -> Result<Option<TraceSeen>, String> {
        if event.event != "traced" && event.event != "untraced" {
            return Ok(None);
        }
        let told: Told<'_> = serde_json::from_slice(&event.line)
            .map_err(|error| format!("its {} is not understood: {error}", event.event))?;
        let incarnation = told.incarnation;
        let seen = match told.record {
            Some(record) => TraceSeen::Event {
                incarnation,
                number: told.number,
                event: self.event(record)?,
            },
            None => TraceSeen::Missed {
                incarnation,
                first: told.first,
                last: told.last,
            },
        };
        self.since = TraceSince::Event {
            incarnation,
            number: told.number.max(told.last),
        };
        Ok(Some(seen))
    }

    /// Nobody tells what happened elsewhere.
    fn event(&self, record: &RawValue) -> Result<TraceEvent<'static>, String> {
        let mut reader = Reader::new(record.get().as_bytes());
        match reader
            .read()
            .map_err(|error| format!("its record is none: {error}"))?
        {
            Some(Record::Event(event)) if event.process == self.process.as_str() => Ok(event.into_owned()),
            _ => Err("its record is not an event of its own".to_owned()),
        }
    }

    async fn come_back(&mut self) -> Option<TraceSeen> {
        if self.lost {
            tokio::time::sleep(self.backoff.pause()).await;
        }
        match self.connect().await {
            Ok(incarnation) => {
                self.lost = false;
                self.backoff.reset();
                Some(TraceSeen::Attached { incarnation })
            }
            Err(_) if self.lost => None,
            Err(error) => {
                self.lost = true;
                Some(TraceSeen::Lost(error.to_string()))
            }
        }
    }

    async fn connect(&mut self) -> Result<u64, ClientError> {
        let (session, events) = Session::open(&self.dialer, self.settings.clone()).await?;
        let since = self.since.to_string();
        let reply = session
            .client
            .request("trace", |line| line.text("since", &since))
            .await?;
        let watching: Watching = parse_words("answer", &reply.outcome?)?;
        self.link = Some((session, events));
        Ok(watching.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in ["now", "start", "2/17"] {
            assert_eq!(text.parse::<TraceSince>().unwrap().to_string(), text);
        }
        for nonsense in ["", "2", "2/", "/2", "-1/2", "1/2/3"] {
            assert!(nonsense.parse::<TraceSince>().is_err(), "{nonsense}");
        }
    }
}
