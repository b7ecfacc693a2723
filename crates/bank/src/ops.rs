//! What a client can ask for: one flat, borrowed struct for the line, and the operation it becomes.

use proto::{IdField, OpenRequest, StampField, Text, WireError, codes};
use serde::Deserialize;

use crate::account::AccountId;
use crate::amount::Amount;
use crate::codes::{INVALID_AMOUNT, UNKNOWN_ACCOUNT};
use crate::limits::{KEY_BYTES_MAX, STATEMENT_DEFAULT, STATEMENT_MAX};

/// A line of a client, every field as it stands there.
#[derive(Debug, Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(default)]
    lamport: StampField,
    #[serde(default)]
    id: IdField,
    #[serde(borrow)]
    op: Option<Text<'a>>,
    #[serde(borrow)]
    account: Option<Text<'a>>,
    #[serde(borrow)]
    pin: Option<Text<'a>>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow)]
    amount: Option<Text<'a>>,
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    old: Option<Text<'a>>,
    #[serde(borrow)]
    new: Option<Text<'a>>,
    before: Option<u64>,
    limit: Option<u64>,
}

/// One operation with what it needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    /// Prove to be the holder of an account.
    Login { account: Text<'a>, pin: Text<'a> },
    /// Be nobody again.
    Logout,
    /// Ask what the account holds.
    Balance,
    /// Move money.
    Move { action: Action, key: Option<Text<'a>> },
    /// Ask for the account's entries, the latest first.
    Statement { before: Option<u64>, limit: usize },
    /// Take another PIN.
    ChangePin { old: Text<'a>, new: Text<'a> },
}

/// How money is to move, seen from the account logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Deposit(Amount),
    Withdraw(Amount),
    Transfer(AccountId, Amount),
}

impl OpenRequest for Request<'_> {
    fn lamport(&self) -> StampField {
        self.lamport
    }

    fn id(&self) -> IdField {
        self.id
    }
}

impl<'a> Request<'a> {
    /// The operation's name.
    pub(crate) fn name(&self) -> &str {
        self.op.as_deref().unwrap_or_default()
    }

    /// The operation.
    ///
    /// # Errors
    ///
    /// `unknown_operation`, `missing_field`, `invalid_field`, `invalid_amount`, `unknown_account`.
    pub(crate) fn into_op(self) -> Result<Op<'a>, WireError> {
        let name = needed(self.op, "op")?;
        Ok(match &*name {
            "login" => Op::Login {
                account: needed(self.account, "account")?,
                pin: needed(self.pin, "pin")?,
            },
            "logout" => Op::Logout,
            "balance" => Op::Balance,
            "deposit" => Op::Move {
                key: key(self.key)?,
                action: Action::Deposit(amount(self.amount)?),
            },
            "withdraw" => Op::Move {
                key: key(self.key)?,
                action: Action::Withdraw(amount(self.amount)?),
            },
            "transfer" => {
                let (to, key) = (needed(self.to, "to")?, key(self.key)?);
                let amount = amount(self.amount)?;
                let to = to
                    .parse()
                    .map_err(|_| WireError::new(UNKNOWN_ACCOUNT, "there is no account with this RG"))?;
                Op::Move {
                    action: Action::Transfer(to, amount),
                    key,
                }
            }
            "statement" => {
                let limit = self.limit.unwrap_or(STATEMENT_DEFAULT);
                if !(1..=STATEMENT_MAX).contains(&limit) {
                    let message = format!("limit is from 1 to {STATEMENT_MAX}");
                    return Err(WireError::new(codes::INVALID_FIELD, message));
                }
                Op::Statement {
                    before: self.before,
                    limit: limit as usize,
                }
            }
            "change_pin" => Op::ChangePin {
                old: needed(self.old, "old")?,
                new: needed(self.new, "new")?,
            },
            _ => return Err(unknown(&name)),
        })
    }
}

/// Whether this is an operation that needs a login.
pub(crate) fn needs_login(name: &str) -> bool {
    matches!(
        name,
        "balance" | "deposit" | "withdraw" | "transfer" | "statement" | "change_pin" | "logout"
    )
}

fn unknown(name: &str) -> WireError {
    let name: String = name.chars().take(32).collect();
    WireError::new(
        codes::UNKNOWN_OPERATION,
        format!("there is no operation {name:?}"),
    )
    .with_hint("operations: login, balance, deposit, withdraw, transfer, statement, change_pin, logout")
}

fn needed<'a>(field: Option<Text<'a>>, name: &'static str) -> Result<Text<'a>, WireError> {
    field.ok_or_else(|| {
        WireError::new(
            codes::MISSING_FIELD,
            format!("the operation needs the field {name}"),
        )
    })
}

fn amount(field: Option<Text<'_>>) -> Result<Amount, WireError> {
    needed(field, "amount")?
        .parse()
        .map_err(|error: crate::AmountError| {
            WireError::new(INVALID_AMOUNT, error.to_string()).with_hint("write \"100.00\"")
        })
}

fn key(field: Option<Text<'_>>) -> Result<Option<Text<'_>>, WireError> {
    match field {
        Some(key) if !(1..=KEY_BYTES_MAX).contains(&key.len()) => Err(WireError::new(
            codes::INVALID_FIELD,
            format!("a key has 1 to {KEY_BYTES_MAX} bytes"),
        )),
        key => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let code = match proto::parse::<Request<'_>>(line.as_bytes()) {
            Err(refusal) => refusal.error.code.as_str(),
            Ok(None) => "upkeep",
            Ok(Some(request)) => request
                .into_op()
                .map_or_else(|error| error.code.as_str(), |_| "ok"),
        };
        assert_eq!(code, expected, "{line}");
    }

    /// Amounts as people and programs get them wrong, as they arrive on the wire.
    #[test]
    fn every_wrong_amount_has_its_code() {
        for (amount, code) in [
            (r#""0.01""#, "ok"),
            (r#""-1""#, "invalid_amount"),
            (r#""-1.00""#, "invalid_amount"),
            (r#""0""#, "invalid_amount"),
            (r#""0.00""#, "invalid_amount"),
            (r#""0.001""#, "invalid_amount"),
            (r#""1e2""#, "invalid_amount"),
            (r#""NaN""#, "invalid_amount"),
            (r#""1,00""#, "invalid_amount"),
            (r#"" 1""#, "invalid_amount"),
            (r#""+1""#, "invalid_amount"),
            (r#""9223372036854775807.99""#, "invalid_amount"),
            ("1.00", "invalid_field"),
            ("100", "invalid_field"),
            ("true", "invalid_field"),
            ("[\"1.00\"]", "invalid_field"),
            ("null", "missing_field"),
        ] {
            check(&format!(r#"{{"id":1,"op":"deposit","amount":{amount}}}"#), code);
            check(
                &format!(r#"{{"id":1,"op":"transfer","to":"1","amount":{amount}}}"#),
                code,
            );
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        check(r#"{"id":1,"op":"balance"}"#, "ok");
        check(r#"{"id":1}"#, "missing_field");
        check(r#"{"id":1,"op":"dance"}"#, "unknown_operation");
        check(r#"{"id":1,"op":"login","account":"1"}"#, "missing_field");
        check(r#"{"id":1,"op":"transfer","amount":"1.00"}"#, "missing_field");
        check(
            r#"{"id":1,"op":"transfer","amount":"1.00","to":"../1"}"#,
            "unknown_account",
        );
        check(r#"{"id":1,"op":"statement","limit":0}"#, "invalid_field");
        check(r#"{"id":1,"op":"statement","limit":301}"#, "invalid_field");
        check(
            r#"{"id":1,"op":"deposit","amount":"1.00","key":""}"#,
            "invalid_field",
        );
        let long = "k".repeat(65);
        check(
            &format!(r#"{{"id":1,"op":"deposit","amount":"1.00","key":"{long}"}}"#),
            "invalid_field",
        );
    }
}
