//! Where connections arrive: a TCP address, or a door within this process for tests and tours.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::mpsc;

use super::stream::{PeerAddress, Stream};
use crate::limits::{MEMORY_BACKLOG_MAX, MEMORY_PIPE_BYTES};

/// Accepts byte streams.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP address.
    Tcp(TcpListener),
    /// Within this process.
    Memory(MemoryListener),
}

/// The listening end of a [`MemoryConnector`].
#[derive(Debug)]
pub struct MemoryListener {
    arrivals: mpsc::Receiver<Stream>,
    accepted: u64,
}

/// Opens connections to a [`Listener`] within this process. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct MemoryConnector {
    arrivals: mpsc::Sender<Stream>,
}

impl Listener {
    /// Listens on a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the address is in use.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::Tcp(TcpListener::bind(address).await?))
    }

    /// A listener within this process, and what opens connections to it.
    #[must_use]
    pub fn memory() -> (Self, MemoryConnector) {
        let (opens, arrivals) = mpsc::channel(MEMORY_BACKLOG_MAX);
        let connector = MemoryConnector { arrivals: opens };
        (
            Self::Memory(MemoryListener {
                arrivals,
                accepted: 0,
            }),
            connector,
        )
    }

    /// The TCP address listened on; nothing within this process.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Memory(_) => Ok(None),
        }
    }

    /// The next connection. Cancel safe: no connection is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says; the listener stays usable. Within this process: once every connector is gone.
    pub async fn accept(&mut self) -> io::Result<(Stream, PeerAddress)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Batches are written whole; waiting to fill segments would only delay them.
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), PeerAddress::Tcp(address)))
            }
            Self::Memory(listener) => {
                let stream = listener
                    .arrivals
                    .recv()
                    .await
                    .ok_or(io::ErrorKind::NotConnected)?;
                listener.accepted += 1;
                Ok((stream, PeerAddress::Memory(listener.accepted)))
            }
        }
    }
}

impl MemoryConnector {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when the listener is gone.
    pub async fn connect(&self) -> io::Result<Stream> {
        let (ours, theirs) = tokio::io::duplex(MEMORY_PIPE_BYTES);
        self.arrivals
            .send(Stream::Memory(theirs))
            .await
            .map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Stream::Memory(ours))
    }
}
