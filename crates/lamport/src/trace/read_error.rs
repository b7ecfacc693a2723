//! What may be wrong with a line of a trace.

use std::io;

use super::limits::{AGAIN_MAX, LINE_BYTES_MAX, NUMBERS_MAX};
use crate::clock::TIME_MAX;
use crate::process::ProcessIdError;

/// A line that is no record.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ReadError {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    #[source]
    pub problem: ReadProblem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// The input failed.
    #[error("cannot be read: {0}; hint: is it a file that this user may read?")]
    Io(#[from] io::Error),
    /// The line is too long for a trace.
    #[error("longer than {LINE_BYTES_MAX} bytes; hint: is this a trace?")]
    TooLong,
    /// The line has no newline: whoever wrote it was stopped in the middle.
    #[error("cut off in the middle; hint: its process was killed while writing, remove this last line")]
    CutOff,
    /// The line is neither a record nor a short line: it is no JSON, or JSON of another form.
    #[error("no record of a trace: {0}; hint: give the traces that the services wrote")]
    Json(#[from] serde_json::Error),
    /// A key that an event must have is missing.
    #[error("an event needs {0:?}")]
    Missing(&'static str),
    /// The process has an impossible name.
    #[error("{0}")]
    Process(#[from] ProcessIdError),
    /// The Lamport time is larger than a clock can show.
    #[error("the time {0} is beyond the end of the clock, {TIME_MAX}")]
    Time(u64),
    /// The kind is not one of the three.
    #[error("an event is a send, a receive or local, not {0:?}")]
    Kind(String),
    /// A short line follows no line with its number.
    #[error(
        "no line before it has the number {0}; hint: a trace with short lines is read whole, from its beginning"
    )]
    Number(u64),
    /// A line gives itself a number beyond those that there are.
    #[error("a line cannot be number {0}: a number is below {NUMBERS_MAX}")]
    NumberTooLarge(u64),
    /// A line says that what the line before tells happened again, and that one tells no change by integers.
    #[error("nothing before it could happen again; hint: is a line of the trace missing?")]
    Again,
    /// A line says that a change happened again not at all or more often than a line may say.
    #[error("{0} is not from 1 to {AGAIN_MAX} times")]
    TooOften(String),
    /// A short line does not fit the event that it follows.
    #[error("a short line that does not fit the one before it; hint: is a line of the trace missing?")]
    Unfit,
}
