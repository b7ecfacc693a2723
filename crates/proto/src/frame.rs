//! Cutting a stream of bytes into lines.
//!
//! Lines end with `\n` or `\r\n`; blank lines mean nothing. A line that is too long is reported once and skipped to
//! its end, however long it is, without being kept. Whole lines are handed out together, as a [`Batch`], because the
//! services handle together what arrived together.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;

use crate::error::{WireError, codes};
use crate::limits::LINE_BYTES_MAX;

/// Why a line could not be taken. The next line is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The line is longer than allowed.
    #[error("the line is longer than {line_bytes_max} bytes")]
    TooLong {
        /// The bound, in bytes without the newline.
        line_bytes_max: usize,
    },
}

impl From<FrameError> for WireError {
    fn from(error: FrameError) -> Self {
        let FrameError::TooLong { .. } = error;
        WireError::new(codes::LINE_TOO_LONG, error.to_string())
    }
}

/// A [`Decoder`] from bytes to batches of lines.
///
/// It never fails, so a stream around it never ends on a bad line: what is wrong with a line stands in its place in
/// the batch.
#[derive(Debug)]
pub struct LineDecoder {
    line_bytes_max: usize,
    /// Bytes at the front of the buffer that hold no newline.
    scanned: usize,
    /// The line that begins the buffer is too long and was reported; it ends at the next newline.
    skipping: bool,
}

/// Whole lines that arrived together. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    lines: Bytes,
    line_bytes_max: usize,
    /// The line after these is too long; its beginning has been dropped.
    then_too_long: bool,
}

impl LineDecoder {
    /// A decoder for lines of at most `line_bytes_max` bytes, not counting the newline.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            line_bytes_max,
            scanned: 0,
            skipping: false,
        }
    }

    /// Changes the bound for the lines that are decoded from now on.
    pub fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        self.line_bytes_max = line_bytes_max;
    }

    /// Drops what belongs to a line already reported as too long. True when the buffer begins with a line.
    fn skip(&mut self, buffer: &mut BytesMut) -> bool {
        if self.skipping {
            match memchr::memchr(b'\n', buffer) {
                Some(newline) => {
                    let _ = buffer.split_to(newline + 1);
                    self.skipping = false;
                }
                None => buffer.clear(),
            }
        }
        !self.skipping
    }
}

impl Default for LineDecoder {
    fn default() -> Self {
        Self::new(LINE_BYTES_MAX)
    }
}

impl Decoder for LineDecoder {
    type Item = Batch;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Batch>> {
        if !self.skip(buffer) {
            return Ok(None);
        }
        let lines = match memchr::memrchr(b'\n', &buffer[self.scanned..]) {
            Some(newline) => buffer.split_to(self.scanned + newline + 1).freeze(),
            None => Bytes::new(),
        };
        // A carriage return may be the first half of the newline that makes the line just short enough.
        let then_too_long = buffer.len() > self.line_bytes_max + 1
            || buffer.len() == self.line_bytes_max + 1 && buffer.last() != Some(&b'\r');
        if then_too_long {
            buffer.clear();
            self.skipping = true;
        }
        self.scanned = buffer.len();
        if lines.is_empty() && !then_too_long {
            return Ok(None);
        }
        Ok(Some(Batch {
            lines,
            line_bytes_max: self.line_bytes_max,
            then_too_long,
        }))
    }

    /// A last line without a newline was cut off by the end of the stream: it is dropped, not guessed at.
    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Batch>> {
        let batch = self.decode(buffer)?;
        if batch.is_none() {
            buffer.clear();
            self.scanned = 0;
        }
        Ok(batch)
    }
}

impl Batch {
    /// The lines in the order of their arrival, without their newlines and without blank ones.
    #[must_use]
    pub fn lines(&self) -> Lines<'_> {
        Lines {
            rest: &self.lines,
            line_bytes_max: self.line_bytes_max,
            then_too_long: self.then_too_long,
        }
    }

    /// The bytes that `line`, one of [`lines`](Self::lines), shares with this batch; no copy.
    ///
    /// # Panics
    ///
    /// If `line` is not of this batch.
    #[must_use]
    pub fn share(&self, line: &[u8]) -> Bytes {
        self.lines.slice_ref(line)
    }
}

/// The lines of a [`Batch`].
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
    line_bytes_max: usize,
    then_too_long: bool,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(newline) = memchr::memchr(b'\n', self.rest) {
            let line = self.rest[..newline]
                .strip_suffix(b"\r")
                .unwrap_or(&self.rest[..newline]);
            self.rest = &self.rest[newline + 1..];
            if line.len() > self.line_bytes_max {
                return Some(Err(FrameError::TooLong {
                    line_bytes_max: self.line_bytes_max,
                }));
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(Ok(line));
            }
        }
        std::mem::take(&mut self.then_too_long).then_some(Err(FrameError::TooLong {
            line_bytes_max: self.line_bytes_max,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOO_LONG: &str = "<too long>";

    /// What a decoder with a bound of 8 bytes makes of the pieces, line by line.
    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = LineDecoder::new(8);
        let mut buffer = BytesMut::new();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(batch) = decoder.decode(&mut buffer).unwrap() {
                lines.extend(batch.lines().map(|line| match line {
                    Ok(line) => String::from_utf8_lossy(line).into_owned(),
                    Err(FrameError::TooLong { .. }) => TOO_LONG.to_owned(),
                }));
            }
            assert!(
                buffer.len() <= 9,
                "no more than one line that may still be short enough is kept"
            );
        }
        lines
    }

    #[test]
    fn lines_are_cut_at_newlines_and_blank_ones_are_nothing() {
        assert_eq!(
            decode(&[b"one\ntwo\r\n\n \t\nthr", b"ee\nrest"]),
            ["one", "two", "three"]
        );
    }

    #[test]
    fn the_bound_is_exact() {
        assert_eq!(decode(&[b"12345678\n12345678\r\n"]), ["12345678", "12345678"]);
        assert_eq!(decode(&[b"12345678\r", b"\nnext\n"]), ["12345678", "next"]);
        assert_eq!(decode(&[b"123456789\nnext\n"]), [TOO_LONG, "next"]);
        assert_eq!(decode(&[b"12345678\rX\nnext\n"]), [TOO_LONG, "next"]);
    }

    #[test]
    fn a_long_line_is_reported_once_and_skipped_to_its_end() {
        let endless = [b'x'; 100];
        assert_eq!(
            decode(&[b"ok\n", &endless, &endless, &endless, b"x\nnext\n"]),
            ["ok", TOO_LONG, "next"]
        );
        assert_eq!(decode(&[&endless]), [TOO_LONG]);
    }

    #[test]
    fn a_line_cut_off_by_the_end_is_dropped() {
        let mut decoder = LineDecoder::default();
        let mut buffer = BytesMut::from(&b"one\ntw"[..]);
        assert_eq!(
            decoder.decode_eof(&mut buffer).unwrap().unwrap().lines().count(),
            1
        );
        assert!(decoder.decode_eof(&mut buffer).unwrap().is_none());
        assert!(buffer.is_empty());
    }

    #[test]
    fn every_split_point_gives_the_same_lines() {
        let stream = b"one\r\n\ntwo\n1234567890\nthree\n12345678\r\nend\n";
        let whole = decode(&[stream]);
        assert_eq!(whole, ["one", "two", TOO_LONG, "three", "12345678", "end"]);
        for at in 0..=stream.len() {
            assert_eq!(decode(&[&stream[..at], &stream[at..]]), whole, "split at {at}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(stream in "[ab\r\n]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(&pieces), decode(&[stream.as_bytes()]));
        }
    }
}
