//! What to do about a member that does not start, in the words of its command line.

use multicast::{DataError, JoinError, MembersError};
use proto::net::cli::hinted;

/// What to do about a group file.
pub(super) fn members(error: MembersError) -> anyhow::Error {
    match error {
        MembersError::Read { .. } => {
            hinted(error, "name one with --group FILE, or leave it out for P1 to P3")
        }
        other => other.into(),
    }
}

/// What to do about a join.
pub(super) fn join(error: JoinError) -> anyhow::Error {
    let hint = match &error {
        JoinError::NotAMember(_) => "--id names one of the members in the --group file",
        JoinError::Listen { .. } => {
            "is this member running already? --group FILE gives other addresses, each HOST:PORT"
        }
        JoinError::SecretNeeded(_) => "start all members with the same --secret-file, or listen on localhost",
        JoinError::Data(DataError::Io { .. }) => {
            "name one that this user may write to with --data, or keep nothing with --memory"
        }
        JoinError::NowhereToKeep => "name one with --data, without --memory",
        JoinError::HasJournal(_) => {
            "start it with --durable, or remove the journal: then the member begins where the others last knew it"
        }
        _ => return error.into(),
    };
    hinted(error, hint)
}
