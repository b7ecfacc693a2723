//! Hashing passwords: slow on purpose, so off the runtime's threads and bounded in number.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use proto::{WireError, codes};
use tokio::sync::Semaphore;

use crate::codes::BUSY;
use crate::limits::{HASHES_RUNNING_MAX, HASHES_WAITING_MAX};

/// Hashes and compares passwords, a few at a time.
#[derive(Debug)]
pub(super) struct Passwords {
    /// Those that wait or run; one more is refused at once.
    places: Semaphore,
    running: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            places: Semaphore::new(HASHES_RUNNING_MAX + HASHES_WAITING_MAX),
            running: Arc::new(Semaphore::new(HASHES_RUNNING_MAX)),
        }
    }

    /// Hashes a password with a salt of its own, to argon2's own text form.
    pub(super) async fn hash(&self, password: &str) -> Result<Arc<str>, WireError> {
        let password = password.to_owned();
        self.run(move || {
            let hash: PasswordHash = Argon2::default()
                .hash_password(password.as_bytes())
                .map_err(|error| internal(&error))?;
            Ok(hash.to_string().into())
        })
        .await
    }

    /// Whether `password` is what `hash` was made of.
    pub(super) async fn verify(&self, password: &str, hash: Arc<str>) -> Result<bool, WireError> {
        let password = password.to_owned();
        self.run(move || {
            let hash = PasswordHash::new(&hash).map_err(|error| internal(&error))?;
            Ok(Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok())
        })
        .await
    }

    /// Runs `work` on a blocking thread when it is its turn. A caller that goes away gives up its place; work that
    /// has begun ends by itself and holds its turn until then.
    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, WireError> + Send + 'static,
    ) -> Result<R, WireError> {
        let _place = self.places.try_acquire().map_err(|_| {
            WireError::new(BUSY, "too many passwords are being checked").with_hint("try again in a second")
        })?;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|error| internal(&error))?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|error| internal(&error))?
    }
}

fn internal(error: &dyn std::fmt::Display) -> WireError {
    tracing::error!(%error, "failed to hash a password");
    WireError::new(codes::INTERNAL, "the password could not be checked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_told_from_another() {
        let passwords = Passwords::new();
        let hash = passwords.hash("sesame").await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_eq!(passwords.verify("sesame", hash.clone()).await, Ok(true));
        assert_eq!(passwords.verify("Sesame", hash.clone()).await, Ok(false));
        assert_ne!(
            hash,
            passwords.hash("sesame").await.unwrap(),
            "every hash has its own salt"
        );
        let broken = passwords.verify("sesame", "no hash".into()).await;
        assert_eq!(broken.unwrap_err().code, codes::INTERNAL);
    }

    #[tokio::test]
    async fn a_burst_is_refused_instead_of_queued_without_end() {
        let passwords = Arc::new(Passwords::new());
        let all = passwords
            .running
            .acquire_many(HASHES_RUNNING_MAX as u32)
            .await
            .unwrap();
        let mut waiting = Vec::new();
        for _ in 0..HASHES_RUNNING_MAX + HASHES_WAITING_MAX {
            let mut hash = Box::pin(passwords.hash("sesame"));
            assert!(futures::poll!(hash.as_mut()).is_pending());
            waiting.push(hash);
        }
        assert_eq!(passwords.hash("sesame").await.unwrap_err().code, BUSY);
        drop(waiting);
        drop(all);
        assert!(passwords.hash("sesame").await.is_ok(), "places are given back");
    }
}
