//! One connection's task: reads a batch of lines, has each operation decided in order, waits until all of it is
//! durable, and answers all of it at once.
//!
//! What takes long (checking a PIN, reading entries) is waited for where it stands, after the answers before it have
//! gone out: replies come in the order of the requests, and nobody's slow request holds up another connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lamport::Clock;
use lamport::trace::{Event, Message, Tracer, facts};
use proto::net::{Closed, Connection, Turn};
use proto::{Batch, LineWriter, Refusal, WireError, codes};

use super::pins::Pins;
use super::tally::Tally;
use crate::account::AccountId;
use crate::codes::{INVALID_PIN, KEY_REUSED, NOT_LOGGED_IN, of_refusal, unavailable};
use crate::engine::{Bank, ExecuteError, Holding, Promise, StatementError, StatementLine, Unavailable};
use crate::entry::{Entry, EntryKind, KeyPrint};
use crate::ledger::{Moment, Operation, Outcome, Slot, refusal_of, same_operation};
use crate::limits::STRANGER_LINE_BYTES_MAX;
use crate::ops::{Action, Op, Request, needs_login};

/// What a session needs of its server.
pub(super) struct Shared {
    pub(super) bank: Bank,
    pub(super) clock: Clock,
    pub(super) pins: Pins,
    pub(super) tracer: Tracer,
    /// Numbers the connections: who is served first where Lamport times are equal.
    pub(super) clients: AtomicU64,
}

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
    answers: Vec<Answer>,
    tally: Tally,
}

/// What goes out once it is durable.
struct Answer {
    id: u64,
    lamport: u64,
    body: Promise<Body>,
}

enum Body {
    /// What the account holds after this entry.
    Holding {
        balance: String,
        entry: u64,
    },
    LoggedIn {
        account: AccountId,
        holder: Box<str>,
    },
    Statement {
        lines: Vec<StatementLine>,
        more: bool,
    },
    PinChanged {
        entry: u64,
    },
    Nothing,
    Refused(WireError),
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
        let mut framing_errors_left = true;
        for line in batch.lines() {
            let request = match line {
                Ok(line) => proto::parse::<Request<'_>>(line),
                Err(error) => Err(Refusal {
                    id: None,
                    lamport: None,
                    framing: true,
                    error: error.into(),
                }),
            };
            match request {
                Ok(None) => {}
                Ok(Some(request)) => self.request(request, at).await?,
                Err(refusal) => framing_errors_left &= self.refuse(refusal).await?,
            }
            if !framing_errors_left {
                break;
            }
        }
        self.tally.tell();
        self.settle().await?;
        Ok(framing_errors_left)
    }

    /// Handles one request: an answer is added, or has gone out already.
    async fn request(&mut self, request: Request<'_>, at: u64) -> Result<(), Closed> {
        let envelope = Refusal::of(&request, unavailable());
        let (Some(id), Some(stamp)) = (envelope.id, envelope.lamport) else {
            return self.refuse(envelope).await.map(drop);
        };
        let shared = Arc::clone(&self.shared);
        self.requests += 1;
        self.tally.count(request.name());
        let label = if shared.tracer.is_on() {
            request.name().to_owned()
        } else {
            String::new()
        };
        let message = Message::Request {
            connection: self.connection.id(),
            number: self.requests,
        };
        let received = shared.tracer.stamped(
            || shared.clock.receive(stamp),
            &Event::receive(&label, message, &[]),
        );
        let lamport = match received {
            Ok(lamport) => lamport,
            Err(error) => {
                self.answer(id, Promise::kept(Body::Refused(error.into())));
                return Ok(());
            }
        };
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

    async fn login(&mut self, account: &str, pin: &str) -> Result<Body, Closed> {
        self.settle().await?;
        self.log_out();
        let shared = Arc::clone(&self.shared);
        let slot = account.parse().ok().and_then(|account| shared.bank.slot(account));
        let found = slot
            .map(|slot| (slot, shared.bank.account(slot)))
            .filter(|(_, account)| !account.closed);
        let kept = found.as_ref().map(|(_, account)| account.pin.clone());
        let address = self.connection.peer().host();
        let checked = self
            .connection
            .write_while(shared.pins.check(account, address, pin, kept))
            .await?;
        Ok(match (checked, found) {
            (Ok(()), Some((slot, account))) => {
                self.holder = Some((account.id, slot));
                self.connection.establish();
                self.connection.set_line_bytes_max(self.line_bytes_max);
                Body::LoggedIn {
                    account: account.id,
                    holder: account.holder,
                }
            }
            (Ok(()), None) => unreachable!("no PIN is right where there is no account"),
            (Err(error), _) => Body::Refused(error),
        })
    }

    fn log_out(&mut self) {
        if self.holder.take().is_some() {
            self.connection.set_line_bytes_max(STRANGER_LINE_BYTES_MAX);
        }
    }

    async fn move_money(
        &mut self,
        received: Received,
        account: AccountId,
        action: Action,
        key: Option<&str>,
    ) -> Result<(), Closed> {
        let operation = match action {
            Action::Deposit(amount) => Operation::Deposit(account, amount),
            Action::Withdraw(amount) => Operation::Withdraw(account, amount),
            Action::Transfer(to, amount) => Operation::Transfer {
                from: account,
                to,
                amount,
            },
        };
        let key = key.map(|key| KeyPrint::new(account, key));
        let shared = Arc::clone(&self.shared);
        let turn = self.turn(received);
        // The reply's stamp is taken with the accounts still locked, so that stamps and trace follow the ledger.
        let stamp = |outcome: &Outcome| match outcome {
            Outcome::Done(entry) => Some(send_entry(&shared, entry)),
            Outcome::Refused(_) => Some(send(&shared, "reply", &[])),
            Outcome::Seen(_) => None,
        };
        let execute = shared
            .bank
            .execute_and(turn, &operation, key, received.moment, stamp);
        match self.connection.write_while(execute).await? {
            Ok((promise, Some(lamport))) => {
                let body = promise.map(|outcome| match outcome {
                    Outcome::Done(entry) | Outcome::Refused(entry) => told(&entry, account),
                    Outcome::Seen(_) => unreachable!("a seen key is stamped later"),
                });
                self.push(received.id, lamport, body);
            }
            Ok((promise, None)) => {
                let seen = self.connection.write_while(promise.durable()).await?;
                self.repeat(received.id, seen, account, &operation).await?;
            }
            Err(ExecuteError::Refused(refusal)) => {
                let refused = shared.bank.refused(refusal);
                let told = refused.map(|promise| promise.map(|refusal| Body::Refused(of_refusal(refusal))));
                let told = told.unwrap_or_else(|_| Promise::kept(Body::Refused(unavailable())));
                self.answer(received.id, told);
            }
            Err(error) => self.answer(received.id, Promise::kept(Body::Refused(of_execute(error)))),
        }
        Ok(())
    }

    /// Answers a request whose key was seen before.
    async fn repeat(
        &mut self,
        id: u64,
        seen: Result<Outcome, Unavailable>,
        account: AccountId,
        operation: &Operation,
    ) -> Result<(), Closed> {
        let shared = Arc::clone(&self.shared);
        let read = match seen {
            Ok(Outcome::Seen(number)) => self.connection.write_while(shared.bank.entry(number)).await?,
            Ok(Outcome::Done(entry) | Outcome::Refused(entry)) => Ok(entry),
            Err(error) => Err(error),
        };
        match read {
            Ok(entry) if same_operation(&entry, operation) => {
                if let EntryKind::Refused { .. } = entry.kind {
                    self.answer(id, Promise::kept(told(&entry, account)));
                    return Ok(());
                }
                let held = Holding {
                    balance: entry.balance_of(account),
                    entry: entry.number,
                };
                let repeated = facts::fact(facts::REPEATED, 1i64);
                let lamport = send_holding(&shared, account, held, &[repeated]);
                self.push(id, lamport, Promise::kept(holding(&entry, account)));
            }
            Ok(_) => {
                let error = WireError::new(KEY_REUSED, "this key was used for another operation")
                    .with_hint("make a new key for each operation, and repeat it only for the same one");
                self.answer(id, Promise::kept(Body::Refused(error)));
            }
            Err(_) => self.answer(id, Promise::kept(Body::Refused(unavailable()))),
        }
        Ok(())
    }

    async fn balance(&mut self, received: Received, account: AccountId, slot: Slot) -> Result<(), Closed> {
        let shared = Arc::clone(&self.shared);
        let turn = self.turn(received);
        let stamp = |held: &Holding| send_holding(&shared, account, *held, &[]);
        let read = self
            .connection
            .write_while(shared.bank.balance_and(turn, slot, stamp))
            .await?;
        match read {
            Ok((promise, lamport)) => {
                let body = promise.map(|held| Body::Holding {
                    balance: held.balance.to_string(),
                    entry: held.entry,
                });
                self.push(received.id, lamport, body);
            }
            Err(_) => self.answer(received.id, Promise::kept(Body::Refused(unavailable()))),
        }
        Ok(())
    }

    async fn statement(&mut self, slot: Slot, before: Option<u64>, limit: usize) -> Result<Body, Closed> {
        self.settle().await?;
        let shared = Arc::clone(&self.shared);
        let read = self
            .connection
            .write_while(shared.bank.statement(slot, before, limit))
            .await?;
        Ok(match read {
            Ok((lines, more)) => Body::Statement { lines, more },
            Err(error @ StatementError::NotYours(_)) => {
                Body::Refused(WireError::new(codes::INVALID_FIELD, error.to_string()))
            }
            Err(error) => {
                tracing::error!(%error, "failed to read a statement");
                Body::Refused(unavailable())
            }
        })
    }

    async fn change_pin(
        &mut self,
        received: Received,
        account: AccountId,
        slot: Slot,
        old: &str,
        new: &str,
    ) -> Result<Body, Closed> {
        self.settle().await?;
        let Ok(new) = new.parse::<crate::Pin>() else {
            return Ok(Body::Refused(WireError::new(
                INVALID_PIN,
                "a PIN has 4 to 12 digits",
            )));
        };
        let shared = Arc::clone(&self.shared);
        let (address, turn) = (self.connection.peer().host(), self.turn(received));
        let change = async {
            let kept = shared.bank.account(slot).pin;
            shared
                .pins
                .check(&account.to_string(), address, old, Some(kept))
                .await?;
            let operation = Operation::ChangePin(account, shared.pins.hash(new).await?);
            let promise = shared
                .bank
                .execute(turn, &operation, None, received.moment)
                .await
                .map_err(of_execute)?;
            match promise.durable().await {
                Ok(Outcome::Done(entry)) => Ok(Body::PinChanged { entry: entry.number }),
                Ok(Outcome::Refused(_) | Outcome::Seen(_)) | Err(_) => Err(unavailable()),
            }
        };
        Ok(self
            .connection
            .write_while(change)
            .await?
            .unwrap_or_else(Body::Refused))
    }

    /// Answers a line that is no request. False when the connection has broken the framing too often.
    async fn refuse(&mut self, refusal: Refusal) -> Result<bool, Closed> {
        self.settle().await?;
        let shared = Arc::clone(&self.shared);
        if let Some(stamp) = refusal.lamport {
            self.requests += 1;
            let message = Message::Request {
                connection: self.connection.id(),
                number: self.requests,
            };
            let event = Event::receive("refused", message, &[]);
            // A stamp that leaps moves nothing; the refusal says what came first.
            let _ = shared.tracer.stamped(|| shared.clock.receive(stamp), &event);
        }
        let lamport = send(&shared, "error", &[]);
        self.told = lamport;
        match self.connection.write_while(shared.bank.may_send(lamport)).await? {
            Ok(()) => Ok(self.connection.refuse(lamport, &refusal)),
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
        let lamport = send(&self.shared, "reply", &[]);
        self.push(id, lamport, body);
    }

    fn push(&mut self, id: u64, lamport: u64, body: Promise<Body>) {
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

impl Body {
    fn write(&self, lines: &mut Vec<u8>, lamport: u64, id: u64) {
        if let Self::Refused(error) = self {
            return LineWriter::error_reply(lines, lamport, id, error);
        }
        let ok = LineWriter::ok(lines, lamport, id);
        match self {
            Self::Holding { balance, entry } => ok.text("balance", balance).number("entry", *entry),
            Self::LoggedIn { account, holder } => {
                ok.text("account", &account.to_string()).text("holder", holder)
            }
            Self::Statement { lines, more } => ok.value("entries", lines).flag("more", *more),
            Self::PinChanged { entry } => ok.number("entry", *entry),
            Self::Nothing | Self::Refused(_) => ok,
        }
        .end();
    }
}

/// What became of a movement of money, as `entry` has it.
fn told(entry: &Entry, account: AccountId) -> Body {
    refusal_of(entry).map_or_else(
        || holding(entry, account),
        |refusal| Body::Refused(of_refusal(refusal)),
    )
}

fn holding(entry: &Entry, account: AccountId) -> Body {
    Body::Holding {
        balance: entry.balance_of(account).to_string(),
        entry: entry.number,
    }
}

fn of_execute(error: ExecuteError) -> WireError {
    match error {
        ExecuteError::Refused(refusal) => of_refusal(refusal),
        ExecuteError::TooManyRefusals { wait } => WireError::new(codes::RATE_LIMITED, error.to_string())
            .with_hint(format!("try again in {} s", wait.as_secs() + 1)),
        ExecuteError::Unavailable(_) => unavailable(),
    }
}

/// Stamps the reply that tells of an entry, and records what it did.
fn send_entry(shared: &Shared, entry: &Entry) -> u64 {
    if !shared.tracer.is_on() {
        return send(shared, "", &[]);
    }
    let amount = entry.amount.map_or(0, |amount| amount.minor());
    let (debit, credit) = (entry.debit.to_string(), entry.credit.to_string());
    let number = entry.number as i64;
    let of = |account, amount, balance: crate::Balance| {
        [
            facts::fact(facts::ACCOUNT, account),
            facts::fact(facts::AMOUNT, amount),
            facts::fact(facts::BALANCE, balance.minor()),
            facts::fact(facts::ENTRY, number),
        ]
    };
    let legs = [
        of(&*debit, -amount, entry.debit_after),
        of(&*credit, amount, entry.credit_after),
    ];
    send(shared, "reply", legs.as_flattened())
}

/// Stamps a reply that tells what an account holds, and records it.
fn send_holding(shared: &Shared, account: AccountId, held: Holding, more: &[facts::Fact<'_>]) -> u64 {
    if !shared.tracer.is_on() {
        return send(shared, "", &[]);
    }
    let account = account.to_string();
    let mut told = vec![
        facts::fact(facts::ACCOUNT, &*account),
        facts::fact(facts::BALANCE, held.balance.minor()),
    ];
    if !more.is_empty() {
        told.push(facts::fact(facts::ENTRY, held.entry as i64));
        told.extend_from_slice(more);
    }
    send(shared, "reply", &told)
}

/// Ticks the clock for a send and records it.
fn send(shared: &Shared, label: &str, told: &[facts::Fact<'_>]) -> u64 {
    let stamped = shared
        .tracer
        .stamped(|| shared.clock.tick(), &Event::send(label, told));
    // A clock at its end can only stay there; clients refuse what it stamps.
    stamped.unwrap_or(lamport::TIME_MAX)
}
