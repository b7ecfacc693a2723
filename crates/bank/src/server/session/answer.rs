//! What a request is answered, once it is durable.

use proto::{LineWriter, WireError, codes};

use crate::account::AccountId;
use crate::codes::{of_refusal, unavailable};
use crate::engine::{ExecuteError, Promise, StatementLine};
use crate::entry::Entry;
use crate::ledger::refusal_of;

/// What goes out once it is durable.
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) lamport: u64,
    pub(super) body: Promise<Body>,
}

pub(super) enum Body {
    /// What the account holds after this entry.
    Holding {
        balance: String,
        entry: u64,
    },
    LoggedIn {
        account: AccountId,
        holder: Box<str>,
    },
    Statement {
        lines: Vec<StatementLine>,
        more: bool,
    },
    PinChanged {
        entry: u64,
    },
    Nothing,
    Refused(WireError),
}

impl Body {
    pub(super) fn write(&self, lines: &mut Vec<u8>, lamport: u64, id: u64) {
        if let Self::Refused(error) = self {
            return LineWriter::error_reply(lines, lamport, id, error);
        }
        let ok = LineWriter::ok(lines, lamport, id);
        match self {
            Self::Holding { balance, entry } => ok.text("balance", balance).number("entry", *entry),
            Self::LoggedIn { account, holder } => {
                ok.text("account", &account.to_string()).text("holder", holder)
            }
            Self::Statement { lines, more } => ok.value("entries", lines).flag("more", *more),
            Self::PinChanged { entry } => ok.number("entry", *entry),
            Self::Nothing | Self::Refused(_) => ok,
        }
        .end();
    }
}

/// What became of a movement of money, as `entry` has it.
pub(super) fn told(entry: &Entry, account: AccountId) -> Body {
    refusal_of(entry).map_or_else(
        || holding(entry, account),
        |refusal| Body::Refused(of_refusal(refusal)),
    )
}

pub(super) fn holding(entry: &Entry, account: AccountId) -> Body {
    Body::Holding {
        balance: entry.balance_of(account).to_string(),
        entry: entry.number,
    }
}

pub(super) fn of_execute(error: ExecuteError) -> WireError {
    match error {
        ExecuteError::Refused(refusal) => of_refusal(refusal),
        ExecuteError::TooManyRefusals { wait } => WireError::new(codes::RATE_LIMITED, error.to_string())
            .with_hint(format!("try again in {} s", wait.as_secs() + 1)),
        ExecuteError::Unavailable(_) => unavailable(),
    }
}
