//! Applying an entry, decided a moment ago or read from the journal: everything it states is checked.

use std::sync::Arc;

use super::{Account, Ledger, ReplayError, Slot};
use crate::account::AccountId;
use crate::amount::{Amount, Balance};
use crate::entry::{Entry, EntryKind};

impl Ledger {
    /// Applies an entry that was decided on a ledger like this one, checking all it states.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] names what does not follow; the ledger may then be half changed and must be dropped.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        let fail = |what| {
            Err(ReplayError {
                number: entry.number,
                what,
            })
        };
        if entry.number != self.last_entry + 1 {
            return fail("its number is not the next");
        }
        if let EntryKind::Refused { asked, .. } = entry.kind {
            self.check_refused(entry, asked)?;
            return self.note(entry);
        }
        if let EntryKind::Opened { holder, pin } = &entry.kind {
            let slot = Slot(u32::try_from(self.accounts.len()).expect("memory ends before slots do"));
            if entry.credit.is_cash()
                || Arc::make_mut(&mut self.index)
                    .insert(entry.credit, slot)
                    .is_some()
            {
                return fail("it opens an account that is there");
            }
            self.accounts.push(Account {
                id: entry.credit,
                holder: holder.clone(),
                balance: Balance::ZERO,
                last_entry: 0,
                pin: pin.clone(),
                closed: false,
            });
        }
        let debit_ok = self.post(
            entry.debit,
            entry,
            entry.debit_previous,
            entry.debit_after,
            Balance::minus,
        );
        let credit_ok = self.post(
            entry.credit,
            entry,
            entry.credit_previous,
            entry.credit_after,
            Balance::plus,
        );
        if entry.debit == entry.credit || !debit_ok || !credit_ok {
            return fail("a balance, an account or a link to an earlier entry is wrong");
        }
        match &entry.kind {
            EntryKind::Closed if entry.credit_after != Balance::ZERO => {
                return fail("it closes an account with money");
            }
            EntryKind::Closed => self.account_mut(entry.credit).closed = true,
            EntryKind::PinChanged { pin } => self.account_mut(entry.credit).pin = pin.clone(),
            EntryKind::Opened { .. }
            | EntryKind::Deposit
            | EntryKind::Withdrawal
            | EntryKind::Transfer
            | EntryKind::Refused { .. } => {}
        }
        self.note(entry)
    }

    /// Takes note of an entry's key, number and time.
    fn note(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        if let Some(key) = entry.key
            && self.keys.insert(key, entry.number).is_some()
        {
            return Err(ReplayError {
                number: entry.number,
                what: "its idempotency key was used before",
            });
        }
        self.last_entry = entry.number;
        self.lamport = self.lamport.max(entry.lamport);
        Ok(())
    }

    /// Posts one side of `entry`. False if what it states is not so.
    fn post(
        &mut self,
        id: AccountId,
        entry: &Entry,
        previous: u64,
        after: Balance,
        change: impl Fn(Balance, Amount) -> Option<Balance>,
    ) -> bool {
        let changed =
            |before| entry.amount.map_or(Some(before), |amount| change(before, amount)) == Some(after);
        if id.is_cash() {
            let ok = previous == 0 && changed(self.cash);
            self.cash = after;
            return ok;
        }
        let Some(slot) = self.slot(id) else { return false };
        let account = &mut self.accounts[slot.0 as usize];
        let ok = !account.closed
            && account.last_entry == previous
            && changed(account.balance)
            && after >= Balance::ZERO;
        account.balance = after;
        account.last_entry = entry.number;
        ok
    }

    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        let slot = self.slot(id).expect("posting found the account");
        &mut self.accounts[slot.0 as usize]
    }
}
