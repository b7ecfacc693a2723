//! The client's end: many requests on their way at once, replies in order, events in a stream of their own.
//!
//! A [`Client`] is one connection. When it ends, every outstanding request fails as [`ReplyError::Lost`] and the
//! events end; what that means, and what is to be sent again, only the service's own client knows. It opens the next
//! connection with the same [`Dialer`] and [`ClientSettings`] (and so the same clock), after a
//! [`Backoff`](super::Backoff) pause.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lamport::{Clock, TIME_MAX};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::{Connection, ConnectionSettings};
use super::dial::Dialer;
use super::observer::Observer;
use super::requests::{ReceivedEvent, ReceivedReply, Requests};
use super::shutdown::Shutdown;
use super::turn::{Closed, Turn};
use crate::PROTOCOL;
use crate::error::{ToldError, WireError};
use crate::frame::FrameError;
use crate::incoming::{Greeting, ReplyError};
use crate::limits::{CLIENT_EVENTS_MAX, CONNECT_DEFAULT};
use crate::writer::LineWriter;

/// How a client behaves, and what it keeps over its connections.
#[derive(Clone)]
pub struct ClientSettings {
    /// The service that must answer.
    pub service: &'static str,
    /// This process's clock. The one that [`new`](ClientSettings::new) makes believes the server, however old that is.
    pub clock: Arc<Clock>,
    /// Longest wait for the connection and its greeting.
    pub connect: Duration,
    /// The bounds of the connection. [`new`](ClientSettings::new) leaves the pings to the server and gives up a connection on
    /// which none comes, nor anything else: a machine that is gone does not close its connections.
    pub connection: ConnectionSettings,
    /// Who is told of every send and receive, such as a [`Tracer`](lamport::trace::Tracer).
    pub observer: Option<Arc<dyn Observer>>,
}

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address could not be reached.
    #[error("failed to connect to {address}: {source}")]
    Unreachable {
        /// Where to.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing came within the time.
    #[error("{address} did not answer within {}s", .waited.as_secs_f32())]
    Silent {
        /// Where to.
        address: String,
        /// How long.
        waited: Duration,
    },
    /// The server told an error instead of a greeting.
    #[error("{0}")]
    Refused(ToldError),
    /// Something else answered.
    #[error("{address} is no {service} server of protocol {PROTOCOL}")]
    WrongServer {
        /// Where to.
        address: String,
        /// What was looked for.
        service: &'static str,
    },
}

/// One connection to a server. Cloning is cheap; the connection ends when every clone is gone.
#[derive(Debug, Clone)]
pub struct Client {
    requests: Arc<Requests>,
    greeting: Arc<Greeting>,
    ending: CancellationToken,
    _ends_the_task: Arc<DropGuard>,
}

impl ClientSettings {
    /// The settings of a client of `service` with a new clock.
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        let connection = ConnectionSettings {
            handshake: None,
            ping_interval: None,
            ..ConnectionSettings::default()
        };
        Self {
            service,
            clock: Arc::new(Clock::starting_at(0, TIME_MAX)),
            connect: CONNECT_DEFAULT,
            connection,
            observer: None,
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a connection and waits for its greeting. The events come out of the receiver; while nobody takes them
    /// and its bound is reached, the connection is not read.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(
        dialer: &Dialer,
        settings: ClientSettings,
    ) -> Result<(Self, mpsc::Receiver<ReceivedEvent>), ConnectError> {
        let address = dialer.to_string();
        let waited = settings.connect;
        match tokio::time::timeout(waited, Self::open(dialer, &address, settings)).await {
            Ok(opened) => opened,
            Err(_) => Err(ConnectError::Silent { address, waited }),
        }
    }

    async fn open(
        dialer: &Dialer,
        address: &str,
        settings: ClientSettings,
    ) -> Result<(Self, mpsc::Receiver<ReceivedEvent>), ConnectError> {
        let unreachable = |source| ConnectError::Unreachable {
            address: address.to_owned(),
            source,
        };
        let (stream, peer) = dialer.dial().await.map_err(unreachable)?;
        let shutdown = Shutdown::new();
        let mut connection = Connection::new(
            stream,
            peer,
            "client".into(),
            Arc::new(settings.connection),
            &shutdown,
        );
        let batch = loop {
            match connection.turn().await {
                Turn::Received(batch) => break batch,
                Turn::Closed(Closed::Lost(kind)) => return Err(unreachable(kind.into())),
                Turn::Closed(_) => return Err(unreachable(io::ErrorKind::UnexpectedEof.into())),
                Turn::Drained | Turn::ShuttingDown => {}
            }
        };
        let mut lines = batch.lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let greeting = read_greeting(first, address, settings.service)?;
        let rest = lines.map(|line| Ok(batch.share(line?))).collect();
        let requests = Arc::new(Requests::new(
            &greeting,
            connection.outbox().clone(),
            settings.clock,
            settings.observer,
        ));
        let ending = CancellationToken::new();
        let (events, received) = mpsc::channel(CLIENT_EVENTS_MAX);
        tokio::spawn(run(
            connection,
            Arc::clone(&requests),
            ending.clone(),
            events,
            rest,
        ));
        let client = Self {
            requests,
            greeting: Arc::new(greeting),
            ending: ending.clone(),
            _ends_the_task: Arc::new(ending.drop_guard()),
        };
        Ok((client, received))
    }

    /// What the server said of itself.
    #[must_use]
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// This process's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<Clock> {
        self.requests.clock()
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.requests.are_over()
    }

    /// Sends a request and waits for its reply; `fields` writes what the operation needs.
    ///
    /// Dropping the future does not take the request back.
    ///
    /// # Errors
    ///
    /// [`ReplyError::Lost`] when the connection ends first. A refusal is a reply.
    pub async fn request(
        &self,
        op: &'static str,
        fields: impl FnOnce(LineWriter<'_>) -> LineWriter<'_>,
    ) -> Result<ReceivedReply, ReplyError> {
        self.send(op, fields).await?.await.map_err(|_| ReplyError::Lost)
    }

    /// Sends a request and returns what its reply will come out of, so that more can be sent meanwhile. Waits only
    /// while [`REQUESTS_IN_FLIGHT_MAX`](crate::limits::REQUESTS_IN_FLIGHT_MAX) requests have no reply yet. Cancel safe: dropped early, nothing was sent.
    /// A request that fits no line is not sent; its reply is the refusal `line_too_long`.
    ///
    /// # Errors
    ///
    /// [`ReplyError::Lost`] when the connection is over.
    pub async fn send(
        &self,
        op: &'static str,
        fields: impl FnOnce(LineWriter<'_>) -> LineWriter<'_>,
    ) -> Result<oneshot::Receiver<ReceivedReply>, ReplyError> {
        self.requests.send(op, fields).await
    }

    /// Ends the connection after writing what was sent; waits for no reply.
    pub fn close(&self) {
        self.ending.cancel();
    }
}

fn read_greeting(line: &[u8], address: &str, service: &'static str) -> Result<Greeting, ConnectError> {
    if let Ok(greeting) = serde_json::from_slice::<Greeting>(line)
        && greeting.service == service
        && greeting.protocol == PROTOCOL
    {
        return Ok(greeting);
    }
    Err(match serde_json::from_slice::<ToldError>(line) {
        Ok(error) => ConnectError::Refused(error),
        Err(_) => ConnectError::WrongServer {
            address: address.to_owned(),
            service,
        },
    })
}

/// The task of a connection.
async fn run(
    mut connection: Connection,
    requests: Arc<Requests>,
    ending: CancellationToken,
    events: mpsc::Sender<ReceivedEvent>,
    greeted_with: Vec<Result<Bytes, FrameError>>,
) {
    let mut lines = greeted_with;
    'connected: loop {
        for line in lines.drain(..) {
            let received = line
                .map_err(WireError::from)
                .and_then(|line| requests.receive(&line));
            match received {
                Ok(None) => {}
                Ok(Some(event)) => {
                    // Whoever does not want the events has dropped their receiver.
                    if connection.write_while(events.send(event)).await.is_err() {
                        break 'connected;
                    }
                }
                // A line that is left out would be an event that nobody misses: better none at all.
                Err(error) => {
                    tracing::warn!(%error, "the server does not speak our protocol");
                    break 'connected;
                }
            }
        }
        tokio::select! {
            turn = connection.turn() => match turn {
                Turn::Received(batch) => {
                    lines.extend(batch.lines().map(|line| Ok(batch.share(line?))));
                }
                Turn::Drained | Turn::ShuttingDown => {}
                Turn::Closed(reason) => {
                    tracing::debug!(%reason, "connection closed");
                    break;
                }
            },
            () = ending.cancelled() => {
                connection.finish().await;
                break;
            }
        }
    }
    requests.end();
}
