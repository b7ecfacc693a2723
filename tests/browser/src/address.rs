//! Addresses that stay a test's own.

use std::net::{TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports given out, the first and how many: below those that systems give to connections by themselves (Linux from 32768 on).
/// Among those, the port of a server that is away would sooner or later be somebody's who dials.
const PORTS: (u32, u32) = (12_000, 20_000);

/// An address of this machine on which nobody listens. It is given to nobody else for as long as this process lives, so that a server
/// can be killed and started again there.
///
/// # Panics
///
/// If no port is free.
#[must_use]
pub fn own_address() -> String {
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
        // Whoever has the UDP port of the same number has this one.
        let Ok(hold) = UdpSocket::bind(&address) else {
            continue;
        };
        // Listening to find out would not do: a program that another thread starts just then has the listener too, for a moment.
        if TcpStream::connect(&address).is_err() {
            HELD.lock().expect("a push does not panic").push(hold);
            return address;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_is_free_and_given_once() {
        let [one, other] = [own_address(), own_address()];
        assert_ne!(one, other);
        let _listeners = [one, other].map(|address| TcpListener::bind(address).expect("it is free"));
    }
}
