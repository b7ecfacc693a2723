//! The lines of a trace, one after the other, in bounded memory.

use std::io::{BufRead, Read as _};

use super::limits::LINE_BYTES_MAX;
use super::read_error::ReadProblem;

/// Reads lines and counts them.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// The line read last, without its newline.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Its number, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Goes to the next line that is not blank; false at the end.
    ///
    /// # Errors
    ///
    /// If the line is too long, is cut off, or cannot be read; the next call goes on after it.
    pub(super) fn advance(&mut self) -> Result<bool, ReadProblem> {
        while self.read()? {
            if !self.is_blank() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_blank(&self) -> bool {
        self.line.iter().all(u8::is_ascii_whitespace)
    }

    /// Reads a line; false at the end.
    fn read(&mut self) -> Result<bool, ReadProblem> {
        self.line.clear();
        self.number += 1;
        let bound = LINE_BYTES_MAX as u64 + 1;
        let count = self
            .input
            .by_ref()
            .take(bound)
            .read_until(b'\n', &mut self.line)?;
        self.bytes += count as u64;
        if count == 0 {
            self.number -= 1;
            return Ok(false);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(true);
        }
        if count as u64 == bound {
            self.bytes += self.input.skip_until(b'\n')? as u64;
            return Err(ReadProblem::TooLong);
        }
        // The last line of a file that somebody edited may well lack its newline; half an object may not.
        let whole = || serde_json::from_slice::<serde::de::IgnoredAny>(&self.line).is_ok();
        if self.is_blank() || whole() {
            return Ok(true);
        }
        Err(ReadProblem::CutOff)
    }
}
