//! Making `stamps` anew where the file is lost, from what the journal still tells.
//!
//! The journal bounds the times that were used from below only: each entry holds when its request was received, but what
//! was answered since, and every request that changed nothing, moved the clock further. How far nobody knows; that it was not
//! beyond [`STAMPS_RECOVERY_LEAP`] is as good as certain, because hostile stamps too move a clock with real time alone.

use std::path::Path;

use lamport::TIME_MAX;

use super::StoreError;
use super::disk::{Directory, Disk};
use super::place::{Cursor, Marks};
use super::presence::require;
use super::scan::scan;
use super::stamps::Stamps;
use crate::limits::STAMPS_RECOVERY_LEAP;

/// Makes the file that says which Lamport times were used in `directory` anew, where it is missing or damaged, and returns the
/// time after which the bank goes on: beyond every one that can have been used.
///
/// # Errors
///
/// [`StoreError`]; `StampsKept` when the file is whole.
pub fn recover_stamps(directory: &Path) -> Result<u64, StoreError> {
    require(directory)?;
    recover_on(&Directory::claim(directory)?)
}

pub(super) fn recover_on(disk: &dyn Disk) -> Result<u64, StoreError> {
    let names = disk
        .list()
        .map_err(StoreError::io("list", "the data directory"))?;
    match Stamps::open(disk, &names) {
        Ok(_) => return Err(StoreError::StampsKept),
        Err(StoreError::NoStamps | StoreError::Damaged { .. }) => {}
        Err(other) => return Err(other),
    }
    let mut highest = 0;
    scan(disk, Cursor::START, None, &mut Marks::default(), &mut |entry| {
        highest = entry.lamport.max(highest);
        Ok(())
    })?;
    let mark = beyond(highest);
    Stamps::create(disk, mark)?;
    Ok(mark)
}

/// A time beyond all that were used, if the largest that an entry holds is `highest`.
fn beyond(highest: u64) -> u64 {
    // Near the end of time as far as leaves as much again, so that the bank can go on at all.
    highest + STAMPS_RECOVERY_LEAP.min((TIME_MAX - highest) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovered_mark_leaves_times_to_go_on() {
        let check = |highest, mark| assert_eq!(beyond(highest), mark, "{highest}");
        check(0, STAMPS_RECOVERY_LEAP);
        check(7, 7 + STAMPS_RECOVERY_LEAP);
        check(
            TIME_MAX - 2 * STAMPS_RECOVERY_LEAP,
            TIME_MAX - STAMPS_RECOVERY_LEAP,
        );
        check(TIME_MAX - 10, TIME_MAX - 5);
        check(TIME_MAX, TIME_MAX);
    }
}
