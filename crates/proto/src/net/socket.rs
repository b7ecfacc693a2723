//! A stream whose reading belongs to the connection's task alone, and whose writing any task may do if it is TCP.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::stream::Stream;

/// The stream of one connection.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp {
        reader: OwnedReadHalf,
        writer: SharedWriter,
    },
    Memory(DuplexStream),
}

/// The writing end of a TCP stream. The last clone that goes ends it.
#[derive(Debug, Clone)]
pub(super) struct SharedWriter(Arc<OwnedWriteHalf>);

impl From<Stream> for Socket {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                let writer = SharedWriter(Arc::new(writer));
                Self::Tcp { reader, writer }
            }
            Stream::Memory(stream) => Self::Memory(stream),
        }
    }
}

impl Socket {
    /// The end that other tasks may write to, if there is one.
    pub(super) fn shared_writer(&self) -> Option<SharedWriter> {
        match self {
            Self::Tcp { writer, .. } => Some(writer.clone()),
            Self::Memory(_) => None,
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp { writer, .. } => writer.poll_write(cx, slices),
            Self::Memory(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Tells the peer that nothing follows.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            // The last clone of the writing end does it when it is dropped.
            Self::Tcp { .. } => Ok(()),
            Self::Memory(stream) => stream.shutdown().await,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { reader, .. } => Pin::new(reader).poll_read(cx, buf),
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl SharedWriter {
    /// Writes as much as the socket takes at once; nothing when it takes nothing.
    ///
    /// # Errors
    ///
    /// When the stream is broken.
    pub(super) fn write_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.stream().try_write_vectored(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream().poll_write_ready(cx))?;
            match self.stream().try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn stream(&self) -> &TcpStream {
        (*self.0).as_ref()
    }
}
