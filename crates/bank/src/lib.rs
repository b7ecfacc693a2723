//! The bank: an exact, durable ledger with per-account locking in Lamport order.

mod account;
mod amount;
pub mod client;
mod engine;
mod entry;
mod ledger;
pub mod limits;
mod model;
mod pin;
mod store;

pub use account::{AccountId, AccountIdError, RG_DIGITS_MAX};
pub use amount::{Amount, AmountError, Balance};
pub use engine::{Bank, ExecuteError, Holding, Promise, StatementError, StatementLine, Turn, Unavailable};
pub use entry::{Entry, EntryError, EntryKind, KeyPrint};
pub use ledger::{
    Account, Index, Ledger, Moment, Operation, Outcome, Refusal, ReplayError, Slot, same_operation,
};
pub use model::{AuditError, AuditFailure, Audited, Model, audit};
pub use pin::{PIN_DIGITS, Pin, PinCost, PinError, PinHash};
pub use store::{Batch, FileStore, ReadEntries, Store, StoreError, StoreSettings};
