//! Accounts while nobody is served: the first ones, opening and closing, export and import.

mod documents;
mod examples;
mod vault;

use std::path::{Path, PathBuf};

pub(crate) use examples::has_example_pin;
pub use vault::Vault;

use crate::account::AccountId;
use crate::amount::Amount;
use crate::ledger::{Ledger, Refusal};
use crate::pin::{Pin, PinCost};
use crate::store::{FileStore, StoreError, StoreSettings};

/// The accounts that an empty bank begins with.
#[derive(Debug, Clone)]
pub enum FirstAccounts {
    /// The ten example accounts, with 10.00 each and the PIN 1234. Only for this machine.
    Examples,
    /// Those of a file.
    File(PathBuf),
    /// These.
    These(Vec<NewAccount>),
}

/// An account to be opened.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its RG.
    pub account: AccountId,
    /// Who holds it.
    pub holder: String,
    /// What it begins with.
    pub balance: Option<Amount>,
    /// Its PIN.
    pub pin: Pin,
}

/// Why accounts were not made, closed, written or read.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file or directory could not be read or written.
    #[error("failed to {what} {}: {reason}; hint: name another path, or mend its permissions", path.display())]
    File {
        /// What was tried: a verb.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A document is not one of an account.
    #[error("{}: {what}; hint: {DOCUMENT_HINT}", path.display())]
    Document {
        /// In which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no account in a directory of documents.
    #[error("there is no document *.json in {}; hint: name a directory that bank export wrote", .0.display())]
    NoDocuments(PathBuf),
    /// A directory that is to be filled for measurements holds a bank.
    #[error("there is a bank in {} already; hint: name an empty data directory", .0.display())]
    Filled(PathBuf),
    /// The example accounts must not be made where others can reach them.
    #[error(
        "the example accounts with the PIN 1234 are only for this machine; hint: give accounts of your own"
    )]
    ExamplesExposed,
    /// The ledger refused.
    #[error("account {account} cannot be opened or closed: {refusal}; hint: {}", hint_for(*refusal))]
    Refused {
        /// Which account.
        account: AccountId,
        /// Why.
        refusal: Refusal,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SetupError {
    fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::File { what, path, reason }
    }
}

const DOCUMENT_HINT: &str = "write {\"rg\":\"1111111111\",\"nome\":\"Antonio\",\"saldo\":10.00,\"pin\":\"1234\"}, for the first accounts in a list";

/// What a person can do about an account that the ledger refused.
fn hint_for(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotEmpty { .. } => "withdraw or transfer the money first",
        Refusal::Overflow => "all accounts together hold 92233720368547758.07 at most",
        _ => "check the RG; closed accounts stay closed",
    }
}

/// Opens the data of a server, with its first accounts if there are none.
pub(crate) fn open(
    data: &Path,
    settings: StoreSettings,
    first: &FirstAccounts,
    cost: PinCost,
    exposed: bool,
) -> Result<(FileStore, Ledger), SetupError> {
    let (store, ledger) = FileStore::open(data, settings)?;
    let mut vault = Vault::over(store, ledger);
    if vault.ledger().last_entry() == 0 {
        let accounts = match first {
            FirstAccounts::Examples if exposed => return Err(SetupError::ExamplesExposed),
            FirstAccounts::Examples => {
                tracing::warn!(
                    "made ten example accounts with the PIN 1234; hint: an empty bank can be given accounts of your own"
                );
                examples::examples()
            }
            FirstAccounts::File(path) => documents::read_accounts(path)?,
            FirstAccounts::These(accounts) => accounts.clone(),
        };
        vault.open_accounts(&accounts, cost)?;
    } else if let FirstAccounts::File(path) = first {
        tracing::info!(file = %path.display(), "the bank has accounts; the file of first ones is not read");
    }
    Ok(vault.into_parts())
}
