//! The driver of a [`Pursuit`]: connections, pauses and deadlines around the pure rules.

use std::fmt;
use std::time::Duration;

use proto::net::{Backoff, Client, ClientSettings, ConnectError, Dialer, ReceivedEvent, ReceivedReply};
use proto::{LineWriter, ReplyError, ToldError};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::error::OperationError;
use super::key::Key;
use super::pursuit::{End, Goal, Happened, Pursuit, Refused, Step, WhichPin};
use super::replies::{LoggedIn, Posted, StatementPage};
use crate::account::AccountId;
use crate::amount::Amount;

/// How long a reply may take before the connection is given up and the request sent again on another. A sync of a
/// busy disk takes up to seconds; ten of them mean that the server is gone or its machine hangs.
pub const REPLY_MAX: Duration = Duration::from_secs(10);

/// First and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A PIN as somebody typed it. Never printed; whether it is one, the bank says, as it says of a wrong one.
#[derive(Clone)]
pub struct TypedPin(Box<str>);

impl TypedPin {
    /// What was typed.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for TypedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPin(…)")
    }
}

/// What somebody who waits is told meanwhile.
#[derive(Debug)]
pub enum Notice {
    /// The bank cannot be reached.
    NotConnected(ConnectError),
    /// The connection ended before the reply; the request will be repeated, and done once.
    Lost,
    /// The bank asks to come back later.
    Later(ToldError),
}

/// A customer's session with a bank, over as many connections as it takes.
///
/// Every operation is pursued until its outcome is known or the [patience](Self::set_patience) ends: over lost
/// connections, restarts and replies that do not come, logging in anew each time. A change carries the same
/// idempotency [`Key`] in all its copies, so that it happens once.
///
/// Dropping an operation's future leaves its outcome open; the session then begins with a new connection. For many
/// requests on their way at once use [`proto::net::Client`] itself.
pub struct Session {
    dialer: Dialer,
    settings: ClientSettings,
    connection: Option<Connection>,
    login: Option<(String, TypedPin)>,
    patience: Option<Duration>,
    on_notice: Box<dyn FnMut(&Notice) + Send>,
}

struct Connection {
    client: Client,
    /// Held and emptied: a client whose events nobody wants stops reading.
    events: mpsc::Receiver<ReceivedEvent>,
    logged_in: bool,
    /// A request may be on its way whose reply nobody waited for.
    abandoned: bool,
}

/// A request that can be sent any number of times.
struct Request<'a> {
    goal: Goal,
    op: &'static str,
    fields: &'a [Field<'a>],
    key: Option<&'a Key>,
    new_pin: Option<&'a TypedPin>,
}

/// A field of a request.
#[derive(Clone, Copy)]
enum Field<'a> {
    Text(&'static str, &'a str),
    Number(&'static str, u64),
}

/// How a pursuit ended.
enum Ended {
    Reply(ReceivedReply),
    PinIsNew,
}

impl Session {
    /// A session that is not connected yet.
    #[must_use]
    pub fn new(dialer: Dialer, settings: ClientSettings) -> Self {
        Self {
            dialer,
            settings,
            connection: None,
            login: None,
            patience: None,
            on_notice: Box::new(|_| {}),
        }
    }

    /// Bounds how long an operation is pursued. Without a bound it is pursued for ever.
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Has `on_notice` called while an operation has to wait.
    pub fn on_notice(&mut self, on_notice: impl FnMut(&Notice) + Send + 'static) {
        self.on_notice = Box::new(on_notice);
    }

    /// Logs in to `account`. An account that is no RG is refused by the bank like one that does not exist.
    ///
    /// # Errors
    ///
    /// [`OperationError::LoginRefused`] for a wrong account or PIN; the session can try again.
    pub async fn login(&mut self, account: &str, pin: TypedPin) -> Result<LoggedIn, OperationError> {
        if let Some(connection) = &mut self.connection {
            connection.logged_in = false;
        }
        self.login = Some((account.to_owned(), pin));
        let request = Request {
            goal: Goal::Login,
            op: "login",
            fields: &[],
            key: None,
            new_pin: None,
        };
        let logged_in = match self.pursue(&request).await {
            Ok(Ended::Reply(reply)) => understood(&reply),
            Ok(Ended::PinIsNew) => Err(OperationError::NotLoggedIn),
            Err(error) => Err(error),
        };
        if logged_in.is_err() {
            self.login = None;
        }
        logged_in
    }

    /// The account this session is logged in to.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.login.as_ref().map(|(account, _)| account.as_str())
    }

    /// What the account holds.
    ///
    /// # Errors
    ///
    /// [`OperationError`].
    pub async fn balance(&mut self) -> Result<Posted, OperationError> {
        self.read("balance", &[]).await
    }

    /// Pays cash into the account.
    ///
    /// # Errors
    ///
    /// [`OperationError`]; with [`OutcomeUnknown`](OperationError::OutcomeUnknown) the same `key` finds out later.
    pub async fn deposit(&mut self, amount: Amount, key: &Key) -> Result<Posted, OperationError> {
        let amount = amount.to_string();
        self.change("deposit", &[Field::Text("amount", &amount)], key)
            .await
    }

    /// Takes cash out of the account.
    ///
    /// # Errors
    ///
    /// As for [`deposit`](Self::deposit).
    pub async fn withdraw(&mut self, amount: Amount, key: &Key) -> Result<Posted, OperationError> {
        let amount = amount.to_string();
        self.change("withdraw", &[Field::Text("amount", &amount)], key)
            .await
    }

    /// Moves money from the account to the account `to`.
    ///
    /// # Errors
    ///
    /// As for [`deposit`](Self::deposit).
    pub async fn transfer(
        &mut self,
        to: AccountId,
        amount: Amount,
        key: &Key,
    ) -> Result<Posted, OperationError> {
        let (to, amount) = (to.to_string(), amount.to_string());
        self.change(
            "transfer",
            &[Field::Text("to", &to), Field::Text("amount", &amount)],
            key,
        )
        .await
    }

    /// Up to `limit` entries of the account, the latest first, older than entry `before` if there is one.
    ///
    /// # Errors
    ///
    /// [`OperationError`].
    pub async fn statement(
        &mut self,
        before: Option<u64>,
        limit: Option<u64>,
    ) -> Result<StatementPage, OperationError> {
        let before = before.map(|before| Field::Number("before", before));
        let limit = limit.map(|limit| Field::Number("limit", limit));
        let fields: Vec<_> = before.into_iter().chain(limit).collect();
        self.read("statement", &fields).await
    }

    /// Gives the account a new PIN. Where a copy of the request was lost, a login with the new PIN tells whether it
    /// was carried out.
    ///
    /// # Errors
    ///
    /// [`OperationError`].
    pub async fn change_pin(&mut self, old: &TypedPin, new: &TypedPin) -> Result<(), OperationError> {
        let request = Request {
            goal: Goal::ChangePin,
            op: "change_pin",
            fields: &[Field::Text("old", &old.0), Field::Text("new", &new.0)],
            key: None,
            new_pin: Some(new),
        };
        self.pursue(&request).await?;
        if let Some((_, pin)) = &mut self.login {
            *pin = new.clone();
        }
        Ok(())
    }

    /// Leaves: logs out if there is a connection, and ends it.
    pub async fn leave(&mut self) {
        self.login = None;
        let Some(connection) = self.connection.take().filter(|connection| connection.logged_in) else {
            return;
        };
        // Who leaves does not wait for a bank that is gone.
        let _ = tokio::time::timeout(REPLY_MAX, connection.client.request("logout", |line| line)).await;
        connection.client.close();
    }

    async fn read<T: DeserializeOwned>(
        &mut self,
        op: &'static str,
        fields: &[Field<'_>],
    ) -> Result<T, OperationError> {
        let request = Request {
            goal: Goal::Read,
            op,
            fields,
            key: None,
            new_pin: None,
        };
        self.reply_to(&request).await
    }

    async fn change(
        &mut self,
        op: &'static str,
        fields: &[Field<'_>],
        key: &Key,
    ) -> Result<Posted, OperationError> {
        let fields = [fields, &[Field::Text("key", key.as_str())]].concat();
        let request = Request {
            goal: Goal::Change,
            op,
            fields: &fields,
            key: Some(key),
            new_pin: None,
        };
        self.reply_to(&request).await
    }

    async fn reply_to<T: DeserializeOwned>(&mut self, request: &Request<'_>) -> Result<T, OperationError> {
        if self.login.is_none() {
            return Err(OperationError::NotLoggedIn);
        }
        match self.pursue(request).await? {
            Ended::Reply(reply) => understood(&reply),
            Ended::PinIsNew => Err(OperationError::NotLoggedIn),
        }
    }

    /// Does what the pure rules say until they say that it is over.
    async fn pursue(&mut self, request: &Request<'_>) -> Result<Ended, OperationError> {
        self.drop_dead_connection();
        let logged_in = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.logged_in);
        let mut pursuit = Pursuit::new(request.goal, self.connection.is_some(), logged_in);
        let deadline = self.patience.map(|patience| Instant::now() + patience);
        let mut backoff = Backoff::new(PAUSES);
        let mut last = Last::default();
        let mut step = pursuit.next();
        loop {
            if let Step::Finish(end) = step {
                return last.into_end(end, request);
            }
            let happened = match deadline {
                None => self.take(step, request, &mut backoff, &mut last).await,
                Some(deadline) => {
                    let taken = self.take(step, request, &mut backoff, &mut last);
                    tokio::time::timeout_at(deadline, taken)
                        .await
                        .unwrap_or(Happened::TimeIsUp)
                }
            };
            step = pursuit.after(happened);
        }
    }

    /// Takes one step.
    async fn take(
        &mut self,
        step: Step,
        request: &Request<'_>,
        backoff: &mut Backoff,
        last: &mut Last,
    ) -> Happened {
        match step {
            Step::Connect => self.connect(last).await,
            Step::LogIn(which) => {
                let Some((account, pin)) = self.login.clone() else {
                    return Happened::WrongServer;
                };
                let pin = match (which, request.new_pin) {
                    (WhichPin::New, Some(new)) => new.clone(),
                    _ => pin,
                };
                let fields = [Field::Text("account", &account), Field::Text("pin", &pin.0)];
                match self.exchange("login", &fields).await {
                    Ok(reply) => match Self::refusal(&reply) {
                        None => {
                            backoff.reset();
                            self.set_logged_in(true);
                            last.reply = Some(reply);
                            Happened::LoggedIn
                        }
                        Some((refused, told)) => {
                            self.notice_refusal(refused, &told);
                            last.told = Some(told);
                            Happened::LoginRefused(refused)
                        }
                    },
                    Err(ReplyError::Lost) => self.lost(),
                }
            }
            Step::Send => match self.exchange(request.op, request.fields).await {
                Ok(reply) => match Self::refusal(&reply) {
                    None => {
                        last.reply = Some(reply);
                        Happened::Answered
                    }
                    Some((refused, told)) => {
                        self.notice_refusal(refused, &told);
                        last.told = Some(told);
                        if refused == Refused::NotLoggedIn {
                            self.set_logged_in(false);
                        }
                        Happened::Refused(refused)
                    }
                },
                Err(ReplyError::Lost) => self.lost(),
            },
            Step::Pause => {
                tokio::time::sleep(backoff.pause()).await;
                Happened::Rested
            }
            Step::Finish(_) => Happened::TimeIsUp,
        }
    }

    async fn connect(&mut self, last: &mut Last) -> Happened {
        self.connection = None;
        match Client::connect(&self.dialer, self.settings.clone()).await {
            Ok((client, events)) => {
                let connection = Connection {
                    client,
                    events,
                    logged_in: false,
                    abandoned: false,
                };
                self.connection = Some(connection);
                Happened::Connected
            }
            Err(error) => {
                let wrong = matches!(error, ConnectError::WrongServer { .. });
                let notice = Notice::NotConnected(error);
                (self.on_notice)(&notice);
                let Notice::NotConnected(error) = notice else {
                    unreachable!("it was just made one")
                };
                last.connect = Some(error);
                if wrong {
                    Happened::WrongServer
                } else {
                    Happened::NotConnected
                }
            }
        }
    }

    async fn exchange(
        &mut self,
        op: &'static str,
        fields: &[Field<'_>],
    ) -> Result<ReceivedReply, ReplyError> {
        let connection = self.connection.as_mut().ok_or(ReplyError::Lost)?;
        connection.abandoned = true;
        let mut reply = connection
            .client
            .send(op, |line| write_fields(line, fields))
            .await?;
        let patience = tokio::time::sleep(REPLY_MAX);
        tokio::pin!(patience);
        let mut events_end = false;
        loop {
            tokio::select! {
                reply = &mut reply => {
                    connection.abandoned = false;
                    return reply.map_err(|_| ReplyError::Lost);
                }
                event = connection.events.recv(), if !events_end => match event {
                    Some(event) => tracing::debug!(event = event.event, "event"),
                    None => events_end = true,
                },
                () = &mut patience => return Err(ReplyError::Lost),
            }
        }
    }

    /// What the server refused, if it did.
    fn refusal(reply: &ReceivedReply) -> Option<(Refused, ToldError)> {
        let told = reply.outcome.as_ref().err()?.clone();
        Some((Refused::from_code(&told.code), told))
    }

    fn lost(&mut self) -> Happened {
        self.connection = None;
        (self.on_notice)(&Notice::Lost);
        Happened::Lost
    }

    fn notice_refusal(&mut self, refused: Refused, told: &ToldError) {
        match refused {
            Refused::ForNow => (self.on_notice)(&Notice::Later(told.clone())),
            Refused::Failing => {
                self.connection = None;
                (self.on_notice)(&Notice::Later(told.clone()));
            }
            Refused::ForGood | Refused::NotLoggedIn => {}
        }
    }

    fn set_logged_in(&mut self, logged_in: bool) {
        if let Some(connection) = &mut self.connection {
            connection.logged_in = logged_in;
        }
    }

    /// Forgets a connection that ended since the last operation, or on which an operation was abandoned.
    fn drop_dead_connection(&mut self) {
        if let Some(connection) = &mut self.connection {
            while connection.events.try_recv().is_ok() {}
            if connection.abandoned || connection.client.is_over() {
                self.connection = None;
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account())
            .finish_non_exhaustive()
    }
}

/// What was heard last, for whoever wants to know why it ended so.
#[derive(Default)]
struct Last {
    reply: Option<ReceivedReply>,
    told: Option<ToldError>,
    connect: Option<ConnectError>,
}

impl Last {
    fn into_end(self, end: End, request: &Request<'_>) -> Result<Ended, OperationError> {
        let refused = |told: Option<ToldError>| {
            told.unwrap_or_else(|| ToldError {
                code: proto::codes::INTERNAL.to_string(),
                message: "the bank refused it without a word".to_owned(),
                hint: None,
            })
        };
        match (end, self.reply) {
            (End::Answered, Some(reply)) => Ok(Ended::Reply(reply)),
            (End::PinIsNew, _) => Ok(Ended::PinIsNew),
            (End::Refused, _) => Err(OperationError::Refused(refused(self.told))),
            (End::LoginRefused, _) => Err(OperationError::LoginRefused(refused(self.told))),
            (End::Unknown | End::Answered, _) => Err(OperationError::OutcomeUnknown {
                key: request.key.cloned(),
                last: self.told.map(Box::new),
            }),
            (End::NothingSent, _) => Err(OperationError::NothingDone {
                connect: self.connect.map(Box::new),
                told: self.told.map(Box::new),
            }),
        }
    }
}

fn write_fields<'b>(line: LineWriter<'b>, fields: &[Field<'_>]) -> LineWriter<'b> {
    fields.iter().fold(line, |line, field| match *field {
        Field::Text(key, value) => line.text(key, value),
        Field::Number(key, value) => line.number(key, value),
    })
}

fn understood<T: DeserializeOwned>(reply: &ReceivedReply) -> Result<T, OperationError> {
    reply.parse().map_err(OperationError::NotUnderstood)
}
