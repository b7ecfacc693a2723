//! The handle by which the driver appends, reserves, reads and registers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use tokio::sync::oneshot;

use super::{
    CloseError, OpenError, Page, ReadError, RegisterError, Registration, Replay, Restored, RestoredRoom,
    Settings, Window,
    block::{self, Block},
    database::{self, Database},
    directory, limits,
    queue::Queue,
    reader::{self, Reader},
    writer::{self, Shared},
};
use crate::limits::REGISTRATIONS_MAX;

/// A chat's history. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct History {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    reader: Option<Arc<Reader>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    names: Mutex<BTreeMap<Box<str>, Registration>>,
}

impl History {
    /// Opens the history in `dir`, creating both where they are missing, and claims the directory until
    /// [`History::close`]. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// When another server has the directory, it cannot be written, the disk is full, or the file is not ours, too new
    /// or damaged.
    pub fn open(dir: &Path, settings: &Settings) -> Result<(Self, Restored), OpenError> {
        let claim = directory::claim(dir)?;
        let (database, contents) = Database::open(dir, settings.events_max, settings.file_bytes_max)?;
        let mut queue = Queue::new(contents.clock, contents.forgotten_through, settings.events_max);
        let mut rooms = Vec::new();
        for (name, shown, stored_through, events) in contents.rooms {
            queue.restore(Arc::clone(&name), shown);
            rooms.push(RestoredRoom {
                name,
                next_seq: shown + 1,
                stored_through,
                events,
            });
        }
        let restored = Restored {
            clock: contents.clock,
            rooms,
            forgotten_through: contents.forgotten_through,
            names: contents.names,
        };

        let shared = Arc::new(Shared::new(queue, false));
        let (for_writer, flush_interval) = (Arc::clone(&shared), settings.flush_interval);
        let writer = std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || writer::run(&for_writer, database, flush_interval, claim))
            .map_err(|source| OpenError::Unusable {
                dir: dir.into(),
                source,
            })?;
        let file: PathBuf = dir.join(database::FILE);
        let inner = Inner {
            shared,
            reader: Some(Reader::new(file)),
            writer: Mutex::new(Some(writer)),
            names: Mutex::new(
                restored
                    .names
                    .iter()
                    .map(|name| (name.key.clone(), name.clone()))
                    .collect(),
            ),
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            restored,
        ))
    }

    /// A history that stores nothing: it keeps at most `events_max` events a room and
    /// 64 MiB over all rooms, and forgets everything at the end.
    #[must_use]
    pub fn in_memory(events_max: u64) -> Self {
        let shared = Arc::new(Shared::new(Queue::new(0, 0, events_max), true));
        let inner = Inner {
            shared,
            reader: None,
            writer: Mutex::new(None),
            names: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Takes the events `first_seq..=last_seq` of a room: one line each, ended by a newline, as they were sent.
    /// Never waits.
    ///
    /// # Panics
    ///
    /// If the numbers do not ascend.
    pub fn append(&self, room: &str, first_seq: u64, last_seq: u64, lines: &[u8]) {
        debug_assert_eq!(
            block::count_lines(lines),
            Some(last_seq - first_seq + 1),
            "one line for each number"
        );
        let in_memory = self.inner.reader.is_none();
        self.inner.shared.change(|queue| {
            queue.append(room, first_seq, last_seq, lines, Instant::now());
            if in_memory {
                queue.prune(room);
                if queue.bytes() > limits::MEMORY_BYTES_MAX {
                    queue.shed(limits::MEMORY_BYTES_MAX);
                }
            }
        });
    }

    /// Whether events come faster than the disk takes them. Whoever makes them should then wait for
    /// [`History::ready`] before making more.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.inner.shared.lock().is_behind()
    }

    /// Returns once the disk has caught up, or has failed: a failed disk holds nobody back.
    ///
    /// Cancel safe.
    pub async fn ready(&self) {
        self.until(|state| (!state.is_behind()).then_some(())).await;
    }

    /// Why nothing is being stored at the moment, if so.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.inner
            .shared
            .lock()
            .failure
            .as_ref()
            .map(|failure| failure.message.clone())
    }

    /// The last number of a room that may be used; 0 for a room that has reserved none.
    ///
    /// [`History::append`] asks for more by itself when half of what is reserved is used, so a caller rarely finds
    /// this exhausted: for a new room, and when a room becomes suddenly busy. It then waits for
    /// [`History::reserve_seqs`].
    #[must_use]
    pub fn seqs_through(&self, room: &str) -> u64 {
        self.inner.shared.lock().queue.seqs_through(room)
    }

    /// Reserves a room's numbers up to `at_least` and some more, and returns the last one that may be used. A room
    /// that is not known yet becomes known.
    ///
    /// Cancel safe: what is reserved stays reserved.
    pub async fn reserve_seqs(&self, room: &str, at_least: u64) -> u64 {
        loop {
            let mut progress = std::pin::pin!(self.inner.shared.progress.notified());
            progress.as_mut().enable();
            // Asked again each time: the room may have been forgotten meanwhile.
            self.inner.shared.change(|queue| {
                if queue.seqs_through(room) < at_least {
                    queue.ask_seqs(room, at_least, Instant::now());
                }
            });
            let through = self.seqs_through(room);
            if through >= at_least {
                return through;
            }
            progress.await;
        }
    }

    /// Forgets a room with everything that is stored of it. When it is opened again, its numbers must be above the highest
    /// that any forgotten room used: after a restart that is [`Restored::forgotten_through`], until then the caller knows it.
    pub fn forget(&self, room: &str) {
        self.inner.shared.change(|queue| queue.forget(room));
        // Whoever waits for its numbers has to ask for them again.
        self.inner.shared.progress.notify_waiters();
    }

    /// The last Lamport time that may be sent.
    #[must_use]
    pub fn clock_through(&self) -> u64 {
        self.inner.shared.lock().queue.clock_through()
    }

    /// The clock shows `now`: asks for more times when few are left, and returns the last one that may be sent. Worth
    /// calling once for every batch.
    pub fn clock_used(&self, now: u64) -> u64 {
        self.inner.shared.change(|queue| {
            queue.ask_clock(now, now + 1, Instant::now());
            queue.clock_through()
        })
    }

    /// Reserves Lamport times up to `at_least` and some more, and returns the last one that may be sent. Needed when
    /// a received stamp leaps ahead.
    ///
    /// Cancel safe: what is reserved stays reserved.
    pub async fn reserve_clock(&self, now: u64, at_least: u64) -> u64 {
        self.inner.shared.change(|queue| {
            if queue.clock_through() < at_least {
                queue.ask_clock(now, at_least, Instant::now());
            }
        });
        self.until(|state| Some(state.queue.clock_through()).filter(|through| *through >= at_least))
            .await
    }

    /// At most `events_max` events of a room's history whose lines have at most `bytes_max` bytes together with one
    /// byte each between them.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// While the disk fails, and when too many are reading.
    pub async fn page(
        &self,
        room: &str,
        window: Window,
        events_max: u64,
        bytes_max: usize,
    ) -> Result<Page, ReadError> {
        let (waiting, failure) = {
            let state = self.inner.shared.lock();
            (
                state.queue.snapshot(room),
                state.failure.as_ref().map(|failure| failure.message.clone()),
            )
        };
        if let Some(message) = failure {
            return Err(ReadError::Unavailable(message));
        }
        let room: Arc<str> = room.into();
        self.read(move |file| reader::page(file, &room, &waiting, window, events_max, bytes_max))
            .await
    }

    /// The events of a room with numbers above `after` and up to `through`, which must have been appended.
    #[must_use]
    pub fn replay(&self, room: &str, after: u64, through: u64) -> Replay {
        Replay::new(self.clone(), room, after, through)
    }

    /// Protects a name with a password, or changes the password; returns when that is durable.
    ///
    /// Cancel safe: a registration that nobody waits for is stored all the same.
    ///
    /// # Errors
    ///
    /// While the disk fails, and when there are [`REGISTRATIONS_MAX`] names.
    pub async fn register(&self, name: Registration) -> Result<(), RegisterError> {
        {
            let names = self.names();
            if names.len() >= REGISTRATIONS_MAX && !names.contains_key(&name.key) {
                return Err(RegisterError::Full);
            }
        }
        let answer = self.inner.shared.register(name.clone());
        let closed = || RegisterError::Unavailable("the history is closed".to_owned());
        answer.await.unwrap_or_else(|_| Err(closed()))?;
        self.names().insert(name.key.clone(), name);
        Ok(())
    }

    /// The registration of a folded name, if it is registered.
    #[must_use]
    pub fn registration(&self, key: &str) -> Option<Registration> {
        self.names().get(key).cloned()
    }

    /// Ends the history: stores everything, and the exact numbers instead of what was reserved. `clock` is the last
    /// Lamport time sent. Nothing may be appended any more.
    ///
    /// # Errors
    ///
    /// When the disk does not take it. Nothing is repeated then, but numbers skip as after a crash.
    pub async fn close(self, clock: u64) -> Result<(), CloseError> {
        let Some(writer) = self.take_writer() else {
            return Ok(());
        };
        let (done, finished) = oneshot::channel();
        self.inner.shared.stop(Some(clock), Some(done));
        let result = finished
            .await
            .unwrap_or_else(|_| Err(CloseError("the writer ended early".to_owned())));
        // It has said its last word; joining it takes no time.
        let _ = writer.join();
        result
    }

    fn take_writer(&self) -> Option<JoinHandle<()>> {
        self.inner
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Registration>> {
        self.inner.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until<R>(&self, condition: impl Fn(&writer::State) -> Option<R>) -> R {
        loop {
            let mut progress = std::pin::pin!(self.inner.shared.progress.notified());
            // Enabled before looking, so that what happens in between is not missed.
            progress.as_mut().enable();
            if let Some(result) = condition(&self.inner.shared.lock()) {
                return result;
            }
            progress.await;
        }
    }

    /// What waits of a room's events.
    pub(super) fn waiting(&self, room: &str) -> Vec<Block> {
        self.inner.shared.lock().queue.snapshot(room)
    }

    /// Reads the file where there is one.
    pub(super) async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(Option<&rusqlite::Connection>) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, ReadError> {
        match &self.inner.reader {
            Some(reader) => reader.run(move |connection| read(Some(connection))).await,
            None => read(None).map_err(|error| ReadError::Unavailable(error.to_string())),
        }
    }
}

impl Drop for Inner {
    /// Stores what waits and lets the directory go, if [`History::close`] has not: a test or an early error.
    fn drop(&mut self) {
        if let Some(writer) = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            self.shared.stop(None, None);
            let _ = writer.join();
        }
    }
}
