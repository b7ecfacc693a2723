//! The requests of one connection that have no reply yet, and to whom each reply belongs.
//!
//! The clock moves under the same lock that orders the requests, so that stamps grow with their order on the wire and
//! the observer is told in the order of the clock.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lamport::Clock;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::observer::{Observed, Observer};
use super::outbox::Outbox;
use crate::error::{ToldError, WireError, codes};
use crate::incoming::{Greeting, Incoming, ReplyError, parse_incoming};
use crate::limits::{LINE_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};
use crate::writer::LineWriter;

/// A reply.
#[derive(Debug)]
pub struct ReceivedReply {
    /// The server's stamp; 0 of a refusal that is not the server's, because the request fits no line and was not sent.
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

/// See the [module](self).
pub(super) struct Requests {
    clock: Arc<Clock>,
    observer: Option<Arc<dyn Observer>>,
    connection_id: String,
    server_process: String,
    outbox: Outbox,
    in_flight: Arc<Semaphore>,
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
    op: &'static str,
    reply: oneshot::Sender<ReceivedReply>,
    _permit: OwnedSemaphorePermit,
}

impl ReceivedReply {
    /// The refusal of a request that was not sent, at this process's `time`.
    fn too_long(time: u64) -> Self {
        Self {
            lamport: 0,
            received: time,
            outcome: Err(ToldError {
                code: codes::LINE_TOO_LONG.to_string(),
                message: format!("the request is longer than {LINE_BYTES_MAX} bytes"),
                hint: Some("send a shorter text".to_owned()),
            }),
        }
    }

    /// The result as the service's own type.
    ///
    /// # Errors
    ///
    /// The server's refusal, or what is wrong with its result.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ToldError> {
        let result = self.outcome.as_ref().map_err(Clone::clone)?;
        serde_json::from_str(result.get()).map_err(|error| ToldError {
            code: codes::INVALID_JSON.to_string(),
            message: format!("the server's result is not understood: {error}"),
            hint: None,
        })
    }
}

impl Requests {
    /// None yet, on a connection that was greeted so and is written to through `outbox`.
    pub(super) fn new(
        greeting: &Greeting,
        outbox: Outbox,
        clock: Arc<Clock>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self {
            clock,
            observer,
            connection_id: greeting.connection.clone(),
            server_process: greeting.process().to_owned(),
            outbox,
            in_flight: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Whether the connection is over.
    pub(super) fn are_over(&self) -> bool {
        self.lock().ended
    }

    /// Sends a request; see [`Client::send`](super::Client::send).
    ///
    /// One that fits no line is refused here: the server would skip it without knowing which request it was, and nobody would answer.
    pub(super) async fn send(
        &self,
        op: &'static str,
        fields: impl FnOnce(LineWriter<'_>) -> LineWriter<'_>,
    ) -> Result<oneshot::Receiver<ReceivedReply>, ReplyError> {
        let permit = Arc::clone(&self.in_flight)
            .acquire_owned()
            .await
            .map_err(|_| ReplyError::Lost)?;
        let (reply, replied) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.ended {
            return Err(ReplyError::Lost);
        }
        let time = self.clock.tick().map_err(|_| ReplyError::Lost)?;
        let id = waiting.sent + 1;
        let mut line = Vec::new();
        fields(LineWriter::request(&mut line, time, id, op)).end();
        if line.len() > LINE_BYTES_MAX + b"\n".len() {
            // Whoever no longer waits has dropped the receiver.
            let _ = reply.send(ReceivedReply::too_long(time));
            return Ok(replied);
        }
        waiting.sent = id;
        if let Some(observer) = &self.observer {
            observer.sent(Observed {
                time,
                message: &format!("{}/{id}", self.connection_id),
                what: op,
                line: &line,
            });
        }
        waiting.queue.push_back(Waiter {
            id,
            op,
            reply,
            _permit: permit,
        });
        let _ = self.outbox.push_reply(line.into());
        Ok(replied)
    }

    /// Takes a line: a reply goes to whoever waits for it, an event comes back.
    pub(super) fn receive(&self, line: &Bytes) -> Result<Option<ReceivedEvent>, WireError> {
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
            self.clock.now()
        } else {
            self.clock.receive(lamport)?
        };
        if let Some(observer) = self.observer.as_ref().filter(|_| lamport > 0) {
            let what = match &incoming {
                Incoming::Event { event, .. } => event,
                _ => waiting.queue.front().map_or("", |waiter| waiter.op),
            };
            observer.received(Observed {
                time: received,
                message: &format!("{}@{lamport}", self.server_process),
                what,
                line,
            });
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
                            codes::INVALID_FIELD,
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
    pub(super) fn end(&self) {
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
