//! The book: the ledger, the entries not yet handed to the store, and which batch each entry is in. Here operations are
//! decided, under one short mutex.

use std::sync::Arc;
use std::time::Instant;

use super::committer::{Commit, Flying, Gathered};
use super::promise::{ExecuteError, Promise, Unavailable};
use crate::account::AccountId;
use crate::debts::{Debts, Wait};
use crate::entry::KeyPrint;
use crate::ledger::{Ledger, Moment, Operation, Outcome, Refusal};
use crate::limits::{
    PENDING_BYTES_MAX, REFUSAL_FORGIVEN_AFTER, REFUSALS_COUNTED_MAX, REFUSALS_PER_ACCOUNT_MAX,
};

pub(super) struct Book {
    pub(super) ledger: Ledger,
    pub(super) gathered: Gathered,
    /// What the committer is making durable.
    pub(super) flying: Option<Flying>,
    pub(super) durable_entry: u64,
    pub(super) state: State,
    /// Refusals written for each account.
    pub(super) refusals: Debts<AccountId>,
    pub(super) started: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Serving,
    Closing,
    Failed,
}

impl Book {
    /// The book of a bank that serves `ledger`, whose last entry has the checksum `entry_chain`.
    pub(super) fn open(ledger: Ledger, entry_chain: u32) -> Self {
        Self {
            gathered: Gathered::after(entry_chain),
            flying: None,
            durable_entry: ledger.last_entry(),
            state: State::Serving,
            refusals: Debts::new(
                Some(REFUSALS_PER_ACCOUNT_MAX),
                REFUSAL_FORGIVEN_AFTER,
                REFUSALS_COUNTED_MAX,
            ),
            started: Instant::now(),
            ledger,
        }
    }

    pub(super) fn must_serve(&self) -> Result<(), Unavailable> {
        if self.state == State::Serving {
            Ok(())
        } else {
            Err(Unavailable)
        }
    }

    pub(super) fn close(&mut self) {
        if self.state == State::Serving {
            self.state = State::Closing;
        }
    }

    /// Decides an operation, `None` if too much is gathered to take it now. True when nothing was gathered before.
    pub(super) fn try_execute(
        &mut self,
        operation: &Operation,
        key: Option<KeyPrint>,
        moment: Moment,
    ) -> Option<Result<(Promise<Outcome>, bool), ExecuteError>> {
        if self.must_serve().is_err() {
            return Some(Err(Unavailable.into()));
        }
        if self.gathered.bytes.len() > PENDING_BYTES_MAX {
            return None;
        }
        let outcome = match self.ledger.execute(operation, key, moment) {
            Ok(outcome) => outcome,
            Err(refusal) => match self.remember(operation, key, moment, refusal) {
                Ok(outcome) => outcome,
                Err(error) => return Some(Err(error)),
            },
        };
        let was_idle = self.gathered.count == 0;
        let commit = match &outcome {
            Outcome::Done(entry) | Outcome::Refused(entry) => Some(self.gathered.add(entry)),
            Outcome::Seen(number) => self.commit_of(*number),
        };
        Some(Ok((
            Promise {
                value: outcome,
                commit,
            },
            was_idle,
        )))
    }

    /// Makes a refusal the outcome of its key, where there is one.
    fn remember(
        &mut self,
        operation: &Operation,
        key: Option<KeyPrint>,
        moment: Moment,
        refusal: Refusal,
    ) -> Result<Outcome, ExecuteError> {
        let Some((key, account)) = key.zip(operation.account()) else {
            return Err(refusal.into());
        };
        let now = self.started.elapsed();
        if let Err(Wait(wait)) = self.refusals.may(now, &account) {
            return Err(ExecuteError::TooManyRefusals { wait });
        }
        let outcome = self
            .ledger
            .remember(operation, key, moment, refusal)
            .ok_or(refusal)?;
        self.refusals.pay(now, account);
        Ok(outcome)
    }

    /// Where to wait for an entry to become durable, `None` if it is.
    pub(super) fn commit_of(&self, number: u64) -> Option<Arc<Commit>> {
        match &self.flying {
            _ if number <= self.durable_entry => None,
            Some(flying) if number <= flying.last_entry => Some(Arc::clone(&flying.commit)),
            _ => Some(Arc::clone(&self.gathered.commit)),
        }
    }
}
