//! What the sessions share: the bank, the clock, and the stamps of what they send.

use std::sync::atomic::AtomicU64;

use lamport::trace::facts::{self, Fact, fact};
use lamport::trace::{Event, Here, SharedTracer};
use proto::net::ServerClock;

use super::pins::Pins;
use crate::account::AccountId;
use crate::amount::Balance;
use crate::engine::{Bank, Holding};
use crate::entry::Entry;

/// What a session needs of its server.
pub(super) struct Shared {
    pub(super) bank: Bank,
    pub(super) clock: ServerClock,
    pub(super) pins: Pins,
    pub(super) tracer: SharedTracer,
    /// Numbers the connections: who is served first where Lamport times are equal.
    pub(super) clients: AtomicU64,
}

impl Shared {
    /// Stamps the reply that tells of an entry, and records what it did.
    pub(super) fn send_entry(&self, here: Here, entry: &Entry) -> u64 {
        if !self.tracer.is_on() {
            return self.send(here, "", &[]);
        }
        let amount = entry.amount.map_or(0, |amount| amount.minor());
        let mut texts = [itoa::Buffer::new(), itoa::Buffer::new()];
        let [debit, credit] = &mut texts;
        let number = entry.number as i64;
        let of = |account, amount, balance: Balance| {
            [
                fact(facts::ACCOUNT, account),
                fact(facts::AMOUNT, amount),
                fact(facts::BALANCE, balance.minor()),
                fact(facts::ENTRY, number),
            ]
        };
        let legs = [
            of(entry.debit.text(debit), -amount, entry.debit_after),
            of(entry.credit.text(credit), amount, entry.credit_after),
        ];
        self.send(here, "reply", legs.as_flattened())
    }

    /// Stamps a reply that tells what an account holds, and records it.
    pub(super) fn send_holding(
        &self,
        here: Here,
        account: AccountId,
        held: Holding,
        more: &[Fact<'_>],
    ) -> u64 {
        if !self.tracer.is_on() {
            return self.send(here, "", &[]);
        }
        let mut text = itoa::Buffer::new();
        let mut told = vec![
            fact(facts::ACCOUNT, account.text(&mut text)),
            fact(facts::BALANCE, held.balance.minor()),
        ];
        if !more.is_empty() {
            told.push(fact(facts::ENTRY, held.entry as i64));
            told.extend_from_slice(more);
        }
        self.send(here, "reply", &told)
    }

    /// Ticks the clock for a send to a client and records it.
    pub(super) fn send(&self, here: Here, label: &str, told: &[Fact<'_>]) -> u64 {
        let stamped = self
            .tracer
            .stamped(here, || self.clock.tick(), &Event::send(label, told));
        // A clock at its end can only stay there; clients refuse what it stamps.
        stamped.unwrap_or(lamport::TIME_MAX)
    }
}
