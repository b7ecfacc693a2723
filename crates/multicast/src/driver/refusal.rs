//! What a member is told when the core refuses what it sent: a code for programs, and what to do about it.

use proto::{Code, WireError, codes};

use super::handshake::NOT_A_MEMBER;
use crate::core::Refusal;
use crate::group_file::Members;

/// A message under the receiver's own identity that it never sent.
pub(crate) const FORGED_ORIGIN: Code = Code::new("forged_origin");
/// The stamp is not above that of the origin's message before it.
pub(crate) const STAMP_ORDER: Code = Code::new("stamp_order");
/// The group knows a later life of this member.
pub(crate) const SUPERSEDED: Code = Code::new("superseded");

/// The group knows more of this member than its journal does.
pub(crate) const OUTDATED: Code = Code::new("outdated");

/// The refusal as it is told, to who sent the frame and to who reads the log.
pub(crate) fn told(refusal: &Refusal, members: &Members) -> WireError {
    let message = match refusal {
        Refusal::Stamp { origin, from } => format!(
            "a message of {}, from {}, has a stamp too far ahead of the clock here",
            members.id(*origin),
            members.id(*from)
        ),
        Refusal::StampOrder { origin } => format!(
            "a message of {} does not have a larger stamp than the one before it",
            members.id(*origin)
        ),
        other => other.to_string(),
    };
    let (code, hint) = match refusal {
        Refusal::NotNow => (codes::INTERNAL, "try again"),
        Refusal::Stamp { .. } => (
            codes::CLOCK_LEAP,
            "restart the member whose clock ran away, without its data directory",
        ),
        Refusal::StampOrder { .. } => (
            STAMP_ORDER,
            "its origin sends one sequence from two processes: every process needs its own identity and data directory",
        ),
        Refusal::Stranger { .. } => (NOT_A_MEMBER, "start all members with the same group file"),
        Refusal::Forged => (
            FORGED_ORIGIN,
            "another process runs under this identity: every process needs its own identity; with a secret strangers stay out",
        ),
        Refusal::Outdated => (
            OUTDATED,
            "the data directory was put back from a copy, or the member ran without it: remove the directory, then the member begins where the others last knew it",
        ),
        Refusal::Superseded { .. } => (
            SUPERSEDED,
            "another process runs as this member: end one of them; if there is none, the machine's clock went back and the data directory was lost: set the clock",
        ),
    };
    WireError::new(code, message).with_hint(hint)
}
