//! How connections end: by a shutdown, and by the peer closing its half.

use std::time::Duration;

use proto::ReplyError;
use proto::net::{Client, ClientSettings, Closed, Dialer, Listener, ServerLimits, Shutdown, Turn, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::echo::{ECHO, raw, start};

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

/// Requests whose replies are more than a pipe holds, and then nothing more: every reply is still written to who reads it.
#[tokio::test(start_paused = true)]
async fn who_closes_its_half_still_gets_every_reply() {
    const REQUESTS: usize = 60;
    let mut server = start(ServerLimits::default());
    let mut stream = raw(&server).await;
    let text = "x".repeat(10_000);
    for id in 1..=REQUESTS {
        let request = format!("{{\"id\":{id},\"text\":\"{text}\"}}\n");
        stream.get_mut().write_all(request.as_bytes()).await.unwrap();
    }
    stream.get_mut().shutdown().await.unwrap();
    // The server has read the end, and has more to write than the pipe takes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    assert!(replies.ends_with("}\n"), "no reply is cut in two");
    assert_eq!(replies.lines().count(), REQUESTS);
    assert_eq!(server.ends.recv().await, Some(Closed::Ended));
}

#[tokio::test(start_paused = true)]
async fn who_closes_its_half_and_does_not_read_is_not_waited_for_long() {
    let mut server = start(ServerLimits::default());
    let mut stream = raw(&server).await;
    for id in 1..=60 {
        let request = format!("{{\"id\":{id},\"text\":\"{}\"}}\n", "x".repeat(10_000));
        stream.get_mut().write_all(request.as_bytes()).await.unwrap();
    }
    stream.get_mut().shutdown().await.unwrap();
    assert_eq!(server.ends.recv().await, Some(Closed::Slow));
}
