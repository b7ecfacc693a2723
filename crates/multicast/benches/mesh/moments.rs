//! When a member sends that does not send flat out: the same moments whatever mesh it is a member of.
//!
//! A thread waits for them, because a runtime's timers go in steps of a millisecond, and begin to wait when the runtime has nothing
//! else to do: members that last heard each other would all send at the same moment, again and again, and each find the others
//! sending.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::tally::MEMBERS;

/// How far each member's moment moves on from one interval to the next, in intervals. The fractions of multiples of such numbers are
/// spread evenly and have nothing to do with each other, like the moments at which independent senders send.
const STRIDES: [f64; MEMBERS] = [
    std::f64::consts::SQRT_2,
    1.732_050_807_568_877_2,
    2.236_067_977_499_79,
];

/// In each of `count` intervals from `began` one moment, anywhere in it.
pub(crate) fn spread(
    index: usize,
    began: Instant,
    interval: Duration,
    count: u32,
) -> impl Iterator<Item = Instant> + Send + use<> {
    (0..count).map(move |n| began + interval * n + interval.mul_f64((f64::from(n) * STRIDES[index]).fract()))
}

/// Moments to come, in ascending order.
pub(crate) enum Moments {
    /// The sender's own thread waits for them.
    Own(Box<dyn Iterator<Item = Instant> + Send>),
    /// Another thread does, and wakes the sender's task.
    Told(mpsc::Receiver<()>),
}

impl Moments {
    /// The moments of `schedule`, for a task or for a thread that may block.
    pub(crate) fn of(schedule: impl Iterator<Item = Instant> + Send + 'static, is_task: bool) -> Self {
        if !is_task {
            return Self::Own(Box::new(schedule));
        }
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            for moment in schedule {
                wait_until(moment);
                if sender.blocking_send(()).is_err() {
                    return;
                }
            }
        });
        Self::Told(receiver)
    }

    /// Waits for the next moment, not at all if that has passed. False when there are no more.
    pub(crate) async fn next(&mut self) -> bool {
        match self {
            Self::Own(schedule) => schedule.next().map(wait_until).is_some(),
            Self::Told(moments) => moments.recv().await.is_some(),
        }
    }
}

fn wait_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}
