//! Ending in order: everybody is told, has a grace period to finish, and is cut off after it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Tells every task of a server to finish, and later to stop. Cloning is cheap; all clones are one.
///
/// Two steps: [`begin`](Self::begin) asks everybody to finish what they are at; [`cut_off`](Self::cut_off), after the
/// grace period, ends the connections that have not.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    cut_off: CancellationToken,
}

impl Shutdown {
    /// A shutdown that nobody has asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that begins at SIGINT or SIGTERM (at Ctrl-C where there are no signals). A second signal ends the
    /// process at once, with exit code 130.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn at_signals() -> Self {
        let shutdown = Self::new();
        let begins = shutdown.clone();
        tokio::spawn(async move {
            match signal().await {
                Ok(name) => tracing::info!(signal = name, "shutting down; a second signal ends at once"),
                Err(error) => return tracing::error!(%error, "cannot wait for signals"),
            }
            begins.begin();
            if signal().await.is_ok() {
                std::process::exit(130);
            }
        });
        shutdown
    }

    /// Asks everybody to finish.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Whether everybody was asked to finish.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Waits until everybody is asked to finish. Cancel safe.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Ends the connections that have not finished.
    pub fn cut_off(&self) {
        self.begun.cancel();
        self.cut_off.cancel();
    }

    /// Begins, waits for `everybody` up to `grace`, cuts off the rest and waits for them too. True when nobody had to
    /// be cut off.
    pub async fn finish(&self, grace: Duration, everybody: impl Future<Output = ()>) -> bool {
        self.begin();
        tokio::pin!(everybody);
        if tokio::time::timeout(grace, &mut everybody).await.is_ok() {
            return true;
        }
        self.cut_off();
        everybody.await;
        false
    }

    pub(super) fn tokens(&self) -> (CancellationToken, CancellationToken) {
        (self.begun.clone(), self.cut_off.clone())
    }
}

#[cfg(unix)]
async fn signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}
