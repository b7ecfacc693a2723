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

/// Lamport times that are reserved on the disk ahead of their use: half of it lasts some 0.3 s at the heaviest load, far longer
/// than a sync takes, and a crash makes the clock jump by so much at most: 2^33 crashes fit before its end.
pub const STAMPS_AHEAD: u64 = 1 << 20;

/// How far beyond the journal's last time the clock goes on when the file `stamps` was lost: 2^48. For so much to have been
/// used since the last change, stamps of the worst kind must have come for 194 days, or over 1,000 restarts, without a
/// single change among them. 31 such recoveries fit before the end of time.
pub const STAMPS_RECOVERY_LEAP: u64 = 1 << 48;

/// Refusals of one account that are remembered at once, and after how long one more is. A refusal under a key costs the
/// journal as much as the smallest deposit; at this pace an account adds 9 MB of entries a day to it with refusals.
pub const REFUSALS_PER_ACCOUNT_MAX: u32 = 1000;
/// See [`REFUSALS_PER_ACCOUNT_MAX`].
pub const REFUSAL_FORGIVEN_AFTER: std::time::Duration = std::time::Duration::from_secs(1);
/// Accounts whose refusals are counted; beyond this, what is closest to being forgiven is forgotten first.
pub const REFUSALS_COUNTED_MAX: usize = 100_000;

/// Longest idempotency key, in bytes: a UUID fits twice.
pub const KEY_BYTES_MAX: usize = 64;

/// Longest name of a holder, in bytes.
pub const HOLDER_BYTES_MAX: usize = 200;

/// Lines of a statement, if the request does not say.
pub const STATEMENT_DEFAULT: u64 = 20;

/// Most lines of a statement: as many as surely fit into one frame.
pub const STATEMENT_MAX: u64 = 300;

/// Longest line, in bytes, before a login: what a stranger may make us hold.
pub const STRANGER_LINE_BYTES_MAX: usize = 4 * 1024;

/// Requests of a connection that are received together: enough that what each costs by itself hardly counts, and few enough
/// that while they are handled they take less memory than what they were read into.
pub const RECEIVED_TOGETHER_MAX: usize = 128;

/// PINs hashed at once: each takes 19 MiB and one core for some 20 ms, and transfers need the cores too.
pub const HASHES_RUNNING_MAX: usize = 1;

/// Logins that may wait for their PIN to be hashed; one more is told `busy`. The last of them waits some 5 s.
pub const HASHES_WAITING_DEFAULT: usize = 256;

/// Wrong PINs that one address may send for one account before it has to wait.
pub const WRONG_PINS_PER_ACCOUNT_DEFAULT: u32 = 5;

/// Wrong PINs that one address may send altogether before it has to wait.
pub const WRONG_PINS_PER_ADDRESS_DEFAULT: u32 = 50;

/// How long until one more wrong PIN is forgiven. At this pace 10,000 PINs take three and a half days.
pub const WRONG_PIN_FORGIVEN_AFTER: std::time::Duration = std::time::Duration::from_secs(30);

/// Pairs of account and address, and addresses, that are remembered for wrong PINs. Beyond this, what is closest to
/// being forgiven is forgotten first.
pub const WRONG_PINS_REMEMBERED_MAX: usize = 100_000;
