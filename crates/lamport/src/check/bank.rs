//! Rules of the bank: double entry, each account's order and balance, nobody overdrawn, and no answer that the journal
//! does not bear out.

use super::numbered::Numbered;
use super::{Names, Place, Report, Rule, Run, Seen, Violation};
use crate::trace::facts::{self, ACCOUNT, AMOUNT, BALANCE, CASH, ENTRY, REPEATED};
use crate::trace::{Fact, Kind, Value};

#[derive(Debug, Default)]
pub(super) struct Bank {
    names: Names,
    accounts: Vec<Account>,
    /// What clients were told before the bank's own event was read.
    early: Vec<Claim>,
}

#[derive(Debug, Default)]
struct Account {
    /// The balance now; not known before the first leg, nor for the cash account if the bank leaves it out.
    now: Option<State>,
    /// What the trace begins with: entries before it were applied by an earlier run of the bank.
    first_entry: Option<u64>,
    last_entry: Option<(u64, Place)>,
    /// By entry: the balance after it.
    entries: Numbered<(i64, Place)>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    balance: i64,
    place: Place,
    epoch: u32,
}

/// A client says that an entry left this balance.
#[derive(Debug, Clone, Copy)]
struct Claim {
    account: u32,
    entry: u64,
    balance: i64,
    place: Place,
}

/// A group of facts, read.
struct Told<'f> {
    account: &'f str,
    amount: Option<i64>,
    balance: Option<i64>,
    entry: Option<u64>,
    repeated: bool,
}

impl Bank {
    pub(super) fn event(&mut self, seen: &Seen<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        let (mut legs, mut sum) = (0, 0i128);
        for group in facts::groups(&seen.event.facts) {
            let told = Told::read(group).ok_or_else(|| seen.lacks(ACCOUNT))?;
            let account = self.names.number(told.account);
            if self.accounts.len() <= account as usize {
                self.accounts.resize_with(account as usize + 1, Account::default);
            }
            report.test(Rule::FactsAreWhole);
            match told.amount {
                _ if seen.event.kind == Kind::Receive => self.claim(seen, account, &told, report)?,
                Some(amount) => {
                    legs += 1;
                    sum += i128::from(amount);
                    self.leg(seen, account, &told, amount, report)?;
                }
                None if told.repeated => self.claim(seen, account, &told, report)?,
                None => {
                    report.test(Rule::BankBalance);
                    self.read(seen, account, &told)?;
                }
            }
        }
        if legs > 0 {
            report.test(Rule::BankConserves);
        }
        if sum != 0 {
            return Err(Violation::new(
                Rule::BankConserves,
                format!("the legs sum to {} instead of zero", money(sum)),
                [(seen.place, seen.describe())],
            ));
        }
        Ok(())
    }

    pub(super) fn finish(&self, run: &Run<'_>, report: &mut Report) -> Result<(), Box<Violation>> {
        let whole = run.complete.iter().all(|complete| *complete);
        for claim in &self.early {
            let account = &self.accounts[claim.account as usize];
            match account.entries.get(claim.entry) {
                Some(&entry) => {
                    report.test(Rule::BankAcknowledged);
                    self.compare(claim, entry)?;
                }
                None if whole && account.first_entry.is_some_and(|first| first < claim.entry) => {
                    let name = self.names.text(claim.account);
                    return Err(Violation::new(
                        Rule::BankAcknowledged,
                        format!(
                            "entry {} of account {name} was acknowledged, and the bank never applied it",
                            claim.entry
                        ),
                        [(claim.place, "the acknowledgement".to_owned())],
                    ));
                }
                None => report.unproved("acknowledged entries that the bank's trace does not hold"),
            }
        }
        Ok(())
    }

    /// The bank applies a leg of an operation.
    fn leg(
        &mut self,
        seen: &Seen<'_>,
        number: u32,
        told: &Told<'_>,
        amount: i64,
        report: &mut Report,
    ) -> Result<(), Box<Violation>> {
        report.test(Rule::BankOrder);
        let account = &mut self.accounts[number as usize];
        let here = || (seen.place, seen.describe());
        let entry = told.entry.ok_or_else(|| seen.lacks(ENTRY))?;
        if let Some((last, place)) = account.last_entry
            && entry <= last
        {
            return Err(Violation::new(
                Rule::BankOrder,
                format!("on account {} entry {entry} follows {last}", told.account),
                [(place, format!("entry {last}")), here()],
            ));
        }
        account.first_entry.get_or_insert(entry);
        account.last_entry = Some((entry, seen.place));
        let Some(balance) = told.balance else {
            return if told.account == CASH {
                Ok(())
            } else {
                Err(seen.lacks(BALANCE))
            };
        };
        if told.account != CASH {
            report.test(Rule::BankBalance);
            report.test(Rule::BankCovered);
        }
        if let Some(before) = account.now
            && before.epoch == seen.epoch
            && before.balance.checked_add(amount) != Some(balance)
        {
            return Err(Violation::new(
                Rule::BankBalance,
                format!(
                    "account {} holds {} after {} and {}",
                    told.account,
                    money(balance.into()),
                    money(before.balance.into()),
                    money(amount.into())
                ),
                [
                    (
                        before.place,
                        format!("the balance {}", money(before.balance.into())),
                    ),
                    here(),
                ],
            ));
        }
        if balance < 0 && told.account != CASH {
            return Err(Violation::new(
                Rule::BankCovered,
                format!("account {} holds {}", told.account, money(balance.into())),
                [here()],
            ));
        }
        account.now = Some(State {
            balance,
            place: seen.place,
            epoch: seen.epoch,
        });
        account
            .entries
            .insert(entry, (balance, seen.place))
            .expect("entries of an account grow, as just checked");
        Ok(())
    }

    /// The bank answers with a balance: it is the one that the last leg left.
    fn read(&mut self, seen: &Seen<'_>, number: u32, told: &Told<'_>) -> Result<(), Box<Violation>> {
        let balance = told.balance.ok_or_else(|| seen.lacks(BALANCE))?;
        let account = &mut self.accounts[number as usize];
        match account.now {
            Some(state) if state.epoch == seen.epoch && state.balance != balance => Err(Violation::new(
                Rule::BankBalance,
                format!(
                    "account {} holds {} and is answered with {}",
                    told.account,
                    money(state.balance.into()),
                    money(balance.into())
                ),
                [
                    (
                        state.place,
                        format!("the balance {}", money(state.balance.into())),
                    ),
                    (seen.place, seen.describe()),
                ],
            )),
            Some(state) if state.epoch == seen.epoch => Ok(()),
            _ => {
                account.now = Some(State {
                    balance,
                    place: seen.place,
                    epoch: seen.epoch,
                });
                Ok(())
            }
        }
    }

    /// Somebody was told of an entry; it is one the bank applied.
    fn claim(
        &mut self,
        seen: &Seen<'_>,
        account: u32,
        told: &Told<'_>,
        report: &mut Report,
    ) -> Result<(), Box<Violation>> {
        // An answer without an entry is a balance at some time before: nothing to compare it with.
        let (Some(entry), Some(balance)) = (told.entry, told.balance) else {
            return Ok(());
        };
        let claim = Claim {
            account,
            entry,
            balance,
            place: seen.place,
        };
        match self.accounts[account as usize].entries.get(entry) {
            Some(&known) => {
                report.test(Rule::BankAcknowledged);
                self.compare(&claim, known)
            }
            None => {
                self.early.push(claim);
                Ok(())
            }
        }
    }

    fn compare(&self, claim: &Claim, (balance, place): (i64, Place)) -> Result<(), Box<Violation>> {
        if claim.balance == balance {
            return Ok(());
        }
        let name = self.names.text(claim.account);
        Err(Violation::new(
            Rule::BankAcknowledged,
            format!(
                "entry {} left account {name} with {}, and was acknowledged with {}",
                claim.entry,
                money(balance.into()),
                money(claim.balance.into())
            ),
            [
                (place, format!("entry {}", claim.entry)),
                (claim.place, "the acknowledgement".to_owned()),
            ],
        ))
    }
}

impl<'f> Told<'f> {
    fn read(group: &'f [Fact<'_>]) -> Option<Self> {
        let [(opening, account), rest @ ..] = group else {
            return None;
        };
        let account = account.text().filter(|_| opening == ACCOUNT)?;
        let mut told = Self {
            account,
            amount: None,
            balance: None,
            entry: None,
            repeated: false,
        };
        for (key, value) in rest {
            match (&**key, value) {
                (AMOUNT, Value::Integer(amount)) => told.amount = Some(*amount),
                (BALANCE, Value::Integer(balance)) => told.balance = Some(*balance),
                (ENTRY, Value::Integer(entry)) => told.entry = u64::try_from(*entry).ok(),
                (REPEATED, _) => told.repeated = true,
                _ => {}
            }
        }
        Some(told)
    }
}

/// Minor units as people read them.
fn money(minor: i128) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
}
