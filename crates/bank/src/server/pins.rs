//! Checking PINs: slow on purpose, so off the runtime's threads, a few at a time, and for few tries.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use proto::{WireError, codes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::guard::Guard;
use crate::codes::{BUSY, LOGIN_FAILED};
use crate::debts::Wait;
use crate::limits::HASHES_RUNNING_MAX;
use crate::pin::{Pin, PinCost, PinHash};

/// Checks and hashes PINs.
#[derive(Debug)]
pub(super) struct Pins {
    guard: Mutex<Guard>,
    started: Instant,
    /// Those that wait or run; one more is refused at once.
    places: Semaphore,
    running: Arc<Semaphore>,
    places_max: usize,
    cost: PinCost,
    /// What a PIN is compared with when there is no account: it fits nothing, and takes as long.
    decoy: PinHash,
}

impl Pins {
    pub(super) fn new(guard: Guard, cost: PinCost, waiting_max: usize) -> Self {
        let nobody: Pin = "000000000000".parse().expect("twelve digits are a PIN");
        let places_max = waiting_max + HASHES_RUNNING_MAX;
        Self {
            guard: Mutex::new(guard),
            started: Instant::now(),
            places: Semaphore::new(places_max),
            places_max,
            running: Arc::new(Semaphore::new(HASHES_RUNNING_MAX)),
            cost,
            decoy: PinHash::new(&nobody, salt(), cost),
        }
    }

    /// How many PINs wait to be checked or hashed, or are.
    pub(super) fn waiting(&self) -> usize {
        self.places_max.saturating_sub(self.places.available_permits())
    }

    /// Checks a PIN against the one kept, if there is one. No account and a wrong PIN are the same to whoever asks.
    ///
    /// # Errors
    ///
    /// `login_failed`; `rate_limited` after too many of them; `busy` when too many PINs are being checked.
    pub(super) async fn check(
        &self,
        account: &str,
        address: Option<IpAddr>,
        pin: &str,
        kept: Option<PinHash>,
    ) -> Result<(), WireError> {
        // Longer texts are no account; all of them count as one.
        let account = account.get(..=crate::account::RG_DIGITS_MAX).unwrap_or(account);
        let account = if account.len() > crate::account::RG_DIGITS_MAX {
            ""
        } else {
            account
        };
        let now = || self.started.elapsed();
        self.guard().may_try(now(), account, address).map_err(limited)?;
        // That a text is no PIN can be seen without asking us; it tells nothing about the account.
        let Ok(pin) = pin.parse::<Pin>() else {
            self.guard().try_pin(now(), account, address).map_err(limited)?;
            return Err(failed());
        };
        let is_account = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.decoy.clone());
        let turn = self.turn().await?;
        self.guard().try_pin(now(), account, address).map_err(limited)?;
        let verified = turn.run(move || kept.verify(&pin)).await;
        let right = matches!(verified, Ok(true)) && is_account;
        if right || verified.is_err() {
            self.guard().pay_back(now(), account, address);
        }
        verified.and_then(|_| if right { Ok(()) } else { Err(failed()) })
    }

    /// Hashes a new PIN.
    ///
    /// # Errors
    ///
    /// `busy`.
    pub(super) async fn hash(&self, pin: Pin) -> Result<PinHash, WireError> {
        let cost = self.cost;
        self.turn()
            .await?
            .run(move || PinHash::new(&pin, salt(), cost))
            .await
    }

    /// Waits for the turn to hash. A caller that goes away gives up its place.
    async fn turn(&self) -> Result<HashTurn<'_>, WireError> {
        let busy =
            |_| WireError::new(BUSY, "too many PINs are being checked").with_hint("try again in a second");
        let place = self.places.try_acquire().map_err(busy)?;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| internal())?;
        Ok(HashTurn { _place: place, turn })
    }

    fn guard(&self) -> std::sync::MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn to hash.
struct HashTurn<'p> {
    _place: SemaphorePermit<'p>,
    turn: OwnedSemaphorePermit,
}

impl HashTurn<'_> {
    /// Runs `work` on a blocking thread. Once begun it ends by itself and holds the turn until then.
    async fn run<R: Send + 'static>(self, work: impl FnOnce() -> R + Send + 'static) -> Result<R, WireError> {
        let turn = self.turn;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|_| internal())
    }
}

/// Fresh randomness for a hash.
pub(crate) fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("a system that has run so far has random numbers");
    salt
}

fn internal() -> WireError {
    WireError::new(codes::INTERNAL, "the PIN could not be checked")
}

fn limited(Wait(wait): Wait) -> WireError {
    WireError::new(codes::RATE_LIMITED, "too many wrong PINs came from your address")
        .with_hint(format!("try again in {} s", wait.as_secs() + 1))
}

fn failed() -> WireError {
    metrics::counter!("bank_wrong_pins_total").increment(1);
    WireError::new(LOGIN_FAILED, "there is no such account, or this is not its PIN")
        .with_hint("check the account's number and the PIN, and try again")
}
