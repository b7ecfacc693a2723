//! What a member sends: flat out, or at a steady rate.
//!
//! A generator runs where a program of its mesh's kind would send: for the minimal mesh on a thread, which blocks, and for the group
//! in a task of its runtime, because a program that uses the library is an asynchronous one. [When](crate::moments) it sends
//! is the same for both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;

use crate::group::Joined;
use crate::member::{Answer, Frames};
use crate::minimal::Minimal;
use crate::moments::{self, Moments};
use crate::payload::{self, PAYLOAD_BYTES, now_ns};
use crate::tally::Tally;

/// Messages encoded between two flushes when sending flat out; about 40 KiB of lines.
const BURST: usize = 256;

/// What a member can do with its mesh.
pub(crate) trait Broadcaster: Send {
    /// Takes a message, which leaves with the next flush.
    fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]);
    /// Sends what was taken.
    fn flush(&mut self) -> BoxFuture<'_, anyhow::Result<()>>;
    /// The runtime whose task a generator is, if it is one.
    fn runtime(&self) -> Option<Handle>;
    fn frames(&mut self) -> Option<Frames>;
    /// All is done.
    fn close(&mut self) -> anyhow::Result<()>;
}

impl Broadcaster for Minimal {
    fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]) {
        Self::broadcast(self, payload);
    }

    fn flush(&mut self) -> BoxFuture<'_, anyhow::Result<()>> {
        std::future::ready(Self::flush(self).map_err(Into::into)).boxed()
    }

    fn runtime(&self) -> Option<Handle> {
        None
    }

    fn frames(&mut self) -> Option<Frames> {
        None
    }

    fn close(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Broadcaster for Joined {
    fn broadcast(&mut self, payload: &[u8; PAYLOAD_BYTES]) {
        Self::broadcast(self, payload);
    }

    fn flush(&mut self) -> BoxFuture<'_, anyhow::Result<()>> {
        Self::flush(self).boxed()
    }

    fn runtime(&self) -> Option<Handle> {
        Some(Self::runtime(self))
    }

    fn frames(&mut self) -> Option<Frames> {
        Self::frames(self)
    }

    fn close(&mut self) -> anyhow::Result<()> {
        Self::close(self)
    }
}

/// The messages of one member, numbered.
pub(crate) struct Generator {
    /// Which member it is.
    index: usize,
    /// The number of the last message sent.
    number: u64,
    tally: Arc<Tally>,
    pub(crate) broadcaster: Box<dyn Broadcaster>,
}

impl Generator {
    pub(crate) fn new(index: usize, broadcaster: Box<dyn Broadcaster>, tally: Arc<Tally>) -> Self {
        Self {
            index,
            number: 0,
            tally,
            broadcaster,
        }
    }

    /// Sends for `duration` or so many messages, whichever comes first, with no pause, or in bursts at a pace of so many a second.
    pub(crate) fn flat(
        self,
        duration: Duration,
        messages: u64,
        pace: Option<u32>,
    ) -> anyhow::Result<(Self, Answer)> {
        self.run(move |mut generator| {
            async move {
                let said = generator.send_flat(duration, messages, pace).await?;
                Ok((generator, said))
            }
            .boxed()
        })
    }

    /// Sends at a steady rate for `duration`.
    pub(crate) fn steady(self, per_second: u32, duration: Duration) -> anyhow::Result<(Self, Answer)> {
        self.run(move |mut generator| {
            async move {
                let said = generator.send_steady(per_second, duration).await?;
                Ok((generator, said))
            }
            .boxed()
        })
    }

    fn run(
        self,
        work: impl FnOnce(Self) -> BoxFuture<'static, anyhow::Result<(Self, Answer)>>,
    ) -> anyhow::Result<(Self, Answer)> {
        match self.broadcaster.runtime() {
            None => futures::executor::block_on(work(self)),
            Some(runtime) => runtime.block_on(runtime.spawn(work(self)))?,
        }
    }

    async fn send_flat(
        &mut self,
        duration: Duration,
        messages: u64,
        pace: Option<u32>,
    ) -> anyhow::Result<Answer> {
        let mut payload = payload::blank();
        let began_ns = now_ns();
        let began = Instant::now();
        let bursts = |pace: u32| {
            let due = move |n: u32| f64::from(n) * BURST as f64 / f64::from(pace.max(1));
            (1..).map(move |n| began + Duration::from_secs_f64(due(n)))
        };
        let mut pauses = pace.map(|pace| self.moments(bursts(pace)));
        let end = began + duration;
        let last = self.number.saturating_add(messages);
        while self.number < last && Instant::now() < end {
            for _ in 0..BURST.min((last - self.number) as usize) {
                self.number += 1;
                payload::fill(&mut payload, self.number, 0);
                self.broadcaster.broadcast(&payload);
            }
            self.broadcaster.flush().await?;
            if let Some(pauses) = &mut pauses {
                pauses.next().await;
            }
        }
        self.tally.look();
        Ok(Answer::Sent {
            total: self.number,
            began_ns,
            sent_ns: Vec::new(),
        })
    }

    async fn send_steady(&mut self, per_second: u32, duration: Duration) -> anyhow::Result<Answer> {
        let mut payload = payload::blank();
        let mut sent_ns = Vec::new();
        let began_ns = now_ns();
        let began = Instant::now();
        let interval = Duration::from_secs(1) / per_second.max(1);
        let count = if per_second == 0 {
            0
        } else {
            (duration.as_secs_f64() * f64::from(per_second)) as u32
        };
        let mut moments = self.moments(moments::spread(self.index, began, interval, count));
        while moments.next().await {
            self.number += 1;
            let now = now_ns();
            payload::fill(&mut payload, self.number, now);
            sent_ns.push((self.number, now));
            self.broadcaster.broadcast(&payload);
            self.broadcaster.flush().await?;
        }
        Ok(Answer::Sent {
            total: self.number,
            began_ns,
            sent_ns,
        })
    }

    fn moments(&self, schedule: impl Iterator<Item = Instant> + Send + 'static) -> Moments {
        Moments::of(schedule, self.broadcaster.runtime().is_some())
    }
}
