//! What the bank answers, as a client reads it.

use serde::{Deserialize, Serialize};

/// The answer to a login.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoggedIn {
    /// The account.
    pub account: String,
    /// Who holds it.
    #[serde(default)]
    pub holder: String,
}

/// What an account holds, and the journal entry that made it so. The answer to a balance and to every change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Posted {
    /// What the account holds after `entry`: the text of a [`Balance`](crate::Balance), which it parses as.
    pub balance: String,
    /// The number of the change's journal entry; for a balance, of the latest entry that touched the account.
    #[serde(default)]
    pub entry: u64,
}

/// Part of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct StatementPage {
    /// The entries, the latest first.
    pub entries: Vec<StatementEntry>,
    /// Whether there are older ones.
    #[serde(default)]
    pub more: bool,
}

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct StatementEntry {
    /// The entry's number in the journal.
    pub entry: u64,
    /// The Lamport time at which the bank received the request.
    pub stamp: u64,
    /// `opened`, `deposit`, `withdrawal`, `sent`, `received`, `pin_changed` or `closed`.
    pub kind: String,
    /// How much moved, if anything did: the text of an [`Amount`](crate::Amount).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// What the account held after it: the text of a [`Balance`](crate::Balance).
    pub balance: String,
    /// The other account of a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterparty: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
}

impl StatementEntry {
    /// Whether the entry made the account hold less.
    #[must_use]
    pub fn takes(&self) -> bool {
        matches!(self.kind.as_str(), "withdrawal" | "sent")
    }
}
