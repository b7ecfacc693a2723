//! Every bound of the group: its name, its unit, and what it is for.
//!
//! Times are microseconds of the driver's monotonic clock, the unit of the `now` given to
//! [`Peer::step`](crate::core::Peer::step).

use std::time::Duration;

/// Most members of a group: member sets are one 64-bit word.
pub const MEMBERS_MAX: usize = 64;

/// Most messages of one sender that may be on their way to a connected member which has not acknowledged them.
/// Beyond it that member is fed from the store as it acknowledges, and the local sender waits. More would only be more memory and
/// less of it in the processor's caches; eight acknowledgements keep it open.
pub const WINDOW_MESSAGES: u64 = 8 * 1024;

/// The same bound in bytes of payload.
pub const WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// Most messages of one sender that are not known to be safe at every connected member: its window, and what waits there for the
/// application or, in causal order, for what they came after. Beyond it the local sender waits.
///
/// It is also the bound on what members keep of one another while all are connected: of each sender this and what it sends between
/// two of its statuses, [`ACK_MESSAGES`] and a batch of [`LOCAL_BATCH_MAX`]. What is kept for members that are away is bounded by
/// [`RETAIN_MESSAGES`].
pub const UNSAFE_MESSAGES: u64 = WINDOW_MESSAGES + 2 * INBOX_EVENTS_MAX as u64;

/// The same bound in bytes of payload.
pub const UNSAFE_BYTES: u64 = WINDOW_BYTES + 2 * INBOX_BYTES_MAX as u64;

/// Window after something seems lost, in messages: it doubles with every sign of progress.
pub const WINDOW_AFTER_LOSS: u64 = 32;

/// How far above a gap in one sender's sequence messages are kept, in messages. Later ones are dropped and asked
/// for again.
pub const HOLD_MAX: u64 = WINDOW_MESSAGES;

/// Messages kept for members that do not have them, over all senders. Beyond it the oldest are given up and the
/// member that was away so long is told which.
pub const RETAIN_MESSAGES: u64 = 1_000_000;

/// The same bound in bytes of payload.
pub const RETAIN_BYTES: u64 = 256 * 1024 * 1024;

/// Messages received, or sent, before an acknowledgement is sent without waiting for [`ACK_AFTER`] or [`HEARTBEAT_AFTER`].
pub const ACK_MESSAGES: u64 = 1024;

/// The same in bytes of payload.
pub const ACK_BYTES: u64 = WINDOW_BYTES / 8;

/// An acknowledgement follows the first unacknowledged message after this time: many share one.
pub const ACK_AFTER: u64 = 10_000;

/// Silence after which a member says that it is alive (its whole status).
pub const HEARTBEAT_AFTER: u64 = 200_000;

/// Silence after which a member is suspected. Suspicion informs people and lets others relay sooner, nothing else.
pub const SUSPECT_AFTER: u64 = 1_000_000;

/// A message sent and not acknowledged for this long is sent again, then after twice this time, and so on.
pub const RESEND_AFTER: u64 = 250_000;

/// Most doublings of [`RESEND_AFTER`].
pub const RESEND_DOUBLINGS_MAX: u32 = 3;

/// A member relays a message to one that still lacks it after this time, although somebody else should have sent
/// it; members with a higher number wait one [`RELAY_STEP`] more each, so that not all do it at once.
pub const RELAY_AFTER: u64 = 400_000;

/// See [`RELAY_AFTER`].
pub const RELAY_STEP: u64 = 100_000;

/// How often a member looks for what others still lack.
pub const REPAIR_EVERY: u64 = 20_000;

/// In total order, a delivery that waits longer than this is reported with the members it waits for.
pub const WAIT_TOLD_AFTER: u64 = 1_000_000;

/// Superseded incarnations of one member that are kept open for what others may lack of them. Beyond it the oldest
/// is closed, and what is missing of it is told.
pub const OLD_INCARNATIONS_MAX: usize = 8;

/// Most streams of one member that are open at a time. A look at them, every [`REPAIR_EVERY`], closes the oldest beyond
/// [`OLD_INCARNATIONS_MAX`]; until then no more than these are opened.
pub const STREAMS_MAX: usize = 2 * OLD_INCARNATIONS_MAX;

/// Gaps of one sender's sequence that an acknowledgement lists; the rest is asked for again.
pub const GAPS_TOLD_MAX: usize = 16;

/// Ranges of one sender's sequence, skipped because nobody has them, that a status lists; of what lies before them it says only that it
/// cannot be had here.
pub const LOST_TOLD_MAX: usize = 64;

/// Slots that one sender's sequence spends on skipped messages above others that wait for their turn. What lies beyond is skipped when
/// those are delivered.
pub const SKIPPED_SLOTS_MAX: usize = HOLD_MAX as usize;

/// Longest line between members, in bytes: a status of the largest group with everything open.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Longest payload, in bytes of text with the escapes it has on the wire: so what tells of a delivery fits a line there.
pub const DATA_BYTES_MAX: usize = 60 * 1024;

/// What may wait to be written on one link, in bytes. The windows bound it well below; beyond it the link begins anew.
pub const LINK_OUTBOX_BYTES: usize = 256 * 1024 * 1024;

/// A link on which nothing was heard for this long is over. Heart-beats come every [`HEARTBEAT_AFTER`].
pub const LINK_SILENCE_MAX: Duration = Duration::from_secs(5);

/// Time two members have to prove themselves to each other.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// Time a link has to write what is queued when the peer or the link ends.
pub const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Pauses between attempts to reach a member: the first, and the longest.
pub const RECONNECT_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Pauses between attempts to reach a member while one of the two refuses: somebody has to start one of them otherwise first.
pub const REFUSED_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// Events that wait for the application. Beyond it links stop reading and sends wait.
pub const INBOX_EVENTS_MAX: usize = 4 * 1024;

/// The same bound in bytes of payload.
pub const INBOX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Messages of the application that enter the core before others get at it.
pub const LOCAL_BATCH_MAX: usize = 512;

/// How many times a thread that was at the engine goes back for what links left there meanwhile, before it calls the task that
/// keeps the time: a link's, an application's or the journal's thread has its own work to do. With three members that send flat out, of
/// 8,000 such threads 450 find something a second time, 130 a third, 45 a fourth, and 20 call.
pub const COMBINING_ROUNDS_MAX: usize = 4;

/// A journal is written anew when it is longer than this, in bytes, and twice as long as when it was begun.
pub const JOURNAL_BYTES_MIN: usize = 64 * 1024 * 1024;

/// Bytes of records after which a journal written anew begins another block.
pub const JOURNAL_BLOCK_BYTES: usize = 1024 * 1024;

/// Batches that wait for the disk. Beyond it the member takes no more frames and no messages.
pub const STORING_MAX: u64 = 256;

/// Bytes of payload that wait for the disk. Beyond it the member takes no messages; what the frames of one link bring is bounded by
/// [`STORING_MAX`].
pub const STORING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Frames read at once after which a link lets other tasks go first.
pub const FLOOD_FRAMES: usize = 64;

/// Deliveries kept for watchers that come back.
pub const KEPT_MESSAGES_MAX: usize = 65_536;

/// The same bound in bytes of encoded lines.
pub const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes queued for a watcher at a time: what follows waits in what is kept.
pub const WATCH_CHUNK_BYTES: usize = 256 * 1024;

/// Events of this peer that are kept for those who look on: as many as a page shows.
pub const TRACED_EVENTS_MAX: usize = 5_000;

/// Events told to one who looks on at a time.
pub const TRACE_CHUNK_EVENTS: usize = 100;

/// Pause between two such chunks: together with their size, at most 2,000 events a second and member. Nobody sees more, and a
/// group that sends flat out keeps its processors for that.
pub const TRACE_PACE: Duration = Duration::from_millis(50);

/// Events that one who looks on may be behind. Beyond it the older half is given up, and that is told.
pub const TRACE_BEHIND_MAX: u64 = TRACED_EVENTS_MAX as u64 / 2;
