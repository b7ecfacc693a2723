//! The accept loop.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::admission::Admissions;
use super::backoff::Backoff;
use super::connection::{Connection, ConnectionSettings};
use super::listener::Listener;
use super::outbox::Outbox;
use super::shutdown::Shutdown;
use crate::PROTOCOL;
use crate::error::codes;
use crate::limits;
use crate::writer::LineWriter;

/// What a server says of itself in the first line of every connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `chat`, `bank`, `multicast`.
    pub service: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// The process whose clock stamps what is sent, where the service alone does not say it. Names it in traces.
    pub process: Option<Arc<str>>,
}

/// The bounds of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections in total.
    pub connections_max: usize,
    /// Connections from one address. Connections within this process are not counted.
    pub connections_per_address_max: usize,
    /// How long connections may take to finish after a shutdown was asked for.
    pub grace: Duration,
    /// The bounds of each connection.
    pub connection: ConnectionSettings,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_DEFAULT,
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_DEFAULT,
            grace: limits::GRACE_DEFAULT,
            connection: ConnectionSettings::default(),
        }
    }
}

/// Accepts connections and runs `handler` for each in a task of its own, until `shutdown` begins.
///
/// Every connection is greeted first; one beyond a bound is told `too_many_connections` and closed. When the system has no file
/// descriptor or memory for a connection the loop backs off and goes on. On shutdown nothing more is accepted,
/// handlers get [`Turn::ShuttingDown`](super::Turn::ShuttingDown) and the grace period, and what is still there then
/// is cut off. True when nobody had to be cut off.
pub async fn serve<H, F>(
    mut listener: Listener,
    identity: Identity,
    limits: ServerLimits,
    shutdown: Shutdown,
    handler: H,
) -> bool
where
    H: Fn(Connection) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let admissions = Arc::new(Admissions::new(&limits));
    let settings = Arc::new(limits.connection);
    let started = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_millis());
    let mut number = 0u64;
    let handlers = TaskTracker::new();
    let mut backoff = Backoff::new(limits::ACCEPT_BACKOFF);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.begun() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotConnected => break,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for now; hint: raise the limit on open files");
                tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => continue,
                    () = shutdown.begun() => break,
                }
            }
        };
        backoff.reset();
        number += 1;
        let id: Arc<str> = format!("{started:x}-{number}").into();
        let mut connection = Connection::new(stream, peer, Arc::clone(&id), Arc::clone(&settings), &shutdown);
        let Some((admission, active)) = Admissions::admit(&admissions, peer.host()) else {
            tracing::warn!(%peer, "connection refused: too many");
            metrics::counter!("connections_refused_total").increment(1);
            connection.last_words(
                codes::TOO_MANY_CONNECTIONS,
                "the server has all the connections it may have",
            );
            continue;
        };
        connection.admit(Box::new(admission));
        greet(connection.outbox(), &identity, &id);
        tracing::info!(%peer, active, "new connection");
        metrics::counter!("connections_total").increment(1);
        metrics::gauge!("connections_active").increment(1);
        let span = tracing::info_span!("connection", %id);
        handlers.spawn(handler(connection).instrument(span));
    }
    drop(listener);
    handlers.close();
    shutdown.finish(limits.grace, handlers.wait()).await
}

/// Raises this process's limit on open files as far as the system allows, and returns it. Where there is no such
/// limit nothing happens.
///
/// # Errors
///
/// What the system says.
pub fn raise_open_files_limit() -> io::Result<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        )?;
        Ok(maximum.unwrap_or(u64::MAX))
    }
    #[cfg(not(unix))]
    Ok(u64::MAX)
}

fn greet(outbox: &Outbox, identity: &Identity, id: &str) {
    let mut line = Vec::new();
    let writer = LineWriter::upkeep(&mut line)
        .text("service", identity.service)
        .number("protocol", u64::from(PROTOCOL))
        .text("version", identity.version)
        .text("connection", id);
    let writer = match &identity.process {
        Some(process) => writer.text("process", process),
        None => writer,
    };
    writer.end();
    let _ = outbox.push_reply(line.into());
}

/// Errors of `accept` that concern a connection that was gone before it was taken.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
