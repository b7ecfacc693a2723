//! Who may try another PIN. Pure.
//!
//! Wrong PINs are counted for each pair of account and address, and for each address altogether. Nothing is counted
//! for an account alone: a stranger elsewhere could lock its holder out. A try is paid for before the PIN is looked
//! at, so that many tries at once do not slip through, and paid back when the PIN was right. It is paid when its turn
//! to be looked at has come, not while it waits: a hundred people behind one address may log in at once.

use std::net::IpAddr;
use std::time::Duration;

use crate::debts::{Debts, Wait};
use crate::limits::{WRONG_PIN_FORGIVEN_AFTER, WRONG_PINS_REMEMBERED_MAX};

/// Counts wrong PINs. Times are distances from any fixed moment.
#[derive(Debug)]
pub(super) struct Guard {
    pairs: Debts<(String, Option<IpAddr>)>,
    addresses: Debts<Option<IpAddr>>,
}

impl Guard {
    pub(super) fn new(per_account: Option<u32>, per_address: Option<u32>) -> Self {
        Self {
            pairs: Debts::new(per_account, WRONG_PIN_FORGIVEN_AFTER, WRONG_PINS_REMEMBERED_MAX),
            addresses: Debts::new(per_address, WRONG_PIN_FORGIVEN_AFTER, WRONG_PINS_REMEMBERED_MAX),
        }
    }

    /// Whether a PIN for `account` may be tried. `account` is what was typed, be it an account or not.
    pub(super) fn may_try(&self, now: Duration, account: &str, address: Option<IpAddr>) -> Result<(), Wait> {
        self.pairs.may(now, &(account.to_owned(), address))?;
        self.addresses.may(now, &address)
    }

    /// Pays for a try.
    pub(super) fn try_pin(
        &mut self,
        now: Duration,
        account: &str,
        address: Option<IpAddr>,
    ) -> Result<(), Wait> {
        self.may_try(now, account, address)?;
        self.pairs.pay(now, (account.to_owned(), address));
        self.addresses.pay(now, address);
        Ok(())
    }

    /// Pays back a try: the PIN was right, or it was not looked at.
    pub(super) fn pay_back(&mut self, now: Duration, account: &str, address: Option<IpAddr>) {
        self.pairs.pay_back(now, (account.to_owned(), address));
        self.addresses.pay_back(now, address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn tries_run_out_for_one_address_and_not_for_another() {
        let mut guard = Guard::new(Some(3), Some(5));
        for _ in 0..3 {
            assert_eq!(guard.try_pin(at(0), "1", HERE), Ok(()));
        }
        assert_eq!(guard.try_pin(at(0), "1", HERE), Err(Wait(at(30))));
        assert_eq!(
            guard.try_pin(at(0), "1", THERE),
            Ok(()),
            "nobody is locked out by a stranger"
        );
        assert_eq!(guard.try_pin(at(0), "2", HERE), Ok(()));
        assert_eq!(guard.try_pin(at(0), "3", HERE), Ok(()));
        assert_eq!(
            guard.try_pin(at(0), "4", HERE),
            Err(Wait(at(30))),
            "five from one address"
        );
        assert_eq!(guard.try_pin(at(30), "1", HERE), Ok(()), "time forgives");
        assert_eq!(guard.try_pin(at(30), "1", HERE), Err(Wait(at(30))));
    }

    #[test]
    fn a_right_pin_costs_nothing() {
        let mut guard = Guard::new(Some(3), Some(3));
        for _ in 0..100 {
            assert_eq!(guard.try_pin(at(0), "1", HERE), Ok(()));
            guard.pay_back(at(0), "1", HERE);
        }
        assert!(guard.pairs.is_empty() && guard.addresses.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let mut guard = Guard::new(Some(3), None);
        for n in 0..WRONG_PINS_REMEMBERED_MAX + 10 {
            guard.try_pin(at(0), &n.to_string(), HERE).unwrap();
        }
        assert_eq!(guard.pairs.len(), WRONG_PINS_REMEMBERED_MAX);
        guard.try_pin(at(31), "x", HERE).unwrap();
        assert_eq!(guard.pairs.len(), 1);
        assert!(guard.addresses.is_empty(), "a lifted limit remembers nothing");
    }
}
