//! The thread that writes, and who waits for it.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::lanes::{Collector, Lanes, Wants};
use super::queue::Queue;
use crate::trace::event::{Event, Record, Summary};
use crate::trace::limits::LINGER;
use crate::trace::short::{Context, Numbers, Shortener};

/// The queue and the thread that empties it; the last owner waits for the thread.
pub(super) struct Recorder {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Processes that record here.
    sources: AtomicU32,
    numbers: Numbers,
}

struct Shared {
    queue: Mutex<Queue>,
    /// What is recorded beside the queue.
    lanes: Mutex<Vec<Arc<Lanes>>>,
    /// Wakes the writer.
    work: Condvar,
}

impl Recorder {
    /// Starts the thread.
    pub(super) fn start(sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let numbers = Numbers::default();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(numbers.clone())),
            lanes: Mutex::default(),
            work: Condvar::new(),
        });
        let writer = std::thread::Builder::new().name("trace".to_owned()).spawn({
            let shared = shared.clone();
            move || shared.write_out(sink)
        })?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some(writer)),
            sources: AtomicU32::new(0),
            numbers,
        })
    }

    /// A number for another process that records here.
    pub(super) fn add_source(&self) -> u32 {
        self.sources.fetch_add(1, Ordering::Relaxed)
    }

    /// What an owner of its own needs to write here.
    pub(super) fn add_shortener(&self) -> Shortener {
        Shortener::new(self.numbers.clone())
    }

    /// Lanes for a process that records here.
    pub(super) fn add_lanes(&self) -> Arc<Lanes> {
        let lanes = Arc::new(Lanes::new(|| self.add_shortener()));
        let mut all = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(lanes.clone());
        lanes
    }

    /// Sees to it that a lane gets what it wants.
    #[inline]
    pub(super) fn collect_for(&self, wants: Wants) {
        if wants != Wants::Nothing {
            self.lock().lanes_want(wants);
            self.shared.work.notify_one();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.lock()
    }

    /// Events told so far, and those of them that were dropped.
    pub(super) fn summary(&self) -> Summary {
        let mut all = self.lock().summary;
        let lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().for_each(|lanes| all += lanes.summary());
        all
    }

    /// Adds an event to the queue that the caller holds, and lets go of it.
    pub(super) fn append(
        &self,
        mut queue: MutexGuard<'_, Queue>,
        from: &Context,
        time: u64,
        at_us: u64,
        event: &Event<'_>,
    ) {
        let wake = queue.append(from, time, at_us, event);
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// Adds the lines of a batch and empties it; false if its events are dropped.
    pub(super) fn append_batch(&self, lines: &mut Vec<u8>, events: Summary) -> bool {
        let (taken, wake) = self.lock().append_batch(lines, events);
        if wake {
            self.shared.work.notify_one();
        }
        taken
    }

    /// Writes what waits and ends the thread; returns when all of it is written.
    pub(super) fn finish(&self) {
        self.lock().closing = true;
        self.shared.work.notify_one();
        // Held while joining, so that whoever closes second also returns only when all is written.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = writer.take() {
            // A panic of the sink has ended the thread: the missing closing record tells it.
            let _ = thread.join();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    /// No code but ours runs under this lock and none of it leaves the queue half changed.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's thread: takes what there is, writes it, until the trace is closed and empty.
    fn write_out(&self, mut sink: impl Write) {
        let mut collector = Collector::default();
        let mut collected = Vec::new();
        loop {
            let mut queue = self.lock();
            while queue.is_empty() && !queue.closing {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let gather = |queue: &mut Queue| !queue.has_full() && !queue.closing;
            queue = self
                .work
                .wait_timeout_while(queue, LINGER, gather)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let last = queue.closing;
            let batch = queue.take();
            let mut summary = queue.summary;
            drop(queue);
            collected.clear();
            for lanes in &*self.lanes.lock().unwrap_or_else(PoisonError::into_inner) {
                summary += lanes.collect(&mut collector, &mut collected, last);
            }

            let mut outcome = batch
                .iter()
                .chain([&collected])
                .try_for_each(|chunk| sink.write_all(chunk));
            if last && outcome.is_ok() {
                let mut end = Vec::new();
                Record::Closed(summary).write(&mut end);
                outcome = sink.write_all(&end).and_then(|()| sink.flush());
            }

            let mut queue = self.lock();
            queue.written(batch);
            if let Err(error) = outcome {
                queue.fail(error);
                drop(queue);
                // What is in the lanes and what is told them from now on is lost, too.
                for lanes in &*self.lanes.lock().unwrap_or_else(PoisonError::into_inner) {
                    lanes.collect(&mut collector, &mut collected, true);
                }
                return;
            }
            if last {
                return;
            }
        }
    }
}
