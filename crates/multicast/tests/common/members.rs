//! Members on addresses of this machine.

use browser::own_address;
use lamport::ProcessId;
use multicast::Members;

/// P1 to Pn, at addresses that stay theirs whether anybody listens or not.
pub(crate) fn members(count: usize) -> Members {
    let member = |n| (ProcessId::new(&format!("P{n}")).unwrap(), own_address());
    Members::new((1..=count).map(member)).unwrap()
}
