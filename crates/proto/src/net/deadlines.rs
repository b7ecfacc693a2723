//! When a connection must have done what: the handshake, signs of life, progress in writing.
//!
//! One timer rings at the earliest of all deadlines. It is not moved at every sign of life: when it rings too early,
//! nothing is due, and it is [armed](Deadlines::arm) anew.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::connection::ConnectionSettings;
use super::turn::Closed;

/// Without any deadline a look now and then does no harm.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// See the [module](self).
pub(super) struct Deadlines {
    settings: Arc<ConnectionSettings>,
    /// When the connection must be established, until it is.
    establish_by: Option<Instant>,
    heard_at: Instant,
    /// A ping was sent since something was heard.
    pinged: bool,
    timer: Pin<Box<Sleep>>,
}

/// What the time has come for.
pub(super) enum Due {
    /// To ask the peer for a sign of life.
    Ping,
    /// To end the connection.
    Close(Closed),
}

impl Deadlines {
    pub(super) fn new(settings: Arc<ConnectionSettings>) -> Self {
        let now = Instant::now();
        let mut deadlines = Self {
            establish_by: settings.handshake.map(|handshake| now + handshake),
            heard_at: now,
            pinged: false,
            timer: Box::pin(tokio::time::sleep_until(now)),
            settings,
        };
        deadlines.arm(None);
        deadlines
    }

    /// The handshake is done.
    pub(super) fn establish(&mut self) {
        self.establish_by = None;
    }

    /// Changes the bound on the time without progress in writing.
    pub(super) fn set_write_stall(&mut self, bound: Option<Duration>, stalled_for: Option<Duration>) {
        Arc::make_mut(&mut self.settings).write_stall = bound;
        self.arm(stalled_for);
    }

    /// Nothing was read, so nothing could be heard.
    pub(super) fn pardon_silence(&mut self) {
        self.heard_at = Instant::now();
    }

    /// The peer gave a sign of life.
    pub(super) fn heard(&mut self, stalled_for: impl FnOnce() -> Option<Duration>) {
        self.heard_at = Instant::now();
        if std::mem::take(&mut self.pinged) {
            // The timer waits for the end of a silence that is over.
            self.arm(stalled_for());
        }
    }

    /// The peer takes nothing for now: makes sure the timer rings when that has lasted too long.
    pub(super) fn mind_stall(&mut self) {
        if let Some(bound) = self.settings.write_stall {
            let deadline = Instant::now() + bound;
            if self.timer.deadline() > deadline {
                self.timer.as_mut().reset(deadline);
            }
        }
    }

    /// Ready when the timer has rung. Then [`due`](Self::due) says for what, and [`arm`](Self::arm) has to follow.
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll(cx)
    }

    /// What is due now, if anything; `stalled_for` is how long the peer has taken nothing of what is queued for it.
    pub(super) fn due(&mut self, stalled_for: Option<Duration>) -> Option<Due> {
        let now = Instant::now();
        let is_over = |bound: Option<Duration>, lasted: Duration| bound.is_some_and(|bound| lasted >= bound);
        let silence = now - self.heard_at;
        if self.establish_by.is_some_and(|deadline| deadline <= now) {
            Some(Due::Close(Closed::HandshakeTimedOut))
        } else if stalled_for.is_some_and(|stalled| is_over(self.settings.write_stall, stalled)) {
            Some(Due::Close(Closed::Slow))
        } else if is_over(self.settings.idle, silence) {
            Some(Due::Close(Closed::TimedOut))
        } else if is_over(self.settings.ping_interval, silence) && !self.pinged {
            self.pinged = true;
            Some(Due::Ping)
        } else {
            None
        }
    }

    /// Sets the timer to the earliest deadline.
    pub(super) fn arm(&mut self, stalled_for: Option<Duration>) {
        let now = Instant::now();
        let stall = self
            .settings
            .write_stall
            .zip(stalled_for)
            .map(|(bound, stalled)| now + (bound - stalled.min(bound)));
        let ping = self
            .settings
            .ping_interval
            .filter(|_| !self.pinged)
            .map(|interval| self.heard_at + interval);
        let idle = self.settings.idle.map(|bound| self.heard_at + bound);
        let next = [self.establish_by, stall, ping, idle].into_iter().flatten().min();
        self.timer.as_mut().reset(next.unwrap_or(now + LOOK_EVERY));
    }
}
