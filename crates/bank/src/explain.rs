//! What to do about a bank that does not start, or data that cannot be worked on, in the words of the command line.

use bank::{AuditFailure, SetupError, StartError, StoreError};
use proto::net::cli::{hinted, not_listening};

/// What to do about a start; `page` is where the page was to listen.
pub(crate) fn start(error: StartError, page: Option<&str>) -> anyhow::Error {
    let hint = match error {
        StartError::Listen(error) => {
            let flag = if page == Some(error.address()) {
                "--http"
            } else {
                "--listen"
            };
            return not_listening(error, flag);
        }
        StartError::Store(error) => return setup(error.into()),
        StartError::Setup(error) => return setup(error),
        StartError::ExamplesExposed { .. } => {
            "give accounts of your own with --accounts and a new --data, or change these PINs first"
        }
        StartError::CheapPinsExposed { .. } => "leave --pin-cost away",
    };
    hinted(error, hint)
}

/// What to do about a command that did not work on the data.
pub(crate) fn command(error: anyhow::Error) -> anyhow::Error {
    let error = error.downcast::<SetupError>().or_else(|error| {
        let store = error
            .downcast::<StoreError>()
            .or_else(|error| match error.downcast()? {
                AuditFailure::Store(error) => Ok(error),
                other => Err(other.into()),
            });
        store.map(SetupError::from)
    });
    error.map_or_else(|error| error, setup)
}

fn setup(error: SetupError) -> anyhow::Error {
    let hint = match &error {
        SetupError::Filled(_) => "name an empty directory with --data",
        SetupError::ExamplesExposed => "give accounts of your own with --accounts FILE",
        SetupError::Store(StoreError::InUse(_)) => "end that process, or name another directory with --data",
        SetupError::Store(StoreError::NoBank(_)) => "name the directory of a bank with --data",
        SetupError::Store(StoreError::Io { what: "use", .. }) => {
            "name a directory that this user may write to with --data"
        }
        _ => return error.into(),
    };
    hinted(error, hint)
}
