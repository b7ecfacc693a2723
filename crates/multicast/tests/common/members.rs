//! Members on ports of this machine that are theirs for as long as the test's process lives, whether anybody listens or not.

use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use lamport::ProcessId;
use multicast::Members;

/// The ports in use, the first and how many: below those that systems give to connections by themselves (Linux from 32768 on).
/// Among those, the port of a member that is away would sooner or later be somebody's who dials.
const PORTS: (u32, u32) = (12_000, 20_000);

/// P1 to Pn.
pub(crate) fn members(count: usize) -> Members {
    let member = |n| (ProcessId::new(&format!("P{n}")).unwrap(), address());
    Members::new((1..=count).map(member)).unwrap()
}

/// An address on which nobody else listens. Tests agree about who has a port by its UDP namesake, which is held to the end.
fn address() -> String {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let (first, count) = PORTS;
    // Tests that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(97);
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        assert!(tried < count, "no port is free");
        let port = first + start.wrapping_add(tried) % count;
        let address = format!("127.0.0.1:{port}");
        let Ok(hold) = UdpSocket::bind(&address) else {
            continue;
        };
        if TcpListener::bind(&address).is_ok() {
            HELD.lock().unwrap().push(hold);
            return address;
        }
    }
}
