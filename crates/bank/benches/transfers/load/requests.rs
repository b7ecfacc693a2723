//! Requests of fixed width, so that the next one is the last one with other digits: a generator must not cost more than
//! what it measures.

use std::time::Instant;

use super::{ACCOUNTS, Shape};

/// The requests of one connection.
pub(super) struct Requests {
    line: Vec<u8>,
    id_at: [usize; 2],
    to_at: usize,
    key_at: Option<usize>,
    count: u64,
    random: u64,
    /// Whom this connection pays, if always the same.
    fixed_to: bool,
}

impl Requests {
    pub(super) fn new(number: usize, shape: Shape, to: Option<u32>) -> Self {
        let mut line =
            br#"{"lamport":1000000000,"id":1000000000,"op":"transfer","to":"0000000000","amount":"0.01""#
                .to_vec();
        let find = |line: &[u8], what: &[u8]| {
            memchr::memmem::find(line, what).expect("it was just written") + what.len()
        };
        let key_at = shape.keys.then(|| {
            line.extend_from_slice(br#","key":"00000000000000000000000000000000""#);
            line.len() - 33
        });
        line.extend_from_slice(b"}\n");
        let (id_at, to_at) = (
            [find(&line, b"\"lamport\":"), find(&line, b"\"id\":")],
            find(&line, b"\"to\":\""),
        );
        if let Some(at) = key_at {
            // Keys of other runs and connections begin otherwise.
            let run = Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
            let start = format!("{:016x}", mix(run ^ (number as u64) << 32 ^ started()));
            line[at..at + 16].copy_from_slice(start.as_bytes());
        }
        let mut requests = Self {
            line,
            id_at,
            to_at,
            key_at,
            count: 0,
            random: number as u64 + 1,
            fixed_to: false,
        };
        if let Some(to) = to {
            requests.digits(to_at, u64::from(to));
            requests.fixed_to = true;
        }
        requests
    }

    fn digits(&mut self, at: usize, mut value: u64) {
        for place in (at..at + 10).rev() {
            self.line[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }

    /// Appends the next request.
    pub(super) fn next(&mut self, bytes: &mut Vec<u8>) {
        self.count += 1;
        for at in self.id_at {
            self.digits(at, 1_000_000_000 + self.count);
        }
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let random = mix(self.random);
        if !self.fixed_to {
            // The accounts that pay come first and are not paid: so nobody pays itself.
            self.digits(self.to_at, 100 + random % u64::from(ACCOUNTS - 100));
        }
        if let Some(at) = self.key_at {
            for (place, nibble) in (at + 16..at + 32).zip(0..) {
                let digit = (random >> (4 * nibble) & 15) as usize;
                self.line[place] = b"0123456789abcdef"[digit];
            }
        }
        bytes.extend_from_slice(&self.line);
    }
}

/// SplitMix64's mixing step.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The time, so that a second run on the same data uses other keys.
fn started() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |age| age.as_nanos() as u64)
}
