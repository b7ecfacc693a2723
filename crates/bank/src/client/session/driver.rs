//! The driver of a [`Pursuit`]: connections, pauses and deadlines around the pure rules.

use std::time::Duration;

use proto::net::{Backoff, Client, ConnectError, ReceivedEvent, ReceivedReply};
use proto::{ReplyError, ToldError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::request::{Field, Request, write_fields};
use super::{Notice, REPLY_MAX, Session};
use crate::client::error::OperationError;
use crate::client::pursuit::{End, Happened, Pursuit, Refused, Step, WhichPin};

/// First and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A connection of a session.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Held and emptied: a client whose events nobody wants stops reading.
    events: mpsc::Receiver<ReceivedEvent>,
    pub(super) logged_in: bool,
    /// A request may be on its way whose reply nobody waited for.
    abandoned: bool,
}

/// How a pursuit ended.
pub(super) enum Ended {
    Reply(ReceivedReply),
    PinIsNew,
}

impl Session {
    /// Does what the pure rules say until they say that it is over.
    pub(super) async fn pursue(&mut self, request: &Request<'_>) -> Result<Ended, OperationError> {
        self.drop_dead_connection();
        let logged_in = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.logged_in);
        let mut pursuit = Pursuit::new(request.goal, self.connection.is_some(), logged_in);
        let again = request.key.is_some() && request.key == self.unknown.as_ref();
        if again {
            pursuit = pursuit.with_lost_copy();
        }
        let deadline = self.patience.map(|patience| Instant::now() + patience);
        let mut backoff = Backoff::new(PAUSES);
        let mut last = Last::default();
        let mut step = pursuit.next();
        loop {
            if let Step::Finish(end) = step {
                if end == End::Unknown {
                    self.unknown = request.key.cloned();
                } else if again {
                    self.unknown = None;
                }
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
            Refused::ForGood | Refused::NotTaken | Refused::NotLoggedIn => {}
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
