//! The bank: an exact, durable ledger with per-account locking in Lamport order.
//!
//! From the inside out:
//!
//! - [`Amount`], [`Balance`], [`AccountId`], [`Pin`]: values that can only be built valid;
//! - [`Ledger`]: the rules, pure; every change is an [`Entry`] that states its whole effect;
//! - [`Store`] and [`FileStore`]: where entries become durable, and what is believed of the disk;
//! - [`Bank`]: accounts locked in the order of Lamport times, entries made durable together;
//! - [`Server`]: the wire, sessions, PINs;
//! - [`Vault`], [`audit`], [`recover_stamps`]: what is done while nobody is served;
//! - [`client`]: a customer's session, which pursues each operation until its outcome is known.
//!
//! Two features are on by default: `cli` holds what only the programs need, `web` the server's live page.
//!
//! A bank with its ten example accounts, and a customer:
//!
//! ```
//! use bank::client::{Key, Session, TypedPin};
//! use proto::net::{ClientSettings, Dialer, Shutdown};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let data = tempfile::tempdir()?;
//! let settings = bank::Settings { data: data.path().join("bank"), ..bank::Settings::default() };
//! let (server, connector) = bank::Server::in_memory(settings).await?;
//! let shutdown = Shutdown::new();
//! let running = tokio::spawn(server.run(shutdown.clone()));
//!
//! let mut antonio = Session::new(Dialer::Memory(connector), ClientSettings::new("bank"));
//! antonio.login("1111111111", TypedPin::new("1234")).await?;
//! // The key makes it happen once, however often the request had to be sent.
//! let posted = antonio.deposit("100.00".parse()?, &Key::random()?).await?;
//! assert_eq!(posted.balance, "110.00");
//!
//! shutdown.begin();
//! running.await??;
//! // Nothing came from nowhere: ten times 10.00, and the deposit.
//! assert!(bank::audit(&data.path().join("bank")).is_ok());
//! # Ok(())
//! # }
//! ```

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
#[cfg(feature = "web")]
mod page;
mod pin;
mod server;
mod setup;
mod store;

pub use account::{AccountId, AccountIdError, RG_DIGITS_MAX};
pub use amount::{Amount, AmountError, Balance};
pub use engine::{Bank, ExecuteError, Holding, Promise, StatementError, StatementLine, Turn, Unavailable};
pub use entry::{Asked, Entry, EntryError, EntryKind, KeyPrint, Why};
pub use generate::generate;
pub use ledger::{
    Account, Index, Ledger, Moment, Operation, Outcome, Refusal, ReplayError, Slot, refusal_of,
    same_operation,
};
pub use model::{AuditError, AuditFailure, Audited, Model, audit};
pub use pin::{PIN_DIGITS, Pin, PinCost, PinError, PinHash};
pub use server::{RunError, Server, Settings, StartError};
pub use setup::{FirstAccounts, NewAccount, SetupError, Vault};
pub use store::{Batch, FileStore, ReadEntries, Store, StoreError, StoreSettings, recover_stamps};
