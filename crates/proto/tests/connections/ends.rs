//! How connections end: by a shutdown.

use proto::ReplyError;
use proto::net::{Client, ClientSettings, Closed, Dialer, Listener, ServerLimits, Shutdown, Turn, serve};

use crate::echo::{ECHO, start};

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
