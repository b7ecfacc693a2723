//! Statements: an account's entries, the latest first.

use serde::Serialize;

use super::{Bank, Unavailable};
use crate::account::AccountId;
use crate::entry::{Entry, EntryKind};
use crate::ledger::Slot;
use crate::store::StoreError;

/// One line of a statement, as its account sees an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementLine {
    /// The entry's number.
    pub entry: u64,
    /// The Lamport time at which the server received the request.
    pub stamp: u64,
    /// `opened`, `deposit`, `withdrawal`, `sent`, `received`, `pin_changed` or `closed`.
    pub kind: &'static str,
    /// How much moved, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// What the account held after it.
    pub balance: String,
    /// The other account of a transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterparty: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// `before` is not the number of an entry of this account.
    #[error("entry {0} is not of this account")]
    NotYours(u64),
    /// An entry could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bank is closed or failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl StatementLine {
    fn new(entry: &Entry, account: AccountId) -> Self {
        let sends = entry.debit == account;
        let kind = match entry.kind {
            EntryKind::Opened { .. } => "opened",
            EntryKind::Closed => "closed",
            EntryKind::PinChanged { .. } => "pin_changed",
            EntryKind::Deposit => "deposit",
            EntryKind::Withdrawal => "withdrawal",
            EntryKind::Transfer if sends => "sent",
            EntryKind::Transfer => "received",
            EntryKind::Refused { .. } => "refused",
        };
        let other = if sends { entry.credit } else { entry.debit };
        Self {
            entry: entry.number,
            stamp: entry.lamport,
            kind,
            amount: entry.amount.map(|amount| amount.to_string()),
            balance: entry.balance_of(account).to_string(),
            counterparty: (entry.kind == EntryKind::Transfer).then(|| other.to_string()),
            at: entry.at,
        }
    }
}

impl Bank {
    /// Up to `limit` entries of an account, the latest first, from the one before entry `before` on. The second value
    /// says whether there are more. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`StatementError`].
    pub async fn statement(
        &self,
        slot: Slot,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<StatementLine>, bool), StatementError> {
        let (id, last, commit) = {
            let book = self.shared.book();
            let account = book.ledger.account(slot);
            (account.id, account.last_entry, book.commit_of(account.last_entry))
        };
        if let Some(commit) = commit {
            commit.wait().await?;
        }
        let bank = self.clone();
        let read = move || {
            let read = |number| bank.shared.entries.read(number);
            let of_this = |entry: &Entry| {
                entry
                    .previous_of(id)
                    .ok_or(StatementError::NotYours(entry.number))
            };
            let mut number = match before {
                Some(before) if before <= last => match read(before) {
                    Ok(entry) => of_this(&entry)?,
                    Err(StoreError::NoEntry(_)) => return Err(StatementError::NotYours(before)),
                    Err(error) => return Err(error.into()),
                },
                _ => last,
            };
            let mut lines = Vec::new();
            while number != 0 && lines.len() < limit {
                let entry = read(number)?;
                number = of_this(&entry)?;
                lines.push(StatementLine::new(&entry, id));
            }
            Ok((lines, number != 0))
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Unavailable)?
    }
}
