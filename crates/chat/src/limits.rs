//! Every bound of the chat service, with its unit and its reason. The wire's own bounds are [`proto::limits`].

use std::num::NonZeroUsize;
use std::time::Duration;

use proto::net::Patience;

/// Longest name of a member or a room, in characters: what fits beside a message on a narrow terminal.
pub const NAME_CHARS_MAX: usize = 32;

/// Longest run of combining marks on one character of a name. Living scripts need three; more pile up over the
/// lines above.
pub const NAME_MARKS_MAX: usize = 3;

/// Longest text of a message, in bytes. With every byte escaped (`\u001b` is six bytes for one) and the fields around
/// it, its line still fits in [`proto::limits::LINE_BYTES_MAX`].
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Shortest password, in bytes: below that, guessing is quick even at argon2's price.
pub const PASSWORD_BYTES_MIN: usize = 8;

/// Longest password, in bytes: hashing must not become work that anybody can hand us.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// Longest token by which a member takes its name over, in bytes; ours have half as many.
pub const TOKEN_BYTES_MAX: usize = 64;

/// Rooms of one server unless configured otherwise, each with what is stored of it: in memory their names, numbers and
/// members take a few MiB.
pub const ROOMS_MAX_DEFAULT: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Rooms one member may be in at the same time: its end is announced in each of them.
pub const ROOMS_PER_MEMBER_MAX: usize = 64;

/// Names that may be protected by a password on one server. All of them are kept in memory.
pub const REGISTRATIONS_MAX: usize = 100_000;

/// Names that one `who` reply lists; with [`NAME_CHARS_MAX`] characters of four bytes each they fit into one line.
pub const WHO_NAMES_MAX: usize = 400;

/// Rooms that one `rooms` reply lists; for the same reason.
pub const ROOMS_LISTED_MAX: usize = 300;

/// Events of one `history` reply unless the request says otherwise.
pub const HISTORY_LIMIT_DEFAULT: u64 = 50;

/// Most events of one `history` reply; it also ends where the line would become too long.
pub const HISTORY_LIMIT_MAX: u64 = 500;

/// Bytes of the events in one `history` reply: with what stands around them they fit into one line.
pub const HISTORY_REPLY_BYTES: usize = proto::limits::LINE_BYTES_MAX - 1024;

/// Lamport times kept in reserve for what is sent outside of requests: notices of lag, of a shutdown.
pub const CLOCK_MARGIN: u64 = 1024;

/// Requests a second that one connection may make in the long run; see [`FLOOD_BURST_DEFAULT`].
pub const FLOOD_RATE_DEFAULT: u32 = 50;

/// Requests that one connection may make at once before [`FLOOD_RATE_DEFAULT`] holds it: a pasted page is fine, a
/// program that runs away is not.
pub const FLOOD_BURST_DEFAULT: u32 = 200;

/// Passwords that are hashed at the same time; each takes 19 MiB and a core for some 20 ms.
pub const HASHES_RUNNING_MAX: usize = 2;

/// Passwords that wait for their turn; one more is refused with `busy`. Half a second of work.
pub const HASHES_WAITING_MAX: usize = 64;

/// Longest time a sender is held up after one read, whatever its receivers do. Only a server that is itself too busy
/// to write gets there: a receiver is waited for as [`RECEIVER_PATIENCE`] says.
pub const SENDER_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long senders wait for a receiver that is behind: long enough for whoever reads at all, on a busy machine too,
/// and short enough that one who does not is noticed by those only who send more than a MiB in that time.
pub const RECEIVER_PATIENCE: Patience = Patience {
    stalled: Duration::from_millis(200),
    behind: Duration::from_millis(500),
};

/// Receivers that a sender's own thread writes to after a batch; the others' tasks are woken. So many writes take about
/// as long as waking another core does.
pub const DELIVERIES_MAX: usize = 128;

/// Largest chunk that is delivered by the sender's thread, in bytes. Where more comes at once, copying it into the
/// sockets is shared among the cores.
pub const DELIVERY_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_lines_fit() {
        let line = proto::limits::LINE_BYTES_MAX;
        let name = NAME_CHARS_MAX * 4;
        assert!(TEXT_BYTES_MAX * 6 + 3 * name + 200 <= line);
        assert!(WHO_NAMES_MAX * (name + 3) + name + 100 <= line);
        assert!(ROOMS_LISTED_MAX * (name + 60) + 100 <= line);
        assert!(ROOMS_PER_MEMBER_MAX * (name + 24) + name + 100 <= line);
    }
}
