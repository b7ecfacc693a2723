//! Where bytes are read before they are known to be there: buffers of a thread, not of a connection.
//!
//! A few bytes are copied out. Where much comes at once the buffer itself is given away and its lines share it; it is read into
//! again when nobody shares it any more. So a busy connection neither copies what it reads nor asks for new memory at every
//! read, which the allocator would give back to the system and fetch again page by page.

use std::collections::VecDeque;
use std::io;
use std::task::{Poll, ready};

use bytes::buf::Limit;
use bytes::{BufMut, BytesMut};

use crate::limits::{READ_BUFFERS_LENT_MAX, READ_BYTES_MAX};

/// From so many bytes on a buffer is given away: at most its other half stays unused as long as it is shared.
const LENT_BYTES_MIN: usize = READ_BYTES_MAX / 2;

/// The longest beginning of a line that is put before what is read, in bytes, so that the line is whole.
const CARRIED_BYTES_MAX: usize = 4 * 1024;

/// Room of a buffer, in bytes.
const ROOM: usize = CARRIED_BYTES_MAX + READ_BYTES_MAX;

/// The buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct ReadBuffers {
    /// Empty. Nobody shares it.
    next: BytesMut,
    /// Those given away, the oldest first, as far as they are to come back.
    lent: VecDeque<BytesMut>,
}

impl ReadBuffers {
    /// Appends to `unfinished` what `read` puts into a buffer, which is at most [`READ_BYTES_MAX`]. Returns how much that was.
    pub(super) fn poll_read(
        &mut self,
        unfinished: &mut BytesMut,
        read: impl FnOnce(&mut Limit<&mut BytesMut>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let is_carried = unfinished.len() <= CARRIED_BYTES_MAX;
        let carried = if is_carried { unfinished.len() } else { 0 };
        self.next.clear();
        self.next.reserve(ROOM);
        self.next.extend_from_slice(&unfinished[..carried]);
        let bytes = ready!(read(&mut (&mut self.next).limit(READ_BYTES_MAX)))?;
        if is_carried && bytes >= LENT_BYTES_MIN {
            *unfinished = self.lend();
        } else {
            unfinished.extend_from_slice(&self.next[carried..]);
        }
        Poll::Ready(Ok(bytes))
    }

    /// Gives away what was read, and finds a buffer for the next time.
    fn lend(&mut self) -> BytesMut {
        let filled = self.next.split();
        let back = self
            .lent
            .front_mut()
            .is_some_and(|oldest| oldest.try_reclaim(ROOM));
        let next = if back { self.lent.pop_front() } else { None };
        if self.lent.len() == READ_BUFFERS_LENT_MAX {
            self.lent.pop_front();
        }
        self.lent
            .push_back(std::mem::replace(&mut self.next, next.unwrap_or_default()));
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` bytes of a value, as if a socket had them. Returns what was unfinished before and they make together.
    fn read(buffers: &mut ReadBuffers, unfinished: &[u8], value: u8, bytes: usize) -> BytesMut {
        let mut unfinished = BytesMut::from(unfinished);
        let before = unfinished.len();
        let read = buffers.poll_read(&mut unfinished, |buffer| {
            buffer.put_bytes(value, bytes);
            Poll::Ready(Ok(bytes))
        });
        assert!(matches!(read, Poll::Ready(Ok(n)) if n == bytes));
        assert_eq!(unfinished.len(), before + bytes);
        assert!(unfinished[before..].iter().all(|byte| *byte == value));
        unfinished
    }

    #[test]
    fn a_buffer_is_read_into_again_once_nobody_shares_it() {
        let mut buffers = ReadBuffers::default();
        let first = read(&mut buffers, b"begin", 1, READ_BYTES_MAX);
        let at = first.as_ptr();
        let second = read(&mut buffers, b"", 2, READ_BYTES_MAX);
        assert!(first.starts_with(b"begin\x01"), "what is shared stays as it is");
        drop(first);
        let third = read(&mut buffers, b"", 3, READ_BYTES_MAX);
        drop(second);
        let fourth = read(&mut buffers, b"", 4, READ_BYTES_MAX);
        assert!(third.as_ptr() == at || fourth.as_ptr() == at);
        assert!(third.iter().all(|byte| *byte == 3));
    }

    #[test]
    fn a_little_is_copied_and_lends_nothing() {
        let mut buffers = ReadBuffers::default();
        for _ in 0..3 {
            read(&mut buffers, b"begin", 1, LENT_BYTES_MIN - 1);
            read(&mut buffers, &[0; CARRIED_BYTES_MAX + 1], 2, READ_BYTES_MAX);
        }
        assert!(buffers.lent.is_empty());
    }

    #[test]
    fn what_does_not_come_back_is_let_go() {
        let mut buffers = ReadBuffers::default();
        let kept: Vec<_> = (0..2 * READ_BUFFERS_LENT_MAX)
            .map(|n| read(&mut buffers, b"", n as u8, LENT_BYTES_MIN))
            .collect();
        assert_eq!(buffers.lent.len(), READ_BUFFERS_LENT_MAX);
        for (n, chunk) in kept.iter().enumerate() {
            assert!(chunk.iter().all(|byte| *byte == n as u8));
        }
    }

    #[test]
    fn when_nothing_comes_nothing_changes() {
        let mut buffers = ReadBuffers::default();
        let mut unfinished = BytesMut::from(&b"begin"[..]);
        assert!(buffers.poll_read(&mut unfinished, |_| Poll::Pending).is_pending());
        assert_eq!(&unfinished[..], b"begin");
        assert_eq!(&read(&mut buffers, &unfinished, b'!', 1)[..], b"begin!");
    }
}
