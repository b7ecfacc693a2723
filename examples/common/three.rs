//! A group of P1, P2 and P3 on loopback, for the examples.

use lamport::ProcessId;
use multicast::Members;
use tokio::net::TcpListener;

/// Members at addresses that nobody listens on yet.
pub(crate) async fn three_members() -> anyhow::Result<Members> {
    at([
        free_address().await?,
        free_address().await?,
        free_address().await?,
    ])
}

/// P1, P2 and P3 at these addresses.
pub(crate) fn at(addresses: [String; 3]) -> anyhow::Result<Members> {
    let ids = ["P1", "P2", "P3"].map(|id| ProcessId::new(id).expect("a short name"));
    Ok(Members::new(ids.into_iter().zip(addresses))?)
}

async fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string())
}
