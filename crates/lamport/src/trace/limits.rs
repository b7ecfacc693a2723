//! The bounds of recording and reading, each with its unit and reason.

use std::time::Duration;

/// Longest line of a trace, in bytes without its newline: an event names what happened and carries no payload. A
/// longer event is not written but counted as dropped, a longer line is not read.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Longest label of a full line, in bytes; a longer one is cut and ends in `…`. A diagram shows some thirty characters
/// of it. In a short line it is cut after 32 bytes, unless it is the label before, and in a long run left out.
pub const LABEL_BYTES_MAX: usize = 128;

/// Longest label that a short line tells, in bytes: where many events come close together nobody reads more of each than
/// which it is, and a byte of each of a million events a second is dear.
pub(super) const SHORT_LABEL_BYTES_MAX: usize = 32;

/// Bytes gathered before they are handed to the writer at once: large enough that the system calls cost nothing,
/// small enough to stay in the cache.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes that may wait for the disk; what happens beyond is dropped and counted. Some 170,000 full lines
/// or a million short ones: a disk that stalls for a second at a million events a second loses none.
pub(super) const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Lanes of a process whose threads share a clock: some more than threads that record at the same moment, few enough that
/// all can be locked in passing.
pub(super) const LANES: usize = 8;

/// Bytes on a lane with which it is collected at once: all lanes together still fit a core's cache.
pub(super) const LANE_BYTES_FULL: usize = 64 * 1024;

/// Bytes that may wait on a lane, with those that say where each event ends; what happens beyond is dropped and counted.
/// On all lanes together as many as in the queue.
pub(super) const LANE_BYTES_MAX: usize = QUEUE_BYTES_MAX / LANES;

/// Empty chunks kept for the next burst.
pub(super) const SPARE_CHUNKS_MAX: usize = 8;

/// How long the first event of a batch may wait for others to be written with it: invisible to someone who follows
/// the file, and at most a hundred wake-ups of the writer a second.
pub(super) const LINGER: Duration = Duration::from_millis(10);

/// How close together two events of a sort must be for the second to be told by its changes, in microseconds. A person
/// never comes so close, so what people do stands in full lines.
pub(super) const TOGETHER_US: u64 = 10_000;

/// How long a number is used before it is given anew, in microseconds: what one unreadable line takes with it.
pub(super) const NUMBERED_US: u64 = 1_000_000;

/// Sorts of events that one writer knows: about twice as many as a service has in a rush.
pub(super) const SORTS_MAX: usize = 10;

/// Numbers in one file, from 0. Who finds none left writes full lines.
pub(super) const NUMBERS_MAX: usize = 1000;

/// How often a line may tell that the change before it happened again: so long a run is told in no bytes to speak of, and a
/// damaged count keeps a reader busy for no time to speak of.
pub(super) const AGAIN_MAX: u32 = 4000;

/// How many labels are told of events that come at once and otherwise only go on: as many as anybody would look at. The text of
/// each of a million messages a second would cost more than all else that is told of them.
pub(super) const LABELLED_MAX: u32 = 64;
