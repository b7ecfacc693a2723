//! How the bank is, for whoever monitors it.

use std::sync::Arc;

use proto::net::web::Vitals;

use super::shared::Shared;

/// A bank that is asked how it is.
pub(super) struct Monitored(pub(super) Arc<Shared>);

impl Vitals for Monitored {
    fn ailment(&self) -> Option<String> {
        self.0.bank.has_failed().then(|| {
            "the storage failed: nothing is acknowledged any more; hint: restart the bank".to_owned()
        })
    }

    fn measure(&self) {
        let Shared {
            bank, clock, pins, ..
        } = &*self.0;
        metrics::gauge!("bank_lamport_time").set(clock.now() as f64);
        metrics::gauge!("bank_accounts").set(bank.accounts() as f64);
        metrics::gauge!("bank_entries").set(bank.last_entry() as f64);
        metrics::gauge!("bank_pins_waiting").set(pins.waiting() as f64);
    }
}
