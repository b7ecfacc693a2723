//! The bank: an exact, durable ledger with per-account locking in Lamport order.
//!
//! From the inside out:
//!
//! - [`Amount`], [`Balance`], [`AccountId`], [`Pin`]: values that can only be built valid;
//! - [`Ledger`]: the rules, pure; every change is an [`Entry`] that states its whole effect;
//! - [`Store`] and [`FileStore`]: where entries become durable, and what is believed of the disk;
//! - [`Bank`]: accounts locked in the order of Lamport times, entries made durable together;
//! - [`Server`]: the wire, sessions, PINs;
//! - [`Vault`], [`audit`]: what is done while nobody is served.

mod account;
mod amount;
pub mod client;
pub mod codes;
mod debts;
mod engine;
mod entry;
mod generate;
mod ledger;
pub mod limits;
mod model;
mod ops;
mod page;
mod pin;
mod server;
mod setup;
mod store;

pub use account::{AccountId, AccountIdError, RG_DIGITS_MAX};
pub use amount::{Amount, AmountError, Balance};
pub use engine::{Bank, ExecuteError, Holding, Promise, StatementError, StatementLine, Turn, Unavailable};
pub use entry::{Asked, Entry, EntryError, EntryKind, KeyPrint, Why};
pub use generate::{generate, generated_account};
pub use ledger::{
    Account, Index, Ledger, Moment, Operation, Outcome, Refusal, ReplayError, Slot, refusal_of,
    same_operation,
};
pub use model::{AuditError, AuditFailure, Audited, Model, audit};
pub use pin::{PIN_DIGITS, Pin, PinCost, PinError, PinHash};
pub use server::{RunError, Server, Settings, StartError};
pub use setup::{FirstAccounts, NewAccount, SetupError, Vault};
pub use store::{Batch, FileStore, ReadEntries, Store, StoreError, StoreSettings};
