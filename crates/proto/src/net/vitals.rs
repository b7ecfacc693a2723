//! How a service is, for whoever monitors it.

/// What a service tells of itself when monitoring asks.
///
/// A server's page asks it for `/healthz` and `/metrics`; a program with an HTTP server of its own asks it there, and renders what
/// its recorder of the [`metrics`](https://docs.rs/metrics) crate has.
pub trait Vitals: Send + Sync {
    /// Why the service must not be used any more, if so.
    fn ailment(&self) -> Option<String> {
        None
    }

    /// Sets the gauges that nothing else sets. Called before the metrics are rendered.
    fn measure(&self) {}
}
