//! How an operation of a client can end without success.

use proto::ToldError;
use proto::net::ConnectError;

use super::key::Key;

/// Why an operation has no result.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The bank refused it; nothing was done.
    #[error("{}", .0.message)]
    Refused(ToldError),
    /// The bank refused the login; nothing was done.
    #[error("{}", .0.message)]
    LoginRefused(ToldError),
    /// The session is not logged in.
    #[error("nobody is logged in")]
    NotLoggedIn,
    /// The bank could not be reached, or sent everybody away, for as long as there was patience; nothing was done.
    #[error("{}", nothing_done(connect.as_deref(), told.as_deref()))]
    NothingDone {
        /// Why there was no connection at last, if there was none.
        connect: Option<Box<ConnectError>>,
        /// What the bank said last, if it said something.
        told: Option<Box<ToldError>>,
    },
    /// Patience ended before the outcome was known: it may have been done, or not.
    #[error("nobody knows whether it was done: the bank does not answer")]
    OutcomeUnknown {
        /// Sent again with this key, the same change tells.
        key: Option<Key>,
        /// What the bank said last, if it said something.
        last: Option<Box<ToldError>>,
    },
    /// It was done, but the answer has another form than this client knows.
    #[error("{}", .0.message)]
    NotUnderstood(ToldError),
}

impl OperationError {
    /// The stable code, the server's where it gave one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(told) | Self::LoginRefused(told) => &told.code,
            Self::NotLoggedIn => "not_logged_in",
            Self::NothingDone {
                told: Some(told),
                connect: None,
            } => &told.code,
            Self::NothingDone { .. } => "unreachable",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::NotUnderstood(_) => "not_understood",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(told) | Self::LoginRefused(told) => told
                .hint
                .clone()
                .or_else(|| hint_for(&told.code).map(str::to_owned)),
            Self::NotLoggedIn => Some("log in first".to_owned()),
            Self::NothingDone {
                connect: Some(error), ..
            } if matches!(**error, ConnectError::WrongServer { .. }) => {
                Some("name a bank's address".to_owned())
            }
            Self::NothingDone {
                told: Some(told),
                connect: None,
            } => told.hint.clone(),
            Self::NothingDone { .. } => Some("is the bank running, and is this its address?".to_owned()),
            Self::OutcomeUnknown { key: Some(key), .. } => Some(format!(
                "repeat it with the key {key}: it is done once, however often you ask"
            )),
            Self::OutcomeUnknown { key: None, .. } => {
                Some("log in again: the PIN that opens the account tells".to_owned())
            }
            Self::NotUnderstood(_) => Some("use a client of the bank's version".to_owned()),
        }
    }
}

/// What helps where the server gave no hint.
fn hint_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "login_failed" => "check the account's number and the PIN",
        "insufficient_funds" => "choose a smaller amount, or deposit first",
        "same_account" => "name another account to be paid",
        "invalid_pin" => "choose one of digits only, such as 4711",
        "unknown_account" => "check the number of the account to be paid",
        "key_reused" => "this key belongs to another operation; take a new one",
        _ => return None,
    })
}

fn nothing_done(connect: Option<&ConnectError>, told: Option<&ToldError>) -> String {
    match (connect, told) {
        (Some(connect), _) => connect.to_string(),
        (None, Some(told)) => told.message.clone(),
        (None, None) => "the bank does not answer".to_owned(),
    }
}
