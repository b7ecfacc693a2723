//! A connection seen from its task: what its outbox refuses, and in which order it writes.

use std::sync::Arc;

use bytes::Bytes;
use proto::net::{Closed, Connection, ConnectionSettings, Listener, OutboxLimits, Pushed, Shutdown, Turn};
use tokio::io::AsyncReadExt as _;

#[tokio::test(start_paused = true)]
async fn an_outbox_above_its_hard_mark_refuses_events_and_tells_when_it_drained() {
    let (mut listener, connector) = Listener::memory();
    let mut peer = connector.connect().await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let outbox = OutboxLimits {
        soft_bytes: 100_000,
        hard_bytes: 200_000,
    };
    let settings = Arc::new(ConnectionSettings {
        outbox,
        ..ConnectionSettings::default()
    });
    let mut connection = Connection::new(stream, address, "c".into(), settings, &Shutdown::new());
    let chunk = Bytes::from(vec![b'\n'; 60_000]);
    let outbox = connection.outbox().clone();
    let pushed: Vec<Pushed> = (0..4).map(|_| outbox.push(chunk.clone())).collect();
    assert_eq!(
        pushed,
        [Pushed::Queued, Pushed::Pressing, Pushed::Pressing, Pushed::Full]
    );
    assert_eq!(outbox.queued_bytes(), 180_000);
    let reading = tokio::spawn(async move {
        let mut bytes = vec![0; 180_000];
        peer.read_exact(&mut bytes).await.unwrap();
        peer
    });
    connection.write_while(outbox.relieved()).await.unwrap();
    assert!(outbox.queued_bytes() <= 100_000);
    assert!(matches!(connection.turn().await, Turn::Drained));
    assert_eq!(outbox.queued_bytes(), 0);
    let peer = reading.await.unwrap();
    drop(peer);
    assert!(matches!(connection.turn().await, Turn::Closed(Closed::Ended)));
    drop(connection);
    assert_eq!(outbox.push(chunk), Pushed::Closed);
}

#[tokio::test(start_paused = true)]
async fn claimed_lines_go_first_then_added_ones_then_the_rest() {
    let (mut listener, connector) = Listener::memory();
    let mut peer = connector.connect().await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let mut connection = Connection::new(stream, address, "c".into(), Arc::default(), &Shutdown::new());
    let outbox = connection.outbox().clone();
    assert_eq!(outbox.push_reply(Bytes::from_static(b"reply\n")), Pushed::Queued);
    connection.claim_queued();
    assert_eq!(outbox.push(Bytes::from_static(b"live\n")), Pushed::Queued);
    connection.write_next(Bytes::from_static(b"replay\n"));
    connection.finish().await;
    let mut lines = String::new();
    peer.read_to_string(&mut lines).await.unwrap();
    assert_eq!(lines, "reply\nreplay\nlive\n");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_relieved_when_its_peer_has_read_enough() {
    let (mut listener, connector) = Listener::memory();
    let mut peer = connector.connect().await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let mut connection = Connection::new(stream, address, "c".into(), Arc::default(), &Shutdown::new());
    connection.relieve().await.unwrap();
    let soft = OutboxLimits::default().soft_bytes;
    connection.queue(vec![b'\n'; 2 * soft].into());
    let mut bytes = vec![0; soft - 1];
    let outbox = connection.outbox().clone();
    {
        let mut relieved = std::pin::pin!(connection.relieve());
        tokio::select! {
            biased;
            _ = &mut relieved => panic!("nothing was read"),
            read = peer.read_exact(&mut bytes[..1]) => assert_eq!(read.unwrap(), 1),
        }
        let (relieved, read) = tokio::join!(relieved, peer.read_exact(&mut bytes));
        assert_eq!((relieved.unwrap(), read.unwrap()), ((), soft - 1));
    }
    assert!(outbox.queued_bytes() <= soft);
    // Who reads nothing is not waited for.
    connection.queue(vec![b'\n'; 2 * soft].into());
    assert_eq!(connection.relieve().await, Err(Closed::Slow));
}
