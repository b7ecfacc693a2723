//! How the bank is, for whoever monitors it.

use std::sync::Arc;

use proto::net::Vitals;

use super::Server;
use super::shared::Shared;

impl Server {
    /// How the bank is, for a program that serves its own monitoring; a page has it already.
    #[must_use]
    pub fn vitals(&self) -> Arc<dyn Vitals> {
        Arc::new(Monitored(Arc::clone(&self.shared)))
    }
}

/// A bank that is asked how it is.
struct Monitored(Arc<Shared>);

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
