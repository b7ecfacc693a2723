//! The bank: an exact, durable ledger with per-account locking in Lamport order.

mod account;
mod amount;
mod entry;
mod ledger;
mod pin;

pub use account::{AccountId, AccountIdError, RG_DIGITS_MAX};
pub use amount::{Amount, AmountError, Balance};
pub use entry::{Entry, EntryError, EntryKind, KeyPrint};
pub use ledger::{Account, Index, Ledger, Moment, Operation, Outcome, Refusal, ReplayError, Slot, same_operation};
pub use pin::{PIN_DIGITS, Pin, PinCost, PinError, PinHash};
