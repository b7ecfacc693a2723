//! Where a server is, and how a byte stream to it is opened.

use std::fmt;
use std::io;

use tokio::net::TcpStream;

use super::listener::MemoryConnector;
use super::stream::{PeerAddress, Stream};

/// Opens connections to one server.
#[derive(Debug, Clone)]
pub enum Dialer {
    /// Over TCP to `host:port`.
    Tcp(String),
    /// Within this process.
    Memory(MemoryConnector),
}

impl Dialer {
    /// Opens a byte stream.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn dial(&self) -> io::Result<(Stream, PeerAddress)> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let peer = stream.peer_addr()?;
                Ok((Stream::Tcp(stream), PeerAddress::Tcp(peer)))
            }
            Self::Memory(connector) => Ok((connector.connect().await?, PeerAddress::Memory(0))),
        }
    }
}

/// Whether this is a host and a port; whether the host is there, only the system knows.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl fmt::Display for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Memory(_) => f.write_str("this process"),
        }
    }
}
