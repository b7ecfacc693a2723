//! Which refusals pass by themselves.

use proto::{Code, ToldError, codes};

use crate::codes::{BUSY, HISTORY_UNAVAILABLE, NAME_TAKEN, TOO_MANY_ROOMS};

/// Whether the same message may be said a little later.
pub(super) fn is_taken_later(error: &ToldError) -> bool {
    is_one_of(error, &[codes::RATE_LIMITED, codes::SHUTTING_DOWN])
}

/// Whether who comes back may be let into the chat, or into a room, a little later.
pub(super) fn lets_in_later(error: &ToldError) -> bool {
    let passing = [
        codes::RATE_LIMITED,
        codes::SHUTTING_DOWN,
        codes::TOO_MANY_CONNECTIONS,
        codes::INTERNAL,
        BUSY,
        // Whoever has the name now, somebody else or our own dead connection, may be gone soon.
        NAME_TAKEN,
        // A room that somebody leaves empty gives way.
        TOO_MANY_ROOMS,
        HISTORY_UNAVAILABLE,
    ];
    is_one_of(error, &passing)
}

fn is_one_of(error: &ToldError, codes: &[Code]) -> bool {
    codes.iter().any(|&code| error.is(code))
}
