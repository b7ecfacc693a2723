//! Outboxes: what the thread that pushes writes itself, and how long a receiver that is behind is waited for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::net::{
    Connection, ConnectionSettings, Listener, Outbox, OutboxLimits, Patience, Pushed, Shutdown, Stream,
};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

const SOFT_BYTES: usize = 100_000;
const PATIENCE: Patience = Patience {
    stalled: Duration::from_millis(50),
    behind: Duration::from_millis(250),
};

async fn connected(mut listener: Listener, peer: impl Future<Output = Stream>) -> (Connection, Stream) {
    let (accepted, peer) = tokio::join!(listener.accept(), peer);
    let (stream, address) = accepted.unwrap();
    if let Stream::Tcp(stream) = &stream {
        stream.writable().await.unwrap();
    }
    let settings = Arc::new(ConnectionSettings {
        outbox: OutboxLimits {
            soft_bytes: SOFT_BYTES,
            ..OutboxLimits::default()
        },
        ..ConnectionSettings::default()
    });
    let connection = Connection::new(stream, address, "c".into(), settings, &Shutdown::new());
    (connection, peer)
}

async fn over_tcp() -> (Connection, Stream) {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_address().unwrap().unwrap();
    connected(listener, async move {
        Stream::Tcp(tokio::net::TcpStream::connect(address).await.unwrap())
    })
    .await
}

async fn in_memory() -> (Connection, Stream) {
    let (listener, connector) = Listener::memory();
    connected(listener, async move { connector.connect().await.unwrap() }).await
}

#[tokio::test]
async fn what_is_delivered_needs_no_task() {
    let (connection, mut peer) = over_tcp().await;
    let outbox = connection.outbox().clone();
    assert_eq!(outbox.defer(Bytes::from_static(b"one\n")), Pushed::Queued);
    assert_eq!(outbox.defer(Bytes::from_static(b"two\n")), Pushed::Queued);
    assert_eq!(outbox.queued_bytes(), 8);
    outbox.deliver();
    assert_eq!(outbox.queued_bytes(), 0);
    let mut lines = [0; 8];
    peer.read_exact(&mut lines).await.unwrap();
    assert_eq!(&lines, b"one\ntwo\n");
    drop(connection);
    assert_eq!(outbox.defer(Bytes::from_static(b"three\n")), Pushed::Closed);
    assert_eq!(
        peer.read(&mut lines).await.unwrap(),
        0,
        "no handle keeps the stream open"
    );
}

#[tokio::test]
async fn what_cannot_be_delivered_at_once_is_left_to_the_task_in_order() {
    let (mut connection, mut peer) = over_tcp().await;
    let outbox = connection.outbox().clone();
    let task = tokio::spawn(async move { connection.turn().await });
    // More than the socket takes, so that what is delivered afterwards has to wait behind it.
    let long = Bytes::from([vec![b'x'; 7_999_999], vec![b'\n']].concat());
    assert_eq!(outbox.push(long.clone()), Pushed::Pressing);
    tokio::task::yield_now().await;
    for line in ["one\n", "two\n"] {
        assert_eq!(
            outbox.defer(Bytes::from_static(line.as_bytes())),
            Pushed::Pressing
        );
        outbox.deliver();
        tokio::task::yield_now().await;
    }
    let mut received = vec![0; long.len() + 8];
    peer.read_exact(&mut received).await.unwrap();
    assert!(received[..long.len()] == long[..]);
    assert_eq!(&received[long.len()..], b"one\ntwo\n");
    drop(peer);
    task.await.unwrap();
}

#[tokio::test]
async fn nothing_is_delivered_before_what_the_task_has_claimed() {
    let (mut connection, mut peer) = over_tcp().await;
    let outbox = connection.outbox().clone();
    assert_eq!(outbox.push_reply(Bytes::from_static(b"first\n")), Pushed::Queued);
    connection.claim_queued();
    assert_eq!(outbox.defer(Bytes::from_static(b"then\n")), Pushed::Queued);
    outbox.deliver();
    connection.finish().await;
    let mut lines = String::new();
    peer.read_to_string(&mut lines).await.unwrap();
    assert_eq!(lines, "first\nthen\n");
}

#[tokio::test]
async fn of_what_is_delivered_in_part_the_rest_follows() {
    let (connection, mut peer) = over_tcp().await;
    let outbox = connection.outbox().clone();
    let chunk = |n: usize| Bytes::from(format!("{n:>59999}\n"));
    // Nobody reads, so that in the end the socket takes a part of a chunk, or nothing.
    let mut deferred = 0;
    while outbox.queued_bytes() == 0 {
        assert_eq!(outbox.defer(chunk(deferred)), Pushed::Queued);
        outbox.deliver();
        deferred += 1;
        assert!(deferred < 10_000, "a socket that nobody reads takes no gigabyte");
    }
    let finishing = tokio::spawn(connection.finish());
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    finishing.await.unwrap();
    let sent: Vec<u8> = (0..deferred).flat_map(chunk).collect();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
}

#[tokio::test]
async fn who_waits_for_a_full_queue_is_told_when_it_has_room() {
    let (mut connection, _peer) = over_tcp().await;
    let outbox = connection.outbox().clone();
    fill(&outbox);
    let waiting = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.relieved().await }
    });
    tokio::task::yield_now().await;
    // The socket would take all of it; but the task has to write it, because it tells who waits.
    outbox.deliver();
    let _ = tokio::time::timeout(Duration::from_secs(5), connection.flush()).await;
    tokio::time::timeout(Duration::from_secs(5), waiting)
        .await
        .expect("whoever waits is told")
        .unwrap();
}

#[tokio::test]
async fn what_is_deferred_in_memory_is_written_by_the_task() {
    let (mut connection, mut peer) = in_memory().await;
    let outbox = connection.outbox().clone();
    let task = tokio::spawn(async move { connection.turn().await });
    tokio::task::yield_now().await;
    assert_eq!(outbox.defer(Bytes::from_static(b"one\n")), Pushed::Queued);
    outbox.deliver();
    let mut line = [0; 4];
    peer.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"one\n");
    drop(peer);
    task.await.unwrap();
}

/// How long a sender waits for this receiver, at most five seconds.
async fn waited(outbox: &Outbox) -> Duration {
    let began = Instant::now();
    let _ = tokio::time::timeout(Duration::from_secs(5), outbox.relieved_within(PATIENCE)).await;
    began.elapsed()
}

fn fill(outbox: &Outbox) {
    assert_eq!(
        outbox.push(Bytes::from(vec![b'\n'; 4 * SOFT_BYTES])),
        Pushed::Pressing
    );
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_nothing_is_waited_for_briefly_and_then_not_at_all() {
    let (mut connection, _peer) = in_memory().await;
    let outbox = connection.outbox().clone();
    let task = tokio::spawn(async move { connection.turn().await });
    fill(&outbox);
    tokio::task::yield_now().await;
    assert_eq!(waited(&outbox).await, PATIENCE.stalled);
    assert_eq!(waited(&outbox).await, Duration::ZERO);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_crawls_is_waited_for_no_longer_than_one_that_catches_up_may_take() {
    let (mut connection, mut peer) = in_memory().await;
    let outbox = connection.outbox().clone();
    let task = tokio::spawn(async move { connection.turn().await });
    let crawling = tokio::spawn(async move {
        let mut bytes = vec![0; 1000];
        while peer.read_exact(&mut bytes).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    fill(&outbox);
    tokio::task::yield_now().await;
    let waited = waited(&outbox).await;
    assert!(
        waited > PATIENCE.stalled && waited <= PATIENCE.behind,
        "{waited:?}"
    );
    crawling.abort();
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_catches_up_is_waited_for_until_it_has() {
    let (mut connection, mut peer) = in_memory().await;
    let outbox = connection.outbox().clone();
    let task = tokio::spawn(async move { connection.turn().await });
    let reading = tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        while peer.read(&mut bytes).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for time in ["once", "and again, as if it had never been behind"] {
        fill(&outbox);
        tokio::task::yield_now().await;
        let waited = waited(&outbox).await;
        assert!(
            waited > PATIENCE.stalled && waited < PATIENCE.behind,
            "{time}: {waited:?}"
        );
        assert!(outbox.queued_bytes() <= SOFT_BYTES);
        tokio::time::sleep(PATIENCE.behind).await;
    }
    reading.abort();
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn while_the_server_is_the_slow_one_its_receivers_are_waited_for() {
    let (mut connection, mut peer) = in_memory().await;
    let outbox = connection.outbox().clone();
    fill(&outbox);
    // Nobody runs the connection, as if the thread had a thousand others to write to first.
    let (waited, ()) = tokio::join!(waited(&outbox), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let drained = tokio::spawn(async move {
            let mut bytes = vec![0; 4 * SOFT_BYTES];
            peer.read_exact(&mut bytes).await
        });
        connection.flush().await.unwrap();
        drained.await.unwrap().unwrap();
    });
    assert_eq!(waited, Duration::from_secs(1));
}
