//! What a customer can do about an error, in the words of the command line.

use bank::client::OperationError;
use bank::codes::KEY_REUSED;
use proto::net::ConnectError;

/// What helps.
pub(crate) fn hint(error: &OperationError) -> Option<String> {
    match error {
        OperationError::Refused(told) if told.is(KEY_REUSED) => {
            Some("this key belongs to another operation; leave --key away for a new one".to_owned())
        }
        OperationError::NothingDone {
            connect: Some(error), ..
        } if matches!(**error, ConnectError::WrongServer { .. }) => {
            Some("name the bank's address with --server".to_owned())
        }
        OperationError::NothingDone {
            told: Some(_),
            connect: None,
        } => error.hint(),
        OperationError::NothingDone { .. } => Some(
            "is the bank running? start one with `cargo run -p bank`, or name its address with --server"
                .to_owned(),
        ),
        OperationError::OutcomeUnknown { key: Some(key), .. } => Some(format!(
            "repeat it as a command with --key {key}: it is done once, however often you ask"
        )),
        _ => error.hint(),
    }
}
