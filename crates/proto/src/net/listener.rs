//! Where connections arrive: a TCP address, a door within this process, or both.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::mpsc;

use super::stream::{PeerAddress, Stream};
use crate::limits::{MEMORY_BACKLOG_MAX, MEMORY_PIPE_BYTES};

/// Why a server, or its page, does not listen.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address}: {source}; hint: {}", self.hint(""))]
pub struct ListenError {
    address: String,
    source: io::Error,
}

impl ListenError {
    /// What the system said of this address.
    pub fn at(address: &str) -> impl FnOnce(io::Error) -> Self {
        let address = address.to_owned();
        move |source| Self { address, source }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What helps, `by` being how another address is given.
    pub(super) fn hint(&self, by: &str) -> String {
        let ask = match self.source.kind() {
            io::ErrorKind::AddrInUse => "is it running already? Otherwise ",
            _ => "",
        };
        format!("{ask}choose another address{by}, port 0 takes a free one")
    }
}

/// Accepts byte streams.
#[derive(Debug)]
pub struct Listener {
    tcp: Option<TcpListener>,
    door: Option<Door>,
}

/// The inner side of a [`MemoryConnector`].
#[derive(Debug)]
struct Door {
    arrivals: mpsc::Receiver<(Stream, Option<SocketAddr>)>,
    accepted: u64,
}

/// Opens connections to a [`Listener`] within this process. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct MemoryConnector {
    arrivals: mpsc::Sender<(Stream, Option<SocketAddr>)>,
}

impl Listener {
    /// Listens on a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the address is in use.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(TcpListener::bind(address).await?.into())
    }

    /// A listener within this process, and what opens connections to it.
    #[must_use]
    pub fn memory() -> (Self, MemoryConnector) {
        Self {
            tcp: None,
            door: None,
        }
        .with_door()
    }

    /// The same listener with a door within this process beside its address, and what opens connections through it.
    /// A door it had before is closed.
    #[must_use]
    pub fn with_door(mut self) -> (Self, MemoryConnector) {
        let (opens, arrivals) = mpsc::channel(MEMORY_BACKLOG_MAX);
        self.door = Some(Door {
            arrivals,
            accepted: 0,
        });
        (self, MemoryConnector { arrivals: opens })
    }

    /// The TCP address listened on; nothing within this process.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        self.tcp.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// The next connection. Cancel safe: no connection is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says; the listener stays usable. `NotConnected` once nobody can come any more, because there
    /// is no address and every connector is gone.
    pub async fn accept(&mut self) -> io::Result<(Stream, PeerAddress)> {
        loop {
            tokio::select! {
                accepted = accept_tcp(self.tcp.as_ref()) => return accepted,
                arrived = arrive(&mut self.door) => match arrived {
                    Some(arrived) => return Ok(arrived),
                    None if self.tcp.is_none() => return Err(io::ErrorKind::NotConnected.into()),
                    None => self.door = None,
                },
            }
        }
    }
}

/// Listens where `tcp` does already.
impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self {
            tcp: Some(tcp),
            door: None,
        }
    }
}

async fn accept_tcp(listener: Option<&TcpListener>) -> io::Result<(Stream, PeerAddress)> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let (stream, address) = listener.accept().await?;
    // Batches are written whole; waiting to fill segments would only delay them.
    stream.set_nodelay(true)?;
    Ok((Stream::Tcp(stream), PeerAddress::Tcp(address)))
}

/// The next arrival; nothing when every connector is gone, never where there is no door.
async fn arrive(door: &mut Option<Door>) -> Option<(Stream, PeerAddress)> {
    let Some(door) = door else {
        return std::future::pending().await;
    };
    let (stream, address) = door.arrivals.recv().await?;
    door.accepted += 1;
    Some((
        stream,
        address.map_or(PeerAddress::Memory(door.accepted), PeerAddress::Tcp),
    ))
}

impl MemoryConnector {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when the listener is gone.
    pub async fn connect(&self) -> io::Result<Stream> {
        self.open(None).await
    }

    /// Opens a connection on behalf of somebody at `address`, whose bounds it counts towards.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when the listener is gone.
    pub async fn connect_for(&self, address: SocketAddr) -> io::Result<Stream> {
        self.open(Some(address)).await
    }

    async fn open(&self, address: Option<SocketAddr>) -> io::Result<Stream> {
        let (ours, theirs) = tokio::io::duplex(MEMORY_PIPE_BYTES);
        let arrival = (Stream::Memory(theirs), address);
        self.arrivals
            .send(arrival)
            .await
            .map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Stream::Memory(ours))
    }
}
