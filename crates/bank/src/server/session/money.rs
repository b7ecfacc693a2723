//! What is asked of an account: moving money, and what was moved.

use std::sync::Arc;

use lamport::trace::facts;
use proto::net::Closed;
use proto::{WireError, codes};

use super::answer::{Body, holding, of_execute, told};
use super::{Received, Session};
use crate::account::AccountId;
use crate::codes::{KEY_REUSED, of_refusal, unavailable};
use crate::engine::{ExecuteError, Holding, Promise, StatementError, Unavailable};
use crate::entry::{EntryKind, KeyPrint};
use crate::ledger::{Operation, Outcome, Slot, same_operation};
use crate::ops::Action;

impl Session {
    pub(super) async fn move_money(
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
        let (turn, here) = (self.turn(received), self.here);
        // The reply's stamp is taken with the accounts still locked, so that stamps and trace follow the ledger.
        let stamp = |outcome: &Outcome| match outcome {
            Outcome::Done(entry) => Some(shared.send_entry(here, entry)),
            Outcome::Refused(_) => Some(shared.send(here, "reply", &[])),
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
                let lamport = shared.send_holding(shared.tracer.here(), account, held, &[repeated]);
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

    pub(super) async fn balance(
        &mut self,
        received: Received,
        account: AccountId,
        slot: Slot,
    ) -> Result<(), Closed> {
        let shared = Arc::clone(&self.shared);
        let (turn, here) = (self.turn(received), self.here);
        let stamp = |held: &Holding| shared.send_holding(here, account, *held, &[]);
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

    pub(super) async fn statement(
        &mut self,
        slot: Slot,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Body, Closed> {
        self.settle().await?;
        self.connection.relieve().await?;
        let shared = Arc::clone(&self.shared);
        let read = self
            .connection
            .write_while(shared.bank.statement(slot, before, limit))
            .await?;
        Ok(match read {
            Ok((lines, more)) => Body::Statement { lines, more },
            Err(error @ StatementError::NotYours(_)) => Body::Refused(
                WireError::new(codes::INVALID_FIELD, error.to_string())
                    .with_hint("name an entry that a statement of this account shows"),
            ),
            Err(error) => {
                tracing::error!(%error, "failed to read a statement");
                Body::Refused(unavailable())
            }
        })
    }
}
