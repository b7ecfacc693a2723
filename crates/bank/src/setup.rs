//! Accounts while nobody is served: the first ones, opening and closing, export and import.
//!
//! An account document looks like this: `{"rg":"1111111111","nome":"Antonio","saldo":10.00}`. A file of first
//! accounts is a JSON list of such documents, each with a `"pin"` as well; `account`, `holder` and `balance` are
//! understood for `rg`, `nome` and `saldo`. A balance is a JSON number or a text with at most two digits after the
//! point, read exactly as it is written.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::account::AccountId;
use crate::amount::Amount;
use crate::ledger::{Ledger, Moment, Operation, Outcome, Refusal};
use crate::limits::{HOLDER_BYTES_MAX, PENDING_BYTES_MAX};
use crate::pin::{Pin, PinCost, PinHash};
use crate::server::salt;
use crate::store::{Batch, FileStore, Store as _, StoreError, StoreSettings};

/// The holders of the ten example accounts, `0000000000` to `9999999999`.
const EXAMPLE_HOLDERS: [&str; 10] = [
    "Marcos", "Antonio", "Joao", "Maria", "Jose", "Pedro", "Paulo", "Carlos", "Ricardo", "Rafael",
];
const EXAMPLE_PIN: &str = "1234";

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
    #[error("failed to {what} {}: {reason}", path.display())]
    File {
        /// What was tried: a verb.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A document is not one of an account.
    #[error("{}: {what}", path.display())]
    Document {
        /// In which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The example accounts must not be made where others can reach them.
    #[error("the example accounts with the PIN 1234 are only for this machine")]
    ExamplesExposed,
    /// The ledger refused.
    #[error("account {account}: {refusal}")]
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
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "name another path, or mend its permissions",
            Self::Document { .. } => {
                "write {\"rg\":\"1111111111\",\"nome\":\"Antonio\",\"saldo\":10.00,\"pin\":\"1234\"}, in a list for --accounts"
            }
            Self::ExamplesExposed => "give accounts of your own with --accounts FILE",
            Self::Refused {
                refusal: Refusal::NotEmpty { .. },
                ..
            } => "withdraw or transfer the money first",
            Self::Refused { .. } => "check the RG; closed accounts stay closed",
            Self::Store(error) => error.hint(),
        }
    }

    fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::File { what, path, reason }
    }
}

/// A bank's data while nobody is served from it.
pub struct Vault {
    store: FileStore,
    ledger: Ledger,
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
    let mut vault = Vault { store, ledger };
    if vault.ledger.last_entry() == 0 {
        let accounts = match first {
            FirstAccounts::Examples if exposed => return Err(SetupError::ExamplesExposed),
            FirstAccounts::Examples => {
                tracing::warn!(
                    "made ten example accounts with the PIN 1234; hint: --accounts FILE makes your own"
                );
                examples()
            }
            FirstAccounts::File(path) => read_accounts(path)?,
            FirstAccounts::These(accounts) => accounts.clone(),
        };
        vault.open_accounts(&accounts, cost)?;
    }
    Ok((vault.store, vault.ledger))
}

/// Whether one of the ten example accounts can be opened with the PIN that everybody knows.
pub(crate) fn has_example_pin(ledger: &Ledger) -> bool {
    let slots = examples()
        .into_iter()
        .filter_map(|example| ledger.slot(example.account).zip(Some(example.pin)));
    slots
        .map(|(slot, pin)| (ledger.account(slot), pin))
        .any(|(account, pin)| !account.closed && account.pin.verify(&pin))
}

fn examples() -> Vec<NewAccount> {
    let example = |(digit, holder): (usize, &&str)| NewAccount {
        account: digit
            .to_string()
            .repeat(10)
            .parse()
            .expect("ten digits are an RG"),
        holder: (*holder).to_owned(),
        balance: Amount::from_minor(1000),
        pin: EXAMPLE_PIN.parse().expect("four digits are a PIN"),
    };
    EXAMPLE_HOLDERS.iter().enumerate().map(example).collect()
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
            let text = fs::read_to_string(&path).map_err(SetupError::file("read", &path))?;
            let document = serde_json::from_str::<Document>(&text).map_err(|error| error.to_string());
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
                Ok(Outcome::Seen(_)) => unreachable!("there is no key that could have been seen"),
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

/// An account as a document has it.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(alias = "account")]
    rg: String,
    #[serde(alias = "holder")]
    nome: String,
    #[serde(alias = "balance", borrow)]
    saldo: &'a RawValue,
    pin: Option<String>,
}

impl Document<'_> {
    fn into_account(self, pin: Option<&Pin>) -> Result<NewAccount, String> {
        if self.nome.is_empty() || self.nome.len() > HOLDER_BYTES_MAX {
            return Err(format!("a holder's name has 1 to {HOLDER_BYTES_MAX} bytes"));
        }
        let pin = match (self.pin, pin) {
            (Some(pin), _) => pin.parse().map_err(|error: crate::PinError| error.to_string())?,
            (None, Some(pin)) => pin.clone(),
            (None, None) => return Err("the account has no \"pin\"".to_owned()),
        };
        let saldo = self.saldo.get().trim_matches('"');
        let balance = match Amount::from_typed(saldo) {
            Ok(amount) => Some(amount),
            Err(crate::AmountError::Zero) => None,
            Err(error) => return Err(format!("the balance {saldo}: {error}")),
        };
        let account = self
            .rg
            .parse()
            .map_err(|error: crate::AccountIdError| format!("{:?}: {error}", self.rg))?;
        Ok(NewAccount {
            account,
            holder: self.nome,
            balance,
            pin,
        })
    }
}

fn read_accounts(path: &Path) -> Result<Vec<NewAccount>, SetupError> {
    let text = fs::read_to_string(path).map_err(SetupError::file("read", path))?;
    let wrong = |what| SetupError::Document {
        path: path.to_owned(),
        what,
    };
    let documents: Vec<Document<'_>> =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    documents
        .into_iter()
        .map(|document| document.into_account(None).map_err(wrong))
        .collect()
}

/// Hashes the PINs of many accounts on all cores, each with its own salt.
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
    use super::*;

    fn document(text: &str) -> Result<(String, Option<i64>), String> {
        let pin: Pin = "1234".parse().unwrap();
        let document: Document<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let new = document.into_account(Some(&pin))?;
        Ok((new.account.to_string(), new.balance.map(Amount::minor)))
    }

    #[test]
    fn balances_are_read_as_they_are_written() {
        let check = |saldo: &str, expected: Result<Option<i64>, ()>| {
            let text = format!(r#"{{"rg":"007","nome":"Ana","saldo":{saldo}}}"#);
            assert_eq!(
                document(&text).map(|found| found.1).map_err(drop),
                expected,
                "{saldo}"
            );
        };
        check("10.0", Ok(Some(1000)));
        check("10", Ok(Some(1000)));
        check("\"10.00\"", Ok(Some(1000)));
        check("92233720368547758.07", Ok(Some(i64::MAX)));
        check("0.0", Ok(None));
        check("0", Ok(None));
        for wrong in [
            "0.001",
            "-1",
            "1e2",
            "null",
            "\"1,00\"",
            "0.1e1",
            "92233720368547758.08",
        ] {
            check(wrong, Err(()));
        }
    }

    #[test]
    fn documents_that_name_a_path_are_refused() {
        for rg in ["../1", "/etc/passwd", "1/2", ""] {
            assert!(document(&format!(r#"{{"rg":{rg:?},"nome":"Ana","saldo":1}}"#)).is_err());
        }
        assert!(document(r#"{"rg":"1","nome":"","saldo":1}"#).is_err());
    }

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
