//! What the texts of a request must be: names, rooms, and what is said.

use std::borrow::Cow;

use proto::WireError;

use crate::codes::{INVALID_NAME, INVALID_ROOM, INVALID_TEXT};
use crate::limits::TEXT_BYTES_MAX;
use crate::names::{Name, NameError};

pub(super) fn checked_name(text: &str) -> Result<Name, WireError> {
    Name::member(text).map_err(|error| WireError::new(INVALID_NAME, error.to_string()))
}

pub(super) fn checked_room(text: &str) -> Result<Name, WireError> {
    Name::room(text).map_err(|error| invalid_room(&error))
}

pub(super) fn invalid_room(error: &NameError) -> WireError {
    WireError::new(INVALID_ROOM, error.to_string())
}

pub(super) fn check_text(text: &str) -> Result<(), WireError> {
    let message = match text.len() {
        0 => Cow::Borrowed("a text must not be empty"),
        1..=TEXT_BYTES_MAX => return Ok(()),
        bytes => format!("a text has at most {TEXT_BYTES_MAX} bytes, this one has {bytes}").into(),
    };
    Err(WireError::new(INVALID_TEXT, message))
}
