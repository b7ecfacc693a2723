//! How the hub is, for whoever monitors it.

use std::sync::Arc;

use proto::net::Vitals;

use super::Server;
use super::session::Shared;

impl Server {
    /// How the hub is, for a program that serves its own monitoring; a page has it already.
    #[must_use]
    pub fn vitals(&self) -> Arc<dyn Vitals> {
        Arc::new(Monitored(Arc::clone(&self.shared)))
    }
}

/// A hub that is asked how it is. It can be used for as long as it runs: without its storage, too.
struct Monitored(Arc<Shared>);

impl Vitals for Monitored {
    fn measure(&self) {
        metrics::gauge!("chat_lamport_time").set(self.0.core.clock.now() as f64);
    }
}
