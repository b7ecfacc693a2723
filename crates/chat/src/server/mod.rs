//! The chat server: the Tokio driver around the hub.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use proto::net::Shutdown;
//!
//! let settings = chat::Settings { data: None, ..chat::Settings::default() };
//! let server = chat::Server::bind("127.0.0.1:0", settings).await?;
//! println!("listening on {}", server.local_address().expect("it listens on TCP"));
//! server.run(Shutdown::at_signals()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Each connection has one task (`session`). It parses a batch of lines (`request`), takes the lock and lets the hub
//! decide about all of them (`core`); what comes of it is encoded once and shared (`fanout`).

mod core;
mod desk;
mod errands;
mod fanout;
#[cfg_attr(not(feature = "web"), path = "no_page.rs")]
mod page;
mod passwords;
mod request;
mod session;
mod vitals;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use lamport::trace::Tracer;
use proto::net::{Identity, ListenError, Listener, MemoryConnector, ServerClock, ServerLimits, Shutdown};

use self::core::Core;
use self::page::Page;
use self::passwords::Passwords;
use self::session::Shared;
use crate::history::{self, CloseError, History, OpenError, Restored};
use crate::hub::{Facts, FloodLimit, Hub, Registration};
use crate::limits::ROOMS_MAX_DEFAULT;
use crate::names::Name;

/// What the server says of itself.
const IDENTITY: Identity = Identity {
    service: "chat",
    version: env!("CARGO_PKG_VERSION"),
    process: None,
};

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory; nothing is stored if there is none.
    pub data: Option<PathBuf>,
    /// How the history is kept.
    pub history: history::Settings,
    /// The bounds of connections.
    pub limits: ServerLimits,
    /// Rooms at a time: one more takes the place of an empty one, which is forgotten.
    pub rooms_max: NonZeroUsize,
    /// How fast one connection may ask; without it, as fast as it can.
    pub flood: Option<FloodLimit>,
    /// Records every send and receive.
    pub tracer: Tracer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: None,
            history: history::Settings::default(),
            limits: ServerLimits::default(),
            rooms_max: ROOMS_MAX_DEFAULT,
            flood: Some(FloodLimit::default()),
            tracer: Tracer::off(),
        }
    }
}

/// A chat server that listens.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    page: Option<Page>,
    limits: ServerLimits,
    shared: Arc<Shared>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot listen, or its page cannot.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Its data cannot be opened.
    #[error(transparent)]
    History(#[from] OpenError),
}

/// Why a server did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The last of the history is not stored.
    #[error(transparent)]
    History(#[from] CloseError),
    /// The last of the trace is not written.
    #[error(transparent)]
    Trace(#[from] lamport::trace::CloseError),
}

impl Server {
    /// Opens the data and listens on a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the data cannot be opened, or the address not be listened on.
    pub async fn bind(address: &str, settings: Settings) -> Result<Self, StartError> {
        let listener = Listener::bind(address).await.map_err(ListenError::at(address))?;
        Self::start(listener, settings)
    }

    /// Opens the data and listens within this process.
    ///
    /// # Errors
    ///
    /// When the data cannot be opened.
    pub fn in_memory(settings: Settings) -> Result<(Self, MemoryConnector), StartError> {
        let (listener, connector) = Listener::memory();
        Ok((Self::start(listener, settings)?, connector))
    }

    /// The TCP address it listens on; nothing within this process.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.listener.local_address().ok().flatten()
    }

    /// Serves until `shutdown` begins, lets the connections finish within the grace period, and stores what is not
    /// stored yet.
    ///
    /// # Errors
    ///
    /// When the last of the history or of the trace cannot be stored; everybody was served all the same.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), RunError> {
        let Self {
            listener,
            page,
            limits,
            shared,
        } = self;
        let serving = Arc::clone(&shared);
        let handler = move |connection| session::serve(connection, Arc::clone(&serving));
        let serve_page = async {
            if let Some(page) = page
                && let Err(error) = page.serve(shutdown.clone()).await
            {
                tracing::error!(%error, "the page is no longer served");
            }
        };
        let serve = proto::net::serve(listener, IDENTITY, limits, shutdown.clone(), handler);
        let (in_time, ()) = tokio::join!(serve, serve_page);
        if !in_time {
            tracing::warn!("connections were still busy after the grace period and were cut off");
        }
        shared.core.close().await
    }

    fn start(listener: Listener, settings: Settings) -> Result<Self, StartError> {
        let (history, restored) = match &settings.data {
            Some(dir) => History::open(dir, &settings.history)?,
            None => (
                History::in_memory(settings.history.events_max),
                Restored::default(),
            ),
        };
        let clock = ServerClock::starting_at(restored.clock);
        let mut hub = Hub::new(settings.rooms_max, settings.flood);
        for room in hub.remember(facts(&restored)) {
            history.forget(&room);
        }
        let core = Core::new(hub, history, clock, settings.tracer);
        let shared = Arc::new(Shared {
            core,
            passwords: Passwords::new(),
        });
        Ok(Self {
            listener,
            page: None,
            limits: settings.limits,
            shared,
        })
    }
}

/// What the hub has to know of what was stored. A name that is none by today's rules stays stored and is not used.
fn facts(restored: &Restored) -> Facts {
    let mut facts = Facts {
        forgotten_through: restored.forgotten_through,
        ..Facts::default()
    };
    for room in &restored.rooms {
        match Name::room(&room.name) {
            Ok(name) => facts.rooms.push((name, room.next_seq - 1)),
            Err(error) => {
                tracing::warn!(room = %proto::Harmless(&room.name), %error, "a stored room is left out")
            }
        }
    }
    for stored in &restored.names {
        match Name::member(&stored.shown) {
            Ok(name) => facts.registrations.push(Registration {
                name,
                hash: (*stored.password).into(),
            }),
            Err(error) => {
                tracing::warn!(name = %proto::Harmless(&stored.shown), %error, "a stored name is left out")
            }
        }
    }
    facts
}
