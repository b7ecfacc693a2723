//! Accounts as JSON documents.
//!
//! An account document looks like this: `{"rg":"1111111111","nome":"Antonio","saldo":10.00}`. A file of first
//! accounts is a JSON list of such documents, each with a `"pin"` as well; `account`, `holder` and `balance` are
//! understood for `rg`, `nome` and `saldo`. A balance is a JSON number or a text with at most two digits after the
//! point, read exactly as it is written.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{NewAccount, SetupError};
use crate::amount::Amount;
use crate::limits::HOLDER_BYTES_MAX;
use crate::pin::Pin;

/// An account as a document has it: an object, not a list of its fields.
pub(super) struct Document<'a>(Fields<'a>);

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(alias = "account")]
    rg: String,
    #[serde(alias = "holder")]
    nome: String,
    #[serde(alias = "balance", borrow)]
    saldo: &'a RawValue,
    pin: Option<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with \"rg\", \"nome\" and \"saldo\"")
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
                Fields::deserialize(MapAccessDeserializer::new(object))
            }
        }
        deserializer.deserialize_map(Object).map(Self)
    }
}

impl Document<'_> {
    /// The account that the document describes, with `pin` where it has none itself.
    ///
    /// # Errors
    ///
    /// A text saying what is wrong with it.
    pub(super) fn into_account(self, pin: Option<&Pin>) -> Result<NewAccount, String> {
        let Self(fields) = self;
        if fields.nome.is_empty() || fields.nome.len() > HOLDER_BYTES_MAX {
            return Err(format!("a holder's name has 1 to {HOLDER_BYTES_MAX} bytes"));
        }
        let pin = match (fields.pin, pin) {
            (Some(pin), _) => pin.parse().map_err(|error: crate::PinError| error.to_string())?,
            (None, Some(pin)) => pin.clone(),
            (None, None) => return Err("the account has no \"pin\"".to_owned()),
        };
        let saldo = fields.saldo.get().trim_matches('"');
        let balance = match Amount::from_typed(saldo) {
            Ok(amount) => Some(amount),
            Err(crate::AmountError::Zero) => None,
            Err(error) => return Err(format!("the balance {saldo}: {error}")),
        };
        let account = fields
            .rg
            .parse()
            .map_err(|error: crate::AccountIdError| format!("{:?}: {error}", fields.rg))?;
        Ok(NewAccount {
            account,
            holder: fields.nome,
            balance,
            pin,
        })
    }
}

/// The accounts of a file of first accounts.
pub(super) fn read_accounts(path: &Path) -> Result<Vec<NewAccount>, SetupError> {
    let text = fs::read(path).map_err(SetupError::file("read", path))?;
    let wrong = |what| SetupError::Document {
        path: path.to_owned(),
        what,
    };
    let documents: Vec<Document<'_>> =
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if documents.is_empty() {
        return Err(wrong("there is no account in it".to_owned()));
    }
    documents
        .into_iter()
        .map(|document| document.into_account(None).map_err(wrong))
        .collect()
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
    fn what_is_no_document_is_told_in_its_own_words() {
        let check = |text: &str, told: &str| {
            let error = document(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        };
        check(
            r#"["1","Ana",1,"1234"]"#,
            "invalid type: sequence, expected an object with \"rg\"",
        );
        check("[]", "invalid type: sequence, expected an object with \"rg\"");
        check(
            r#"{"rg":"1","nome":"Ana"}"#,
            "missing field `saldo` at line 1 column 23",
        );
        check(
            r#"{"rg":"1","account":"1","nome":"Ana","saldo":1}"#,
            "duplicate field `rg`",
        );
    }
}
