//! The reading side of a connection: bytes in, whole lines out.
//!
//! Bytes are read into a buffer of the thread and copied out only as far as they are there, so that an idle connection
//! holds no buffer.

use std::cell::RefCell;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::ReadBuf;
use tokio_util::codec::Decoder;

use super::connection::Closed;
use super::socket::Socket;
use crate::frame::{Batch, LineDecoder};
use crate::limits::READ_BYTES_MAX;

thread_local! {
    /// Where bytes are read before they are known to be there; one for each thread, not one for each connection.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
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
        let read = READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let polled = stream.poll_read(cx, &mut buffer);
            unfinished.extend_from_slice(buffer.filled());
            polled.map_ok(|()| buffer.filled().len())
        });
        match ready!(read) {
            Err(error) => return Poll::Ready(Err(Closed::Lost(error.kind()))),
            Ok(0) => return Poll::Ready(Err(Closed::Ended)),
            Ok(bytes) => metrics::counter!("received_bytes_total").increment(bytes as u64),
        }
        let decoded = self.decoder.decode(unfinished);
        if unfinished.is_empty() {
            *unfinished = BytesMut::new();
        }
        Poll::Ready(decoded.map_err(|error| Closed::Lost(error.kind())))
    }
}
