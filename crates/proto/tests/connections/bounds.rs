//! What is bounded: how many connections, how long they may take, what they may leave unread or get wrong.

use std::sync::Arc;
use std::time::Duration;

use proto::codes;
use proto::net::{
    Client, ClientSettings, Closed, Connection, ConnectionSettings, Dialer, Listener, OutboxLimits,
    ServerLimits, Shutdown, Turn, serve,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::echo::{ECHO, connection_limits, line, raw, start};

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_is_told_so() {
    let server = start(ServerLimits {
        connections_max: 1,
        ..ServerLimits::default()
    });
    let dialer = Dialer::Memory(server.connector.clone());
    let (first, _events) = Client::connect(&dialer, ClientSettings::new("echo"))
        .await
        .unwrap();
    let refused = Client::connect(&dialer, ClientSettings::new("echo"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("too_many_connections"), "{refused}");
    drop(first);
    while Client::connect(&dialer, ClientSettings::new("echo"))
        .await
        .is_err()
    {
        tokio::task::yield_now().await;
    }
}

/// Over real sockets, in a crowd: some are turned away when the accept loop has used up what the runtime lets a task do at a
/// stretch.
#[tokio::test]
async fn everyone_too_many_is_told_so() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_address().unwrap().unwrap();
    let limits = ServerLimits {
        connections_max: 1,
        ..ServerLimits::default()
    };
    let hold = |connection: Connection| async move {
        let _held = connection;
        std::future::pending().await
    };
    tokio::spawn(serve(listener, ECHO, limits, Shutdown::new(), hold));
    let mut crowd: Vec<_> = (0..100)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    for stream in crowd.drain(1..) {
        stream.set_nonblocking(true).unwrap();
        let mut said = String::new();
        let mut stream = TcpStream::from_std(stream).unwrap();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.contains(codes::TOO_MANY_CONNECTIONS.as_str()), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_establish_is_timed_out_however_busy() {
    let mut server = start(ServerLimits::default());
    let mut stream = raw(&server).await;
    // One byte a second: the stream is never silent, and never gets anywhere.
    let end = loop {
        tokio::select! {
            end = server.ends.recv() => break end,
            () = tokio::time::sleep(Duration::from_secs(1)) => { let _ = stream.get_mut().write_all(b"x").await; }
        }
    };
    assert_eq!(end, Some(Closed::HandshakeTimedOut));
    assert!(
        line(&mut stream)
            .await
            .contains(codes::HANDSHAKE_TIMEOUT.as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn silence_is_pinged_and_then_ended_and_a_pong_keeps_alive() {
    let mut server = start(ServerLimits::default());
    let mut silent = raw(&server).await;
    silent.write_all(b"{\"id\":1,\"text\":\"hi\"}\n").await.unwrap();
    assert_eq!(
        line(&mut silent).await,
        r#"{"lamport":2,"id":1,"ok":{"text":"hi"}}"#
    );
    let begun = tokio::time::Instant::now();
    assert_eq!(line(&mut silent).await, r#"{"event":"ping"}"#);
    assert_eq!(begun.elapsed().as_secs(), 30);
    silent.write_all(b"{\"op\":\"pong\"}\n").await.unwrap();
    assert_eq!(line(&mut silent).await, r#"{"event":"ping"}"#);
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!(server.ends.recv().await, Some(Closed::TimedOut));
    assert_eq!(begun.elapsed().as_secs(), 105);
    assert!(line(&mut silent).await.contains(codes::IDLE_TIMEOUT.as_str()));
    assert_eq!(line(&mut silent).await, "");
}

/// What a connection does not read while it works on something cannot count as its peer's silence.
#[tokio::test(start_paused = true)]
async fn who_is_not_read_is_not_silent() {
    let (mut listener, connector) = Listener::memory();
    let mut peer = connector.connect().await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let settings = Arc::new(ConnectionSettings {
        handshake: None,
        ..ConnectionSettings::default()
    });
    let mut connection = Connection::new(stream, address, "c".into(), settings, &Shutdown::new());
    peer.write_all(b"{}\n").await.unwrap();
    let work = tokio::time::sleep(Duration::from_secs(200));
    connection.write_while(work).await.unwrap();
    assert!(matches!(connection.turn().await, Turn::Received(_)));
    let begun = tokio::time::Instant::now();
    assert!(matches!(connection.turn().await, Turn::Closed(Closed::TimedOut)));
    assert_eq!(begun.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_its_replies_is_not_read_and_ended_as_slow() {
    let outbox = OutboxLimits {
        soft_bytes: 10_000,
        hard_bytes: 20_000,
    };
    let mut server = start(connection_limits(ConnectionSettings {
        outbox,
        ..ConnectionSettings::default()
    }));
    let mut stream = raw(&server).await;
    let request = format!("{{\"id\":1,\"text\":\"{}\"}}\n", "x".repeat(1000));
    let mut sent = 0;
    let end = loop {
        tokio::select! {
            end = server.ends.recv() => break end,
            wrote = stream.get_mut().write_all(request.as_bytes()) => match wrote {
                Ok(()) => sent += 1,
                Err(_) => break server.ends.recv().await,
            }
        }
    };
    assert_eq!(end, Some(Closed::Slow));
    assert!(
        sent < 500,
        "{sent} requests of 1 kB were taken although no reply was read"
    );
}

#[tokio::test(start_paused = true)]
async fn broken_framing_is_answered_and_ended_after_a_few() {
    let server = start(ServerLimits::default());
    let mut stream = raw(&server).await;
    for n in 1..=8 {
        stream.write_all(b"not json\n").await.unwrap();
        let told = line(&mut stream).await;
        assert!(
            told.starts_with(&format!(
                r#"{{"lamport":{n},"event":"error","code":"invalid_json""#
            )),
            "{told}"
        );
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}
