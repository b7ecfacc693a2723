//! Who is logged in, and with which PIN.

use std::sync::Arc;

use proto::WireError;
use proto::net::Closed;

use super::answer::{Body, of_execute};
use super::{Received, Session};
use crate::account::AccountId;
use crate::codes::{INVALID_PIN, of_refusal, unavailable};
use crate::engine::ExecuteError;
use crate::ledger::{Operation, Outcome, Slot};
use crate::limits::STRANGER_LINE_BYTES_MAX;
use crate::pin::Pin;

impl Session {
    pub(super) async fn login(&mut self, account: &str, pin: &str) -> Result<Body, Closed> {
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

    pub(super) fn log_out(&mut self) {
        if self.holder.take().is_some() {
            self.connection.set_line_bytes_max(STRANGER_LINE_BYTES_MAX);
        }
    }

    pub(super) async fn change_pin(
        &mut self,
        received: Received,
        account: AccountId,
        slot: Slot,
        old: &str,
        new: &str,
    ) -> Result<Body, Closed> {
        self.settle().await?;
        let Ok(new) = new.parse::<Pin>() else {
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
                .check(&account.to_string(), address, old, Some(kept.clone()))
                .await?;
            // Another change may be decided while this one waits to be hashed; then the old PIN is no longer right.
            let operation = Operation::ChangePin {
                account,
                former: kept,
                pin: shared.pins.hash(new).await?,
            };
            let promise = match shared.bank.execute(turn, &operation, None, received.moment).await {
                Err(ExecuteError::Refused(refusal)) => {
                    let refused = async { shared.bank.refused(refusal)?.durable().await };
                    return Err(refused.await.map_or_else(|_| unavailable(), of_refusal));
                }
                decided => decided.map_err(of_execute)?,
            };
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
}
