//! The 100 bytes of a message: its number at its sender, when it was sent, and filler.

use rustix::time::{ClockId, clock_gettime};

/// Bytes of a payload.
pub(crate) const PAYLOAD_BYTES: usize = 100;
const HEX: usize = 16;

/// Nanoseconds of the machine's monotonic clock, which all processes share.
pub(crate) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Writes the payload of message `number`, sent at `sent_ns` (0 if nobody asks).
pub(crate) fn fill(payload: &mut [u8; PAYLOAD_BYTES], number: u64, sent_ns: u64) {
    hex(&mut payload[..HEX], number);
    hex(&mut payload[HEX..2 * HEX], sent_ns);
}

/// A payload to fill.
pub(crate) fn blank() -> [u8; PAYLOAD_BYTES] {
    [b'x'; PAYLOAD_BYTES]
}

/// The message's number; nothing if this is no payload of ours.
pub(crate) fn number(payload: &[u8]) -> Option<u64> {
    if payload.len() != PAYLOAD_BYTES {
        return None;
    }
    unhex(&payload[..HEX])
}

fn hex(to: &mut [u8], mut value: u64) {
    for digit in to.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

fn unhex(from: &[u8]) -> Option<u64> {
    from.iter().try_fold(0, |value, &digit| match digit {
        b'0'..=b'9' => Some(value << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(value << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    })
}
