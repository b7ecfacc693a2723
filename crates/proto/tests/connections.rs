//! A server and clients in memory: greeting, replies, events, bounds, deadlines, shutdown. Time is paused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::net::{
    Client, ClientSettings, Closed, Connection, ConnectionSettings, Dialer, Identity, Listener,
    MemoryConnector, OutboxLimits, Pushed, ServerLimits, Shutdown, Turn, serve,
};
use proto::{IdField, LineWriter, OpenRequest, ReplyError, StampField, Text, codes, parse};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

const ECHO: Identity = Identity {
    service: "echo",
    version: "1.2.3",
    process: None,
};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    lamport: StampField,
    #[serde(default)]
    id: IdField,
    #[serde(borrow)]
    text: Option<Text<'a>>,
}

impl OpenRequest for Request<'_> {
    fn lamport(&self) -> StampField {
        self.lamport
    }

    fn id(&self) -> IdField {
        self.id
    }
}

/// Replies to each request with its text, and tells how the connection ended.
async fn echo(mut connection: Connection, ends: mpsc::Sender<Closed>) {
    let clock = lamport::Clock::new();
    loop {
        match connection.turn().await {
            Turn::Received(batch) => {
                for line in batch.lines().map(|line| line.expect("tests send short lines")) {
                    match parse::<Request<'_>>(line) {
                        Ok(None) => {}
                        Ok(Some(request)) => {
                            clock.receive(request.lamport.get().unwrap()).unwrap();
                            let mut reply = Vec::new();
                            let text = request.text.as_deref().unwrap_or_default();
                            LineWriter::ok(&mut reply, clock.tick().unwrap(), request.id.get().unwrap())
                                .text("text", text)
                                .end();
                            assert_ne!(connection.outbox().push_reply(reply.into()), Pushed::Closed);
                            connection.establish();
                        }
                        Err(refusal) => {
                            if !connection.refuse(clock.tick().unwrap(), &refusal) {
                                return connection.finish().await;
                            }
                        }
                    }
                }
            }
            Turn::Drained => {}
            Turn::ShuttingDown => return connection.finish().await,
            Turn::Closed(closed) => return ends.send(closed).await.expect("the test waits for the end"),
        }
    }
}

struct Server {
    connector: MemoryConnector,
    shutdown: Shutdown,
    ends: mpsc::Receiver<Closed>,
    served: tokio::task::JoinHandle<bool>,
}

fn start(limits: ServerLimits) -> Server {
    let (listener, connector) = Listener::memory();
    let shutdown = Shutdown::new();
    let (ends_tx, ends) = mpsc::channel(16);
    let served = tokio::spawn(serve(
        listener,
        ECHO,
        limits,
        shutdown.clone(),
        move |connection| echo(connection, ends_tx.clone()),
    ));
    Server {
        connector,
        shutdown,
        ends,
        served,
    }
}

fn connection_limits(connection: ConnectionSettings) -> ServerLimits {
    ServerLimits {
        connection,
        ..ServerLimits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn replies_come_in_order_and_stamps_follow_the_rules() {
    let server = start(ServerLimits::default());
    let dialer = Dialer::Memory(server.connector.clone());
    let (client, _events) = Client::connect(&dialer, ClientSettings::new("echo"))
        .await
        .unwrap();
    assert_eq!(client.greeting().version, "1.2.3");
    let mut replies = Vec::new();
    for n in 0..100 {
        replies.push(
            client
                .send("echo", |line| line.text("text", &n.to_string()))
                .await
                .unwrap(),
        );
    }
    let mut latest = 0;
    for (n, reply) in replies.into_iter().enumerate() {
        let reply = reply.await.unwrap();
        assert_eq!(
            reply.outcome.as_ref().unwrap().get(),
            format!(r#"{{"text":"{n}"}}"#)
        );
        assert!(reply.lamport > n as u64 + 1, "a reply is later than its request");
        assert!(reply.received > reply.lamport && reply.received > latest);
        latest = reply.received;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_service_is_told_so() {
    let server = start(ServerLimits::default());
    let error = Client::connect(
        &Dialer::Memory(server.connector.clone()),
        ClientSettings::new("bank"),
    )
    .await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "this process is no bank server of protocol 1"
    );
}

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

/// Opens a raw connection and reads the greeting.
async fn raw(server: &Server) -> BufReader<proto::net::Stream> {
    let mut stream = BufReader::new(server.connector.connect().await.unwrap());
    assert!(
        line(&mut stream)
            .await
            .starts_with(r#"{"service":"echo","protocol":1,"version":"1.2.3","connection":""#)
    );
    stream
}

async fn line(stream: &mut BufReader<proto::net::Stream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
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

#[tokio::test(start_paused = true)]
async fn a_client_answers_pings_by_itself() {
    let server = start(ServerLimits::default());
    let dialer = Dialer::Memory(server.connector.clone());
    let (client, _events) = Client::connect(&dialer, ClientSettings::new("echo"))
        .await
        .unwrap();
    client.request("echo", |line| line).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!client.is_over());
    assert!(client.request("echo", |line| line).await.is_ok());
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

#[tokio::test(start_paused = true)]
async fn shutdown_lets_everybody_finish() {
    let server = start(ServerLimits::default());
    let dialer = Dialer::Memory(server.connector.clone());
    let (client, mut events) = Client::connect(&dialer, ClientSettings::new("echo"))
        .await
        .unwrap();
    let reply = client
        .send("echo", |line| line.text("text", "last"))
        .await
        .unwrap();
    reply.await.unwrap();
    server.shutdown.begin();
    assert!(server.served.await.unwrap(), "nobody had to be cut off");
    assert!(events.recv().await.is_none());
    assert_eq!(
        client.request("echo", |line| line).await.unwrap_err(),
        ReplyError::Lost
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_off_who_does_not_finish() {
    let (listener, connector) = Listener::memory();
    let shutdown = Shutdown::new();
    let served = tokio::spawn(serve(
        listener,
        ECHO,
        ServerLimits::default(),
        shutdown.clone(),
        |mut connection| async move { while !matches!(connection.turn().await, Turn::Closed(Closed::CutOff)) {} },
    ));
    let _stream = connector.connect().await.unwrap();
    tokio::task::yield_now().await;
    let begun = tokio::time::Instant::now();
    shutdown.begin();
    assert!(!served.await.unwrap());
    assert_eq!(begun.elapsed(), ServerLimits::default().grace);
}

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
        [Pushed::Taken, Pushed::Pressing, Pushed::Pressing, Pushed::Full]
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
    assert_eq!(outbox.push_reply(Bytes::from_static(b"reply\n")), Pushed::Taken);
    connection.claim_queued();
    assert_eq!(outbox.push(Bytes::from_static(b"live\n")), Pushed::Taken);
    connection.write_next(Bytes::from_static(b"replay\n"));
    connection.finish().await;
    let mut lines = String::new();
    peer.read_to_string(&mut lines).await.unwrap();
    assert_eq!(lines, "reply\nreplay\nlive\n");
}
