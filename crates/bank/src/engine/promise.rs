//! What was decided and is not durable yet, and why nothing was decided.

use std::sync::Arc;
use std::time::Duration;

use super::committer::Commit;
use crate::ledger::Refusal;

/// Why an operation was not done, or is not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// It was refused and changes nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It would be refused, but so much was refused to this account that no more of it can be remembered for now. Its
    /// key is still free.
    #[error("too much was refused to this account")]
    TooManyRefusals {
        /// How long to wait.
        wait: Duration,
    },
    /// The store failed, or the bank is closed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The store failed, or the bank is closed. Whether an operation on its way was done will be known after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bank's storage does not take anything any more")]
pub struct Unavailable;

/// What was decided, not yet durable: [`durable`](Promise::durable) waits until it is.
#[derive(Debug)]
#[must_use = "what is not durable must not be told"]
pub struct Promise<T> {
    pub(super) value: T,
    pub(super) commit: Option<Arc<Commit>>,
}

impl<T> Promise<T> {
    /// A value that may be told at once.
    pub fn kept(value: T) -> Self {
        Self { value, commit: None }
    }

    /// Makes another value of this one, under the same promise.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Promise<U> {
        Promise {
            value: change(self.value),
            commit: self.commit,
        }
    }

    /// Waits until the value may be told.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if it may never be told.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer, not the operation.
    pub async fn durable(self) -> Result<T, Unavailable> {
        if let Some(commit) = self.commit {
            commit.wait().await?;
        }
        Ok(self.value)
    }
}
