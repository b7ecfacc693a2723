//! Which entry an operation makes, or why it makes none.

use super::{Account, Ledger, Moment, Operation, Refusal};
use crate::account::AccountId;
use crate::amount::Balance;
use crate::entry::{Entry, EntryKind, KeyPrint};

impl Ledger {
    /// The entry that `operation` makes, not yet applied.
    pub(super) fn decide(
        &self,
        operation: &Operation,
        key: Option<KeyPrint>,
        moment: Moment,
    ) -> Result<Entry, Refusal> {
        let cash = (AccountId::CASH, self.cash, 0);
        let open = |id| {
            self.open_account(id)
                .map(|account| (id, account.balance, account.last_entry))
        };
        let (kind, debit, credit, amount) = match *operation {
            Operation::Open {
                account,
                ref holder,
                ref pin,
                balance,
            } => {
                if self.index.contains_key(&account) || account.is_cash() {
                    return Err(Refusal::AccountExists(account));
                }
                let kind = EntryKind::Opened {
                    holder: holder.clone(),
                    pin: pin.clone(),
                };
                (kind, cash, (account, Balance::ZERO, 0), balance)
            }
            Operation::Close(account) => {
                let credit = open(account)?;
                if credit.1 != Balance::ZERO {
                    return Err(Refusal::NotEmpty { holds: credit.1 });
                }
                (EntryKind::Closed, cash, credit, None)
            }
            Operation::ChangePin {
                account,
                ref former,
                ref pin,
            } => {
                if self.open_account(account)?.pin != *former {
                    return Err(Refusal::PinChanged);
                }
                let kind = EntryKind::PinChanged { pin: pin.clone() };
                (kind, cash, open(account)?, None)
            }
            Operation::Deposit(account, amount) => (EntryKind::Deposit, cash, open(account)?, Some(amount)),
            Operation::Withdraw(account, amount) => {
                (EntryKind::Withdrawal, open(account)?, cash, Some(amount))
            }
            Operation::Transfer { from, to, amount } => {
                if from == to {
                    return Err(Refusal::SameAccount(from));
                }
                (EntryKind::Transfer, open(from)?, open(to)?, Some(amount))
            }
        };
        let (debit_after, credit_after) = match amount {
            None => (debit.1, credit.1),
            Some(amount) => {
                let debit_after = debit.1.minus(amount).ok_or(Refusal::Overflow)?;
                if debit_after < Balance::ZERO && !debit.0.is_cash() {
                    return Err(Refusal::InsufficientFunds { holds: debit.1 });
                }
                (debit_after, credit.1.plus(amount).ok_or(Refusal::Overflow)?)
            }
        };
        Ok(Entry {
            number: self.last_entry + 1,
            at: moment.at,
            lamport: moment.lamport,
            kind,
            debit: debit.0,
            credit: credit.0,
            amount,
            debit_after,
            credit_after,
            debit_previous: debit.2,
            credit_previous: credit.2,
            key,
        })
    }

    fn open_account(&self, id: AccountId) -> Result<&Account, Refusal> {
        let account = self.slot(id).map(|slot| self.account(slot));
        account
            .filter(|account| !account.closed)
            .ok_or(Refusal::UnknownAccount(id))
    }
}
