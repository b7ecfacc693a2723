//! The bank's own error codes.
//!
//! Where several apply the first of this order is told, after those of [`proto::codes`]: `not_logged_in`, then what is
//! missing or invalid, `invalid_amount`, `same_account`, `key_reused`, `unknown_account`, `insufficient_funds`,
//! `overflow`.

use proto::{Code, WireError};

use crate::ledger::Refusal;

/// The operation needs a login first.
pub const NOT_LOGGED_IN: Code = Code::new("not_logged_in");
/// There is no such account, or this is not its PIN; which of the two is not told.
pub const LOGIN_FAILED: Code = Code::new("login_failed");
/// The text is no PIN.
pub const INVALID_PIN: Code = Code::new("invalid_pin");
/// The text is no amount of money that can be moved.
pub const INVALID_AMOUNT: Code = Code::new("invalid_amount");
/// Money cannot be moved from an account to itself.
pub const SAME_ACCOUNT: Code = Code::new("same_account");
/// There is no account with this RG.
pub const UNKNOWN_ACCOUNT: Code = Code::new("unknown_account");
/// The idempotency key was used for another operation.
pub const KEY_REUSED: Code = Code::new("key_reused");
/// The account holds less than that.
pub const INSUFFICIENT_FUNDS: Code = Code::new("insufficient_funds");
/// A balance would be larger than an account can hold.
pub const OVERFLOW: Code = Code::new("overflow");
/// Too many PINs are being checked.
pub const BUSY: Code = Code::new("busy");
/// The storage failed. Whether the operation was done will be known after a restart.
pub const UNAVAILABLE: Code = Code::new("unavailable");

/// All of them, in order of precedence.
pub const ALL: [Code; 11] = [
    NOT_LOGGED_IN,
    LOGIN_FAILED,
    INVALID_PIN,
    INVALID_AMOUNT,
    SAME_ACCOUNT,
    KEY_REUSED,
    UNKNOWN_ACCOUNT,
    INSUFFICIENT_FUNDS,
    OVERFLOW,
    BUSY,
    UNAVAILABLE,
];

/// What a client is told of a refusal.
pub(crate) fn of_refusal(refusal: Refusal) -> WireError {
    let code = match refusal {
        Refusal::UnknownAccount(_) => UNKNOWN_ACCOUNT,
        Refusal::SameAccount(_) => SAME_ACCOUNT,
        Refusal::PinChanged => {
            return WireError::new(LOGIN_FAILED, refusal.to_string())
                .with_hint("give the new PIN as the old one");
        }
        Refusal::InsufficientFunds { .. } => INSUFFICIENT_FUNDS,
        Refusal::Overflow => OVERFLOW,
        // These two are told by the commands that open and close accounts; no request brings them about.
        Refusal::AccountExists(_) | Refusal::NotEmpty { .. } => proto::codes::INTERNAL,
    };
    WireError::new(code, refusal.to_string())
}

/// What a client is told when the store has failed.
pub(crate) fn unavailable() -> WireError {
    WireError::new(UNAVAILABLE, "the bank's storage does not take anything any more")
        .with_hint("connect again later and repeat the request with the same key")
}
