//! How many connections are inside, in total and from each host.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::server::ServerLimits;

/// Counts who is inside.
pub(super) struct Admissions {
    connections_max: usize,
    connections_per_address_max: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    total: usize,
    by_host: HashMap<IpAddr, usize>,
}

/// Counts its connection out when it is dropped.
pub(super) struct Admission {
    admissions: Arc<Admissions>,
    host: Option<IpAddr>,
}

impl Admissions {
    pub(super) fn new(limits: &ServerLimits) -> Self {
        Self {
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
            inside: Mutex::default(),
        }
    }

    /// Counts a connection in, and tells how many are inside now; nothing when it is one too many.
    pub(super) fn admit(admissions: &Arc<Self>, host: Option<IpAddr>) -> Option<(Admission, usize)> {
        let mut inside = admissions.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.total >= admissions.connections_max {
            return None;
        }
        if let Some(host) = host {
            let from_host = inside.by_host.entry(host).or_default();
            if *from_host >= admissions.connections_per_address_max {
                return None;
            }
            *from_host += 1;
        }
        inside.total += 1;
        Some((
            Admission {
                admissions: Arc::clone(admissions),
                host,
            },
            inside.total,
        ))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut inside = self
            .admissions
            .inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inside.total -= 1;
        if let Some(host) = self.host
            && let Some(from_host) = inside.by_host.get_mut(&host)
        {
            *from_host -= 1;
            if *from_host == 0 {
                inside.by_host.remove(&host);
            }
        }
        tracing::info!(active = inside.total, "connection closed");
        metrics::gauge!("connections_active").decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PeerAddress;

    #[test]
    fn counts_in_total_and_per_address() {
        let limits = ServerLimits {
            connections_max: 3,
            connections_per_address_max: 2,
            ..ServerLimits::default()
        };
        let admissions = Arc::new(Admissions::new(&limits));
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = Admissions::admit(&admissions, Some(one)).unwrap();
        let second = Admissions::admit(&admissions, Some(one)).unwrap();
        assert_eq!(second.1, 2);
        assert!(
            Admissions::admit(&admissions, Some(one)).is_none(),
            "one address has its two"
        );
        let _third = Admissions::admit(&admissions, Some(two)).unwrap();
        assert!(Admissions::admit(&admissions, None).is_none(), "three in total");
        drop(first);
        assert_eq!(Admissions::admit(&admissions, Some(one)).unwrap().1, 3);
    }

    #[test]
    fn peers_over_tcp_are_counted_by_host() {
        let peer = PeerAddress::Tcp(([127, 0, 0, 1], 7).into());
        assert_eq!(peer.host(), Some(IpAddr::from([127, 0, 0, 1])));
        assert!(peer.is_local());
    }
}
