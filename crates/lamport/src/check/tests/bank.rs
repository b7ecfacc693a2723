//! The rules of the bank.

use super::*;

pub(super) const BANK: &str = "
    atm  1  send    c/1     deposit
    bank 2  receive c/1     deposit
    bank 3  send    bank@3  deposit  account='1 amount=10000 balance=11000 entry=1 account=cash amount=-10000 entry=1
    atm  4  receive bank@3  deposit  account='1 balance=11000 entry=1
    atm  5  send    c/2     transfer
    bank 6  receive c/2     transfer
    bank 7  send    bank@7  transfer account='1 amount=-2000 balance=9000 entry=2 account='2 amount=2000 balance=3000 entry=2
    atm  8  receive bank@7  transfer account='1 balance=9000 entry=2
    atm  9  send    c/3     balance
    bank 10 receive c/3     balance
    bank 11 send    bank@11 balance  account='1 balance=9000
    atm  12 receive bank@11 balance  account='1 balance=9000
    atm  13 send    c/4     transfer
    bank 14 receive c/4     transfer
    bank 15 send    bank@15 repeated account='1 balance=9000 entry=2 repeated=1
    atm  16 receive bank@15 repeated account='1 balance=9000 entry=2
    bank 17 local   -       withdraw account='1 amount=-9000 balance=0 entry=3 account=cash amount=9000 entry=3";

#[track_caller]
pub(super) fn check_bank(from: &str, to: &str, rule: Rule, events: usize) {
    check_broken(
        &doctor(BANK, from, to),
        Service::Bank,
        Options::default(),
        rule,
        events,
    );
}

#[test]
fn the_legs_must_sum_to_zero() {
    check_bank(
        "account='2 amount=2000 balance=3000",
        "account='2 amount=1999 balance=2999",
        Rule::BankConserves,
        1,
    );
}

#[test]
fn the_entries_of_an_account_must_grow() {
    check_bank("balance=0 entry=3", "balance=0 entry=1", Rule::BankOrder, 2);
}

#[test]
fn a_balance_must_follow_from_the_one_before() {
    check_bank(
        "amount=-9000 balance=0",
        "amount=-9000 balance=1",
        Rule::BankBalance,
        2,
    );
    check_bank(
        "send    bank@11 balance  account='1 balance=9000",
        "send    bank@11 balance  account='1 balance=9001",
        Rule::BankBalance,
        2,
    );
}

#[test]
fn no_account_must_be_overdrawn() {
    let script = doctor(BANK, "amount=-9000 balance=0", "amount=-9001 balance=-1");
    let script = doctor(&script, "account=cash amount=9000", "account=cash amount=9001");
    check_broken(&script, Service::Bank, Options::default(), Rule::BankCovered, 1);
}

#[test]
fn an_acknowledgement_must_be_in_the_journal() {
    check_bank(
        "atm  8  receive bank@7  transfer account='1 balance=9000",
        "atm  8  receive bank@7  transfer account='1 balance=9900",
        Rule::BankAcknowledged,
        2,
    );
    check_bank(
        "atm  16 receive bank@15 repeated account='1 balance=9000 entry=2",
        "atm 16 receive bank@15 repeated account='1 balance=9000 entry=9",
        Rule::BankAcknowledged,
        1,
    );
}

#[test]
fn a_balance_from_before_the_trace_is_unproved() {
    let earlier = doctor(
        BANK,
        "atm  12 receive bank@11 balance  account='1 balance=9000",
        "atm  12 receive bank@11 balance  account='1 balance=9000 entry=0",
    );
    let report = run(&earlier, Service::Bank, Options::default()).unwrap();
    assert_eq!(report.unproved.len(), 1, "{:?}", report.unproved);
}
