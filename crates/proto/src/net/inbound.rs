//! The reading side of a connection: bytes in, whole lines out.
//!
//! Bytes are read into [buffers of the thread](ReadBuffers), so that an idle connection holds none.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio_util::codec::Decoder;
use tokio_util::io::poll_read_buf;

use super::read_buffers::ReadBuffers;
use super::socket::Socket;
use super::turn::Closed;
use crate::frame::{Batch, LineDecoder};

thread_local! {
    static READ_BUFFERS: RefCell<ReadBuffers> = RefCell::default();
}

/// See the [module](self).
pub(super) struct Inbound {
    decoder: LineDecoder,
    /// The beginning of a line whose end has not arrived.
    unfinished: BytesMut,
}

impl Inbound {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self {
            decoder: LineDecoder::new(line_bytes_max),
            unfinished: BytesMut::new(),
        }
    }

    /// Changes the bound on lines that arrive from now on.
    pub(super) fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        self.decoder.set_line_bytes_max(line_bytes_max);
    }

    /// Reads what is there, once. Nothing comes back when bytes arrived but no line ends in them.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Socket,
    ) -> Poll<Result<Option<Batch>, Closed>> {
        let unfinished = &mut self.unfinished;
        let read = READ_BUFFERS.with_borrow_mut(|buffers| {
            buffers.poll_read(unfinished, |buffer| poll_read_buf(Pin::new(stream), cx, buffer))
        });
        match ready!(read) {
            Err(error) => return Poll::Ready(Err(Closed::Lost(error.kind()))),
            Ok(0) => return Poll::Ready(Err(Closed::Ended)),
            Ok(bytes) => metrics::counter!("received_bytes_total").increment(bytes as u64),
        }
        let decoded = self.decoder.decode(unfinished);
        if let Ok(Some(_)) = decoded {
            // The beginning of the next line must not hold up the buffer that it came in.
            *unfinished = BytesMut::from(&unfinished[..]);
        }
        Poll::Ready(decoded.map_err(|error| Closed::Lost(error.kind())))
    }
}
