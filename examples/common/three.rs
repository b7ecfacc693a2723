//! A group of P1, P2 and P3 on loopback, for the examples.

use lamport::ProcessId;
use multicast::Members;
use proto::net::Listener;

/// Members at addresses that the system chose, and the listeners that hold these for them.
pub(crate) async fn three_members() -> anyhow::Result<(Members, [Listener; 3])> {
    let (p1, listener1) = listen().await?;
    let (p2, listener2) = listen().await?;
    let (p3, listener3) = listen().await?;
    Ok((at([p1, p2, p3])?, [listener1, listener2, listener3]))
}

/// P1, P2 and P3 at these addresses.
pub(crate) fn at(addresses: [String; 3]) -> anyhow::Result<Members> {
    let ids = ["P1", "P2", "P3"].map(|id| ProcessId::new(id).expect("a short name"));
    Ok(Members::new(ids.into_iter().zip(addresses))?)
}

async fn listen() -> anyhow::Result<(String, Listener)> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_address()?.expect("it is bound to one");
    Ok((address.to_string(), listener))
}
