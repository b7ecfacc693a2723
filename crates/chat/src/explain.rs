//! What to do about a server that does not start, in the words of its command line.

use chat::StartError;
use chat::history::OpenError;
use proto::net::cli::{hinted, not_listening};

/// What to do about a start; `flag` gave the address to listen on.
pub(crate) fn start(error: StartError, flag: &str) -> anyhow::Error {
    match error {
        StartError::Listen(error) => not_listening(error, flag),
        StartError::History(error) => history(error),
    }
}

fn history(error: OpenError) -> anyhow::Error {
    let hint = match &error {
        OpenError::Unusable { .. } => {
            "give a directory this user may write to with --data, or --memory to store nothing"
        }
        OpenError::DiskFull { .. } => "free some space, or give a directory on another disk with --data",
        OpenError::Foreign { .. } => "give another directory with --data",
        OpenError::InUse(_) => "end that process, or name another directory with --data",
        OpenError::TooNew { .. } | OpenError::Damaged { .. } => return error.into(),
    };
    hinted(error, hint)
}
