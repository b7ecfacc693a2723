//! Every bound of the bank, with its unit and its reason.

/// Bytes of a journal segment: small enough to be read into memory at once, large enough that a second of the
/// heaviest load fits into one.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Entries between two snapshots: a few seconds of replay at a start.
pub const SNAPSHOT_ENTRIES_DEFAULT: u64 = 8_000_000;

/// Encoded entries, in bytes, that may wait for the store; more operations wait, holding their accounts. A batch of
/// this size takes a few milliseconds to write.
pub const PENDING_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Smallest journal segment: any batch must fit.
pub const SEGMENT_BYTES_MIN: u64 = 2 * PENDING_BYTES_MAX as u64;

/// Entries since the last snapshot from which on closing makes one: fewer are replayed in no time.
pub const SNAPSHOT_AT_CLOSE_ENTRIES: u64 = 100_000;
