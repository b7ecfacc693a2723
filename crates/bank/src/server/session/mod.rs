//! One connection's task: reads a batch of lines, has each operation decided in order, waits until all of it is
//! durable, and answers all of it at once.
//!
//! What takes long (checking a PIN, reading entries) is waited for where it stands, after the answers before it have
//! gone out: replies come in the order of the requests, and nobody's slow request holds up another connection.

mod answer;
mod arrivals;
mod login;
mod money;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use lamport::ClockError;
use lamport::trace::Here;
use proto::net::{Closed, Connection, Turn};
use proto::{Batch, LineWriter, OpenRequest as _, Refusal, WireError};

use self::answer::{Answer, Body};
use self::arrivals::Arrival;
use super::shared::Shared;
use super::tally::Tally;
use crate::account::AccountId;
use crate::codes::{NOT_LOGGED_IN, unavailable};
use crate::engine::{Promise, Unavailable};
use crate::ledger::{Moment, Slot};
use crate::ops::{Op, Request, needs_login};

/// One connection as its task sees it.
struct Session {
    connection: Connection,
    shared: Arc<Shared>,
    client: u64,
    holder: Option<(AccountId, Slot)>,
    /// The longest line that this connection may send once it is logged in.
    line_bytes_max: usize,
    /// The latest stamp that this connection was sent: a client that does not stamp its requests knows as much.
    told: u64,
    /// Stamped requests received so far; names them in traces.
    requests: u64,
    /// Where and when a trace takes what is told: of the batch, or of what took longer since.
    here: Here,
    answers: Vec<Answer>,
    tally: Tally,
}

/// A request as it was received.
#[derive(Clone, Copy)]
struct Received {
    id: u64,
    /// The stamp that it carries.
    stamp: u64,
    /// The time of its receive.
    moment: Moment,
}

/// Serves a connection to its end.
pub(super) async fn serve(connection: Connection, shared: Arc<Shared>) {
    let client = shared.clients.fetch_add(1, Ordering::Relaxed);
    let mut session = Session {
        connection,
        shared,
        client,
        holder: None,
        line_bytes_max: proto::limits::LINE_BYTES_MAX,
        told: 0,
        requests: 0,
        here: Here::default(),
        answers: Vec::new(),
        tally: Tally::default(),
    };
    let closed = loop {
        match session.connection.turn().await {
            Turn::Received(batch) => match session.handle(&batch).await {
                Ok(true) => {}
                Ok(false) => break None,
                Err(closed) => break Some(closed),
            },
            Turn::Drained => {}
            Turn::ShuttingDown => break None,
            Turn::Closed(closed) => break Some(closed),
        }
    };
    match closed {
        Some(closed) => tracing::debug!(%closed, "connection over"),
        None => session.connection.finish().await,
    }
}

impl Session {
    /// Handles all lines of a batch. False when the connection is to be ended.
    async fn handle(&mut self, batch: &Batch) -> Result<bool, Closed> {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_millis() as u64);
        let mut lines = batch.lines();
        let mut framing_errors_left = true;
        while framing_errors_left {
            let arrivals = self.receive(&mut lines);
            if arrivals.is_empty() {
                break;
            }
            for Arrival { says, message } in arrivals {
                match says {
                    Ok(request) => self.request(request, message, at).await?,
                    Err(refusal) => framing_errors_left &= self.refuse(&refusal).await?,
                }
                if !framing_errors_left {
                    break;
                }
            }
        }
        self.tally.tell();
        self.settle().await?;
        Ok(framing_errors_left)
    }

    /// Handles one request: an answer is added, or has gone out already.
    async fn request(
        &mut self,
        request: Request<'_>,
        message: Option<(u64, Result<u64, ClockError>)>,
        at: u64,
    ) -> Result<(), Closed> {
        let (Some(id), Some((stamp, received))) = (request.id().get(), message) else {
            return self.refuse(&Refusal::of(&request, unavailable())).await.map(drop);
        };
        self.tally.count(request.name());
        let lamport = match received {
            Ok(lamport) => lamport,
            Err(error) => {
                self.answer(id, Promise::kept(Body::Refused(error.into())));
                return Ok(());
            }
        };
        tracing::debug!(lamport, operation = request.name(), "received");
        if self.holder.is_none() && needs_login(request.name()) {
            let error = WireError::new(NOT_LOGGED_IN, "nobody is logged in on this connection")
                .with_hint("send {\"op\":\"login\",\"account\":…,\"pin\":…} first");
            self.answer(id, Promise::kept(Body::Refused(error)));
            return Ok(());
        }
        let received = Received {
            id,
            stamp,
            moment: Moment { at, lamport },
        };
        match request.into_op() {
            Ok(op) => self.operation(received, op).await,
            Err(error) => {
                self.answer(id, Promise::kept(Body::Refused(error)));
                Ok(())
            }
        }
    }

    async fn operation(&mut self, received: Received, op: Op<'_>) -> Result<(), Closed> {
        let body = match (op, self.holder) {
            (Op::Login { account, pin }, _) => self.login(&account, &pin).await?,
            (Op::Move { action, key }, Some((account, _))) => {
                return self.move_money(received, account, action, key.as_deref()).await;
            }
            (Op::Balance, Some((account, slot))) => {
                return self.balance(received, account, slot).await;
            }
            (Op::Statement { before, limit }, Some((_, slot))) => self.statement(slot, before, limit).await?,
            (Op::ChangePin { old, new }, Some((account, slot))) => {
                self.change_pin(received, account, slot, &old, &new).await?
            }
            (Op::Logout, Some(_)) => {
                self.log_out();
                Body::Nothing
            }
            (_, None) => unreachable!("operations without a login were refused"),
        };
        self.answer(received.id, Promise::kept(body));
        Ok(())
    }

    /// Answers a line that is no request. False when the connection has broken the framing too often.
    async fn refuse(&mut self, refusal: &Refusal) -> Result<bool, Closed> {
        self.settle().await?;
        let shared = Arc::clone(&self.shared);
        self.here = shared.tracer.here();
        let lamport = shared.send(self.here, "error", &[]);
        self.told = lamport;
        match self.connection.write_while(shared.bank.may_send(lamport)).await? {
            Ok(()) => Ok(self.connection.refuse(lamport, refusal)),
            Err(Unavailable) => Ok(false),
        }
    }

    /// In which order this request is served among those that wait for the same account.
    fn turn(&self, received: Received) -> (u64, u64) {
        // Nobody gets ahead by stamping requests with less than what they have seen.
        (received.stamp.max(self.told + 1), self.client)
    }

    /// Adds an answer with a stamp of its own.
    fn answer(&mut self, id: u64, body: Promise<Body>) {
        self.here = self.shared.tracer.here();
        let lamport = self.shared.send(self.here, "reply", &[]);
        self.push(id, lamport, body);
    }

    fn push(&mut self, id: u64, lamport: u64, body: Promise<Body>) {
        tracing::debug!(lamport, id, "answered");
        self.told = lamport;
        self.answers.push(Answer { id, lamport, body });
    }

    /// Waits until everything decided is durable, and queues all answers.
    async fn settle(&mut self) -> Result<(), Closed> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let answers = std::mem::take(&mut self.answers);
        let (shared, latest) = (Arc::clone(&self.shared), self.told);
        let mut lines = Vec::with_capacity(answers.len() * 96);
        let write = async {
            for Answer { id, lamport, body } in answers {
                match body.durable().await {
                    Ok(body) => body.write(&mut lines, lamport, id),
                    Err(_) => LineWriter::error_reply(&mut lines, lamport, id, &unavailable()),
                }
            }
            // Without a stamp there is no message: who waits sees the connection end, as the bank is about to.
            if shared.bank.may_send(latest).await.is_err() {
                lines.clear();
            }
        };
        self.connection.write_while(write).await?;
        self.connection.queue(lines.into());
        Ok(())
    }
}
