//! Ending in order: everybody is told, has a grace period to finish, and is cut off after it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Tells every task of a server to finish, and later to stop. Cloning is cheap; all clones are one.
///
/// Two steps: [`begin`](Self::begin) asks everybody to finish what they are at; [`cut_off`](Self::cut_off), after the
/// grace period, ends the connections that have not.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// The step reached, set before the tokens tell of it.
    step: Arc<AtomicU8>,
    begun: CancellationToken,
    cut_off: CancellationToken,
}

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Running,
    Begun,
    CutOff,
}

/// A connection's eye on a [`Shutdown`]. Looking costs one atomic load as long as nothing happens and the same task
/// looks, which matters to a thousand connections that share one shutdown.
#[derive(Debug)]
pub(super) struct Watch {
    step: Arc<AtomicU8>,
    begun: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_off: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whom the two futures will wake.
    task: Option<Waker>,
}

impl Watch {
    /// The step reached. The task of `cx` is woken at the next one.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Step {
        let step = self.step.load(Ordering::Acquire);
        let watched = self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if step == Step::Running as u8 && watched {
            return Step::Running;
        }
        self.task = Some(cx.waker().clone());
        if self.cut_off.as_mut().poll(cx).is_ready() {
            Step::CutOff
        } else if self.begun.as_mut().poll(cx).is_ready() {
            Step::Begun
        } else {
            Step::Running
        }
    }
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
        // Taken over before this returns: a signal that comes right after it must not end the process unasked.
        let mut signals = match Signals::take_over() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "cannot wait for signals");
                return shutdown;
            }
        };
        tokio::spawn(async move {
            let name = signals.next().await;
            tracing::info!(signal = name, "shutting down; a second signal ends at once");
            begins.begin();
            signals.next().await;
            std::process::exit(130);
        });
        shutdown
    }

    /// Asks everybody to finish.
    pub fn begin(&self) {
        self.step.fetch_max(Step::Begun as u8, Ordering::Release);
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
        self.begin();
        self.step.fetch_max(Step::CutOff as u8, Ordering::Release);
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

    pub(super) fn watch(&self) -> Watch {
        Watch {
            step: Arc::clone(&self.step),
            begun: Box::pin(self.begun.clone().cancelled_owned()),
            cut_off: Box::pin(self.cut_off.clone().cancelled_owned()),
            task: None,
        }
    }
}

/// The signals that ask for an end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn take_over() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Ctrl-C, where there are no signals.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn take_over() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
