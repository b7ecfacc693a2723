//! Why a member left by itself.

use proto::WireError;

use crate::durable::journal::JournalError;

/// Why a member left by itself: nothing is sent or delivered any more, and the program has to be started again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The journal cannot be written.
    #[error("the journal failed: {0}")]
    Journal(JournalError),
    /// What the group knows of this member shows that this process is not its latest life.
    #[error("{}; hint: {}", .0.message, .0.hint.as_deref().unwrap_or("none"))]
    Disowned(WireError),
    /// A thread of it panicked.
    #[error(
        "the member died of a fault in the program, which stderr tells; hint: start it again, and report the fault"
    )]
    Panicked,
}
