//! A customer's session: its operations, each pursued until its outcome is known.

mod driver;
mod request;

use std::fmt;
use std::time::Duration;

use proto::ToldError;
use proto::net::{ClientSettings, ConnectError, Dialer, ReceivedReply};
use serde::de::DeserializeOwned;

use self::driver::{Connection, Ended};
use self::request::{Field, Request};
use super::error::OperationError;
use super::key::Key;
use super::pursuit::Goal;
use super::replies::{LoggedIn, Posted, StatementPage};
use crate::account::AccountId;
use crate::amount::Amount;

/// How long a reply may take before the connection is given up and the request sent again on another. A sync of a
/// busy disk takes up to seconds; ten of them mean that the server is gone or its machine hangs.
pub const REPLY_MAX: Duration = Duration::from_secs(10);

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
    /// The latest change whose outcome nobody knew: a copy of it may have been carried out.
    unknown: Option<Key>,
    patience: Option<Duration>,
    on_notice: Box<dyn FnMut(&Notice) + Send>,
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
            unknown: None,
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
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account())
            .finish_non_exhaustive()
    }
}

fn understood<T: DeserializeOwned>(reply: &ReceivedReply) -> Result<T, OperationError> {
    reply.parse().map_err(OperationError::NotUnderstood)
}
