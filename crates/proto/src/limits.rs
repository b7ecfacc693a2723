//! Every bound of the wire and of the connections, with its unit and its reason.
//!
//! A service may be configured to smaller or larger values where a constant ends in `_DEFAULT`; the others hold for
//! everybody.

use std::time::Duration;

/// Longest line in bytes, without its newline. Enough for any message of ours; small enough that ten thousand
/// connections that each hold one unfinished line fit in memory.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Longest WebSocket message of a page, in bytes: one line and its newline.
pub const WEB_LINE_BYTES_MAX: usize = LINE_BYTES_MAX + 1;

/// HTTP connections of a page at once: a browser opens six. WebSockets count as connections of the service.
pub const WEB_CONNECTIONS_MAX: usize = 256;

/// How long an HTTP connection may take to send the head of a request, or to think of another one.
pub const WEB_HEADER_MAX: Duration = Duration::from_secs(10);

/// How long a request that is being answered may take to end at a shutdown.
pub const WEB_GRACE: Duration = Duration::from_secs(1);

/// Deepest nesting of objects and arrays in a line. Ours are flat; the rest is room for unknown fields.
pub const DEPTH_MAX: usize = 32;

/// Characters of what serde found wrong that an `invalid_field` repeats to who sent it: enough to recognise it, and the answer
/// fits a line whatever was sent.
pub const QUOTE_CHARS_MAX: usize = 80;

/// Framing errors (line too long, not UTF-8, not JSON, too deep) after which a connection is closed: a peer that
/// makes so many does not speak this protocol.
pub const FRAME_ERRORS_MAX: u32 = 8;

/// Bytes taken from a socket at once: the largest batch of requests handled together.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// Read buffers of a thread whose lines are still shared and that are waited for, to be read into again.
pub const READ_BUFFERS_LENT_MAX: usize = 32;

/// Chunks handed to one system call for writing; the kernel takes at most 1024.
pub const WRITE_CHUNKS_MAX: usize = 64;

/// Chunks that one delivery from another connection's thread writes: nearly always it is one.
pub const DELIVER_CHUNKS_MAX: usize = 8;

/// Queued bytes above which a connection's outbox asks its writers to slow down.
pub const OUTBOX_SOFT_BYTES_DEFAULT: usize = 1024 * 1024;

/// Queued bytes above which an outbox takes no further events. Chunks are shared among receivers, so a thousand
/// connections that lag together hold these bytes once, not a thousand times.
pub const OUTBOX_HARD_BYTES_DEFAULT: usize = 8 * 1024 * 1024;

/// How long a connection may take nothing of what is queued for it before it is closed as `slow`.
pub const WRITE_STALL_DEFAULT: Duration = Duration::from_secs(8);

/// How long a connection may take from its opening to its first successful join or login.
pub const HANDSHAKE_DEFAULT: Duration = Duration::from_secs(30);

/// Silence after which the server sends a ping.
pub const PING_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);

/// Silence after which a connection is closed as timed out; twice the ping interval and a little, so that one lost
/// pong does not end it.
pub const IDLE_DEFAULT: Duration = Duration::from_secs(75);

/// Connections of one server.
pub const CONNECTIONS_DEFAULT: usize = 10_240;

/// Connections of one server from one address: everybody behind one router still fits, one host cannot take all.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 10_240;

/// How long connections may take to finish after a shutdown was asked for.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(5);

/// First and longest pause of the accept loop when the system has no file descriptor or memory for a connection.
pub const ACCEPT_BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// First and longest pause between two attempts of a client to reconnect.
pub const RECONNECT_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long a client waits for a connection and its greeting.
pub const CONNECT_DEFAULT: Duration = Duration::from_secs(5);

/// Requests that a client may have on their way; one more waits.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 32 * 1024;

/// Events that a client holds for its user; beyond that it stops reading, and the server's bounds take over.
pub const CLIENT_EVENTS_MAX: usize = 4096;

/// Connections that wait at an in-memory listener.
pub const MEMORY_BACKLOG_MAX: usize = 1024;

/// Bytes that an in-memory connection holds in each direction.
pub const MEMORY_PIPE_BYTES: usize = 64 * 1024;
