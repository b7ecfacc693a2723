//! The client's end: many requests on their way at once, replies in order, events in a stream of their own.
//!
//! A [`Client`] is one connection. When it ends, every outstanding request fails as [`ReplyError::Lost`] and the
//! events end; what that means, and what is to be sent again, only the service's own client knows. It opens the next
//! connection with the same [`Dialer`] and [`ClientSettings`] (and so the same clock), after a
//! [`Backoff`](super::Backoff) pause.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lamport::Clock;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::{Closed, Connection, ConnectionSettings, Turn};
use super::listener::MemoryConnector;
use super::outbox::Outbox;
use super::shutdown::Shutdown;
use super::stream::{PeerAddress, Stream};
use crate::PROTOCOL;

use crate::error::{ToldError, WireError};
use crate::incoming::{Greeting, Incoming, ReplyError, parse_incoming};
use crate::limits::{CLIENT_EVENTS_MAX, CONNECT_DEFAULT, REQUESTS_IN_FLIGHT_MAX};
use crate::writer::LineWriter;

/// Opens connections to one server.
#[derive(Debug, Clone)]
pub enum Dialer {
    /// Over TCP to `host:port`.
    Tcp(String),
    /// Within this process.
    Memory(MemoryConnector),
}

/// How a client behaves, and what it keeps over its connections.
#[derive(Clone)]
pub struct ClientSettings {
    /// The service that must answer.
    pub service: &'static str,
    /// This process's clock.
    pub clock: Arc<Clock>,
    /// Longest wait for the connection and its greeting.
    pub connect: Duration,
    /// The bounds of the connection. A client needs no handshake bound; its server sends the pings.
    pub connection: ConnectionSettings,
    /// Who is told of every send and receive, for traces.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Is told of every send and receive of a client, in the order of its clock.
///
/// Message ids are unique and the same at both ends: a request's is `<connection>/<n>`, with n counting the
/// connection's requests from 1; what a server sends with stamp t is `<its process>@t`.
pub trait Observer: Send + Sync {
    /// `line` was sent at `time` as `message`.
    fn sent(&self, time: u64, message: &str, line: &[u8]);
    /// `line` was received at `time` as `message`.
    fn received(&self, time: u64, message: &str, line: &[u8]);
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

/// A reply.
#[derive(Debug)]
pub struct ReceivedReply {
    /// The server's stamp.
    pub lamport: u64,
    /// This process's time at the receive.
    pub received: u64,
    /// What came of the request.
    pub outcome: Result<Box<RawValue>, ToldError>,
}

/// An event.
#[derive(Debug, Clone)]
pub struct ReceivedEvent {
    /// The server's stamp.
    pub lamport: u64,
    /// This process's time at the receive.
    pub received: u64,
    /// `said`, `error`, …
    pub event: String,
    /// The whole line, for the service's own fields.
    pub line: Bytes,
}

/// One connection to a server. Cloning is cheap; the connection ends when every clone is gone.
#[derive(Debug, Clone)]
pub struct Client {
    requests: Arc<Requests>,
    greeting: Arc<Greeting>,
    _ends_the_task: Arc<DropGuard>,
}

struct Requests {
    settings: ClientSettings,
    connection_id: String,
    server_process: String,
    outbox: Outbox,
    in_flight: Arc<Semaphore>,
    ending: CancellationToken,
    waiting: Mutex<Waiting>,
}

/// Requests without a reply yet, in the order of their sending.
#[derive(Default)]
struct Waiting {
    sent: u64,
    ended: bool,
    queue: VecDeque<Waiter>,
}

struct Waiter {
    id: u64,
    reply: oneshot::Sender<ReceivedReply>,
    _permit: OwnedSemaphorePermit,
}

impl Dialer {
    /// Opens a byte stream.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn dial(&self) -> io::Result<(Stream, PeerAddress)> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let peer = stream.peer_addr()?;
                Ok((Stream::Tcp(stream), PeerAddress::Tcp(peer)))
            }
            Self::Memory(connector) => Ok((connector.connect().await?, PeerAddress::Memory(0))),
        }
    }
}

impl fmt::Display for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Memory(_) => f.write_str("this process"),
        }
    }
}

impl ClientSettings {
    /// The settings of a client of `service` with a new clock.
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        let connection = ConnectionSettings {
            handshake: None,
            ping_interval: None,
            idle: None,
            ..ConnectionSettings::default()
        };
        Self {
            service,
            clock: Arc::new(Clock::new()),
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

impl ReceivedReply {
    /// The result as the service's own type.
    ///
    /// # Errors
    ///
    /// The server's refusal, or what is wrong with its result.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ToldError> {
        let result = self.outcome.as_ref().map_err(Clone::clone)?;
        serde_json::from_str(result.get()).map_err(|error| ToldError {
            code: crate::codes::INVALID_JSON.to_string(),
            message: format!("the server's result is not understood: {error}"),
            hint: None,
        })
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
            Arc::new(settings.connection.clone()),
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
        let rest: Vec<Bytes> = lines
            .filter_map(Result::ok)
            .map(|line| batch.share(line))
            .collect();
        let ending = CancellationToken::new();
        let requests = Arc::new(Requests {
            connection_id: greeting.connection.clone(),
            server_process: greeting.process().to_owned(),
            outbox: connection.outbox().clone(),
            in_flight: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)),
            ending: ending.clone(),
            waiting: Mutex::default(),
            settings,
        });
        let (events, received) = mpsc::channel(CLIENT_EVENTS_MAX);
        tokio::spawn(run(connection, Arc::clone(&requests), events, rest));
        let client = Self {
            requests,
            greeting: Arc::new(greeting),
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
        &self.requests.settings.clock
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.requests.lock().ended
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
    /// while [`REQUESTS_IN_FLIGHT_MAX`] requests have no reply yet. Cancel safe: dropped early, nothing was sent.
    ///
    /// # Errors
    ///
    /// [`ReplyError::Lost`] when the connection is over.
    pub async fn send(
        &self,
        op: &'static str,
        fields: impl FnOnce(LineWriter<'_>) -> LineWriter<'_>,
    ) -> Result<oneshot::Receiver<ReceivedReply>, ReplyError> {
        let requests = &self.requests;
        let permit = Arc::clone(&requests.in_flight)
            .acquire_owned()
            .await
            .map_err(|_| ReplyError::Lost)?;
        let (reply, replied) = oneshot::channel();
        let mut waiting = requests.lock();
        if waiting.ended {
            return Err(ReplyError::Lost);
        }
        let time = requests.settings.clock.tick().map_err(|_| ReplyError::Lost)?;
        waiting.sent += 1;
        let id = waiting.sent;
        let mut line = Vec::new();
        fields(LineWriter::request(&mut line, time, id, op)).end();
        if let Some(observer) = &requests.settings.observer {
            observer.sent(time, &format!("{}/{id}", requests.connection_id), &line);
        }
        waiting.queue.push_back(Waiter {
            id,
            reply,
            _permit: permit,
        });
        let _ = requests.outbox.push_reply(line.into());
        Ok(replied)
    }

    /// Ends the connection after writing what was sent; waits for no reply.
    pub fn close(&self) {
        self.requests.ending.cancel();
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
    events: mpsc::Sender<ReceivedEvent>,
    greeted_with: Vec<Bytes>,
) {
    let mut lines = greeted_with;
    'connected: loop {
        for line in lines.drain(..) {
            match requests.receive(&line) {
                Ok(None) => {}
                Ok(Some(event)) => {
                    // Whoever does not want the events has dropped their receiver.
                    if connection.write_while(events.send(event)).await.is_err() {
                        break 'connected;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the server does not speak our protocol");
                    break 'connected;
                }
            }
        }
        tokio::select! {
            turn = connection.turn() => match turn {
                Turn::Received(batch) => {
                    lines.extend(batch.lines().filter_map(Result::ok).map(|line| batch.share(line)));
                }
                Turn::Drained | Turn::ShuttingDown => {}
                Turn::Closed(reason) => {
                    tracing::debug!(%reason, "connection closed");
                    break;
                }
            },
            () = requests.ending.cancelled() => {
                connection.finish().await;
                break;
            }
        }
    }
    requests.end();
}

impl Requests {
    /// Takes a line: a reply goes to whoever waits for it, an event comes back.
    fn receive(&self, line: &Bytes) -> Result<Option<ReceivedEvent>, WireError> {
        let incoming = parse_incoming(line)?;
        let lamport = match &incoming {
            Incoming::Reply { lamport, .. } | Incoming::Event { lamport, .. } => *lamport,
            Incoming::Ping => {
                let _ = self.outbox.push_reply(Bytes::from_static(b"{\"op\":\"pong\"}\n"));
                return Ok(None);
            }
        };
        let mut waiting = self.lock();
        // An unstamped line is connection upkeep, below the clock.
        let received = if lamport == 0 {
            self.settings.clock.now()
        } else {
            self.settings.clock.receive(lamport)?
        };
        if let Some(observer) = self.settings.observer.as_ref().filter(|_| lamport > 0) {
            observer.received(received, &format!("{}@{lamport}", self.server_process), line);
        }
        match incoming {
            Incoming::Event { event, .. } => Ok(Some(ReceivedEvent {
                lamport,
                received,
                event: event.0.into_owned(),
                line: line.clone(),
            })),
            Incoming::Reply { id, outcome, .. } => {
                let waiter = waiting
                    .queue
                    .pop_front()
                    .filter(|waiter| waiter.id == id)
                    .ok_or_else(|| {
                        WireError::new(
                            crate::codes::INVALID_FIELD,
                            format!("reply {id} answers no request in order"),
                        )
                    })?;
                // Whoever no longer waits has dropped the receiver.
                let _ = waiter.reply.send(ReceivedReply {
                    lamport,
                    received,
                    outcome: outcome.map(ToOwned::to_owned),
                });
                Ok(None)
            }
            Incoming::Ping => Ok(None),
        }
    }

    /// Nothing will be answered any more: every waiter learns it by its sender being gone.
    fn end(&self) {
        let mut waiting = self.lock();
        waiting.ended = true;
        waiting.queue.clear();
        self.in_flight.close();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("connection", &self.connection_id)
            .finish_non_exhaustive()
    }
}
