//! The bank's server: the Tokio driver around the engine.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use proto::net::Shutdown;
//!
//! let settings = bank::Settings { data: "bank-data".into(), ..bank::Settings::default() };
//! let server = bank::Server::bind("127.0.0.1:0", settings).await?;
//! println!("{}", server.local_address().expect("it listens on TCP"));
//! server.run(Shutdown::at_signals()).await?;
//! # Ok(())
//! # }
//! ```

mod guard;
#[cfg_attr(not(feature = "web"), path = "no_page.rs")]
mod page;
mod pins;
mod session;
mod shared;
mod tally;
mod vitals;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lamport::trace::Tracer;
use proto::net::{Identity, ListenError, Listener, MemoryConnector, ServerClock, ServerLimits, Shutdown};

use self::guard::Guard;
use self::page::Page;
use self::pins::Pins;
pub(crate) use self::pins::salt;
use self::shared::Shared;
use crate::engine::Bank;
use crate::limits::{
    HASHES_WAITING_DEFAULT, STRANGER_LINE_BYTES_MAX, WRONG_PINS_PER_ACCOUNT_DEFAULT,
    WRONG_PINS_PER_ADDRESS_DEFAULT,
};
use crate::pin::PinCost;
use crate::setup::{self, FirstAccounts, SetupError};
use crate::store::{StoreError, StoreSettings};

const IDENTITY: Identity = Identity {
    service: "bank",
    version: env!("CARGO_PKG_VERSION"),
    process: None,
};

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory; it is made if it is not there.
    pub data: PathBuf,
    /// The accounts that an empty bank begins with.
    pub first_accounts: FirstAccounts,
    /// How the data is kept.
    pub store: StoreSettings,
    /// The bounds of connections.
    pub limits: ServerLimits,
    /// How much work a new PIN's hash is.
    pub pin_cost: PinCost,
    /// Logins that may wait for their PIN to be hashed.
    pub hashes_waiting: usize,
    /// Wrong PINs that one address may send for one account; `None` lifts the limit.
    pub wrong_pins_per_account: Option<u32>,
    /// Wrong PINs that one address may send altogether; `None` lifts the limit.
    pub wrong_pins_per_address: Option<u32>,
    /// Records every send and receive.
    pub tracer: Tracer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: "data/bank".into(),
            first_accounts: FirstAccounts::Examples,
            store: StoreSettings::default(),
            limits: ServerLimits::default(),
            pin_cost: PinCost::DEFAULT,
            hashes_waiting: HASHES_WAITING_DEFAULT,
            wrong_pins_per_account: Some(WRONG_PINS_PER_ACCOUNT_DEFAULT),
            wrong_pins_per_address: Some(WRONG_PINS_PER_ADDRESS_DEFAULT),
            tracer: Tracer::off(),
        }
    }
}

/// A bank that listens.
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
    Store(#[from] StoreError),
    /// Its first accounts cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Everybody knows these PINs.
    #[error(
        "the example accounts with the PIN 1234 must not be reachable from other machines, as they would be at {address}; \
         hint: begin a new data directory with accounts of your own, or change these PINs first"
    )]
    ExamplesExposed {
        /// Where it was to be reached.
        address: String,
    },
    /// Such hashes are guessed in no time.
    #[error(
        "PINs of the least cost are for tests on this machine, not for {address}; hint: leave the PIN cost as it is"
    )]
    CheapPinsExposed {
        /// Where it was to be reached.
        address: String,
    },
}

/// Why a server did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed. What was acknowledged is in the journal.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The last of the trace is not written.
    #[error(transparent)]
    Trace(#[from] lamport::trace::CloseError),
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.local_address())
            .field("bank", &self.shared.bank)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the data and listens on a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn bind(address: &str, settings: Settings) -> Result<Self, StartError> {
        let listener = listen(address).await?;
        let beyond = first_beyond([listener.local_address().ok().flatten()]);
        Self::start(listener, beyond, settings).await
    }

    /// Opens the data and listens within this process.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn in_memory(settings: Settings) -> Result<(Self, MemoryConnector), StartError> {
        let (listener, connector) = Listener::memory();
        Ok((Self::start(listener, None, settings).await?, connector))
    }

    /// The TCP address it listens on; nothing within this process.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.listener.local_address().ok().flatten()
    }

    /// The bank it serves.
    #[must_use]
    pub fn bank(&self) -> &Bank {
        &self.shared.bank
    }

    /// Serves until `shutdown` begins or the store fails, lets the connections finish within the grace period, and
    /// closes the bank.
    ///
    /// # Errors
    ///
    /// [`RunError::Store`] when the store failed: the process should end with an error and be started again, which
    /// replays the journal. [`RunError::Trace`] when only the trace is not whole.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), RunError> {
        let Self {
            listener,
            page,
            limits,
            shared,
        } = self;
        let serving = Arc::clone(&shared);
        let handler = move |connection| session::serve(connection, Arc::clone(&serving));
        let ends = shutdown.clone();
        let serve_page = async {
            if let Some(page) = page
                && let Err(error) = page.serve(shutdown.clone()).await
            {
                tracing::error!(%error, "the page is no longer served");
            }
        };
        let serve = proto::net::serve(listener, IDENTITY, limits, shutdown.clone(), handler);
        let serve = async { tokio::join!(serve, serve_page).0 };
        tokio::pin!(serve);
        let in_order = tokio::select! {
            in_order = &mut serve => in_order,
            () = shared.bank.failed() => {
                ends.begin();
                serve.await
            }
        };
        if !in_order {
            tracing::warn!("connections were still busy after the grace period and were cut off");
        }
        let bank = shared.bank.clone();
        if in_order {
            // Nobody is left who could be sent anything.
            bank.give_back_stamps_after(shared.clock.now());
        }
        tokio::task::spawn_blocking(move || bank.close())
            .await
            .expect("closing the bank does not panic")?;
        shared.tracer.close()?;
        Ok(())
    }

    /// `beyond` is an address that other machines may come by.
    async fn start(
        listener: Listener,
        beyond: Option<String>,
        settings: Settings,
    ) -> Result<Self, StartError> {
        if let Some(address) = beyond.clone().filter(|_| settings.pin_cost != PinCost::DEFAULT) {
            return Err(StartError::CheapPinsExposed { address });
        }
        let Settings {
            data,
            first_accounts,
            store,
            pin_cost,
            ..
        } = settings;
        // Reading a large journal and hashing PINs takes seconds; both block.
        let open = move || {
            let (store, ledger) = setup::open(&data, store, &first_accounts, pin_cost, beyond.is_some())?;
            match beyond.filter(|_| setup::has_example_pin(&ledger)) {
                Some(address) => Err(StartError::ExamplesExposed { address }),
                None => Ok(Bank::start(store, ledger)?),
            }
        };
        let bank = tokio::task::spawn_blocking(open)
            .await
            .expect("opening the data does not panic")?;
        // So that nobody has to wait for the first reservation, and a disk that does not take it is known at once.
        if bank.may_send(bank.lamport() + 1).await.is_err() {
            let failed = tokio::task::spawn_blocking(move || bank.close()).await;
            return Err(failed
                .expect("closing the bank does not panic")
                .expect_err("its store failed")
                .into());
        }
        let guard = Guard::new(settings.wrong_pins_per_account, settings.wrong_pins_per_address);
        let mut limits = settings.limits;
        limits.connection.line_bytes_max = limits.connection.line_bytes_max.min(STRANGER_LINE_BYTES_MAX);
        let shared = Arc::new(Shared {
            clock: ServerClock::starting_at(bank.lamport()),
            pins: Pins::new(guard, pin_cost, settings.hashes_waiting),
            tracer: settings.tracer.shared(),
            clients: Default::default(),
            bank,
        });
        Ok(Self {
            listener,
            page: None,
            limits,
            shared,
        })
    }
}

async fn listen(address: &str) -> Result<Listener, ListenError> {
    Listener::bind(address).await.map_err(ListenError::at(address))
}

/// The first of these addresses that other machines may come by.
fn first_beyond(addresses: impl IntoIterator<Item = Option<SocketAddr>>) -> Option<String> {
    let mut beyond = addresses
        .into_iter()
        .flatten()
        .filter(|address| !address.ip().is_loopback());
    beyond.next().map(|address| address.to_string())
}
