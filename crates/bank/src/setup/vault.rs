//! A bank's data while nobody is served from it: opening and closing accounts, export and import.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::documents::Document;
use super::{NewAccount, SetupError};
use crate::account::AccountId;
use crate::ledger::{Ledger, Moment, Operation, Outcome};
use crate::limits::PENDING_BYTES_MAX;
use crate::pin::{Pin, PinCost, PinHash};
use crate::server::salt;
use crate::store::{self, Batch, FileStore, Store as _, StoreError, StoreSettings};

/// A bank's data while nobody is served from it.
pub struct Vault {
    store: FileStore,
    ledger: Ledger,
}

impl Vault {
    /// Opens the data in `directory`, an empty bank if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; among them that a server has the directory.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let (store, ledger) = FileStore::open(directory, StoreSettings::default())?;
        Ok(Self { store, ledger })
    }

    /// Opens the data in `directory`, where there must be some.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoBank`], and what [`open`](Self::open) says.
    pub fn open_existing(directory: &Path) -> Result<Self, StoreError> {
        store::require(directory)?;
        Self::open(directory)
    }

    /// The bank with this store, which holds this ledger.
    pub(super) fn over(store: FileStore, ledger: Ledger) -> Self {
        Self { store, ledger }
    }

    /// What a server needs of it.
    pub(super) fn into_parts(self) -> (FileStore, Ledger) {
        (self.store, self.ledger)
    }

    /// What it holds.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Opens accounts; they are durable when this returns.
    ///
    /// # Errors
    ///
    /// [`SetupError`]. None of the accounts is opened if one is refused.
    pub fn open_accounts(&mut self, accounts: &[NewAccount], cost: PinCost) -> Result<(), SetupError> {
        let pins = hash_all(accounts, cost);
        let operations = accounts.iter().zip(pins).map(|(new, pin)| Operation::Open {
            account: new.account,
            holder: new.holder.as_str().into(),
            pin,
            balance: new.balance,
        });
        self.execute(operations)
    }

    /// Closes an account that holds nothing; durable when this returns.
    ///
    /// # Errors
    ///
    /// [`SetupError::Refused`] when there is no such account or it holds money.
    pub fn close_account(&mut self, account: AccountId) -> Result<(), SetupError> {
        self.execute([Operation::Close(account)])
    }

    /// Writes one document per open account, named after its RG, into `directory`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`SetupError::File`].
    pub fn export(&self, directory: &Path) -> Result<usize, SetupError> {
        fs::create_dir_all(directory).map_err(SetupError::file("make", directory))?;
        let mut count = 0;
        for account in self.ledger.accounts().iter().filter(|account| !account.closed) {
            // An RG is digits and nothing else: it cannot name anything outside the directory.
            let path = directory.join(format!("{}.json", account.id));
            let (rg, nome) = (account.id.to_string(), serde_json::to_string(&account.holder));
            let nome = nome.expect("a text is JSON");
            let document = format!(
                "{{\"rg\":\"{rg}\",\"nome\":{nome},\"saldo\":{}}}\n",
                account.balance
            );
            let write = || {
                let mut file = fs::File::create(&path)?;
                file.write_all(document.as_bytes())?;
                file.sync_data()
            };
            write().map_err(SetupError::file("write", &path))?;
            count += 1;
        }
        Ok(count)
    }

    /// Opens an account for each document `*.json` in `directory`. Documents without a PIN get `pin`.
    ///
    /// # Errors
    ///
    /// [`SetupError`]; then none is opened.
    pub fn import(&mut self, directory: &Path, pin: &Pin, cost: PinCost) -> Result<usize, SetupError> {
        let mut accounts = Vec::new();
        for entry in fs::read_dir(directory).map_err(SetupError::file("read", directory))? {
            let path = entry.map_err(SetupError::file("read", directory))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(SetupError::file("read", &path))?;
            let document = serde_json::from_slice::<Document>(&text).map_err(|error| error.to_string());
            let new = document.and_then(|document| document.into_account(Some(pin)));
            let new = new.map_err(|what| SetupError::Document {
                path: path.clone(),
                what,
            })?;
            if path
                .file_stem()
                .is_none_or(|stem| *stem != *new.account.to_string())
            {
                let what = format!(
                    "it is the document of account {}, after which it should be named",
                    new.account
                );
                return Err(SetupError::Document { path, what });
            }
            accounts.push(new);
        }
        if accounts.is_empty() {
            return Err(SetupError::NoDocuments(directory.to_owned()));
        }
        accounts.sort_by_key(|new| new.account);
        self.open_accounts(&accounts, cost)?;
        Ok(accounts.len())
    }

    /// Executes operations, all or none, and makes them durable.
    pub(crate) fn execute(
        &mut self,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Result<(), SetupError> {
        let mut ledger = self.ledger.clone();
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_millis() as u64);
        let moment = Moment {
            at,
            lamport: ledger.lamport(),
        };
        let mut entries = Vec::new();
        for operation in operations {
            match ledger.execute(&operation, None, moment) {
                Ok(Outcome::Done(entry)) => entries.push(entry),
                Ok(Outcome::Refused(_) | Outcome::Seen(_)) => {
                    unreachable!("there is no key to be remembered")
                }
                Err(refusal) => {
                    let (Operation::Open { account, .. } | Operation::Close(account)) = operation else {
                        unreachable!("only opening and closing is done here");
                    };
                    return Err(SetupError::Refused { account, refusal });
                }
            }
        }
        let mut rest = &entries[..];
        while let Some(first) = rest.first() {
            let (mut bytes, mut entry_chain, mut count) = (Vec::new(), self.store.entry_chain(), 0);
            while let Some(entry) = rest.get(count).filter(|_| bytes.len() < PENDING_BYTES_MAX) {
                entry_chain = entry.encode(entry_chain, &mut bytes);
                count += 1;
            }
            self.store.append(&Batch {
                first_number: first.number,
                count: count as u32,
                bytes: &bytes,
                entry_chain,
            })?;
            rest = &rest[count..];
        }
        self.ledger = ledger;
        Ok(())
    }
}

/// Hashes the PINs of many accounts on all cores, each with its own salt.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

fn hash_all(accounts: &[NewAccount], cost: PinCost) -> Vec<PinHash> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = accounts.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let hash = |accounts: &[NewAccount]| -> Vec<PinHash> {
            accounts
                .iter()
                .map(|new| PinHash::new(&new.pin, salt(), cost))
                .collect()
        };
        let running: Vec<_> = accounts
            .chunks(share)
            .map(|share| scope.spawn(move || hash(share)))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().expect("hashing does not panic"))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::super::examples::{examples, has_example_pin};
    use super::*;
    use crate::ledger::Refusal;

    #[test]
    fn what_is_exported_can_be_imported() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("accounts");
        let pin: Pin = "4321".parse().unwrap();
        let mut first = Vault::open(&place.path().join("one")).unwrap();
        first.open_accounts(&examples(), PinCost::LEAST).unwrap();
        assert_eq!(first.export(&folder).unwrap(), 10);
        let text = fs::read_to_string(folder.join("1111111111.json")).unwrap();
        assert_eq!(
            text,
            "{\"rg\":\"1111111111\",\"nome\":\"Antonio\",\"saldo\":10.00}\n"
        );

        let mut second = Vault::open(&place.path().join("two")).unwrap();
        assert_eq!(second.import(&folder, &pin, PinCost::LEAST).unwrap(), 10);
        let again = second.import(&folder, &pin, PinCost::LEAST);
        assert!(
            matches!(
                again,
                Err(SetupError::Refused {
                    refusal: Refusal::AccountExists(_),
                    ..
                })
            ),
            "{again:?}"
        );
        let holds = |vault: &Vault| {
            vault
                .ledger()
                .accounts()
                .iter()
                .map(|a| (a.id, a.balance))
                .collect::<Vec<_>>()
        };
        assert_eq!(holds(&first), holds(&second));
        assert!(
            second
                .ledger()
                .accounts()
                .iter()
                .all(|account| account.pin.verify(&pin))
        );
        assert!(!has_example_pin(second.ledger()) && has_example_pin(first.ledger()));

        fs::rename(folder.join("1111111111.json"), folder.join("2.json")).unwrap();
        let mut third = Vault::open(&place.path().join("three")).unwrap();
        assert!(matches!(
            third.import(&folder, &pin, PinCost::LEAST),
            Err(SetupError::Document { .. })
        ));
        assert_eq!(third.ledger().last_entry(), 0, "all or none");
    }

    #[test]
    fn only_empty_accounts_close() {
        let place = tempfile::tempdir().unwrap();
        let mut vault = Vault::open(place.path()).unwrap();
        let mut accounts = examples();
        accounts[3].balance = None;
        vault.open_accounts(&accounts, PinCost::LEAST).unwrap();
        let full = vault.close_account(accounts[0].account);
        assert!(matches!(
            full,
            Err(SetupError::Refused {
                refusal: Refusal::NotEmpty { .. },
                ..
            })
        ));
        vault.close_account(accounts[3].account).unwrap();
        drop(vault);
        let vault = Vault::open(place.path()).unwrap();
        assert_eq!(
            vault
                .ledger()
                .accounts()
                .iter()
                .filter(|account| account.closed)
                .count(),
            1
        );
        drop(vault);
        assert_eq!(crate::audit(place.path()).unwrap().entries, 11);
    }
}
