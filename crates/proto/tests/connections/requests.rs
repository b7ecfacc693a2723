//! What a client of a server meets: replies in order, stamps by the rules, upkeep without its doing.

use std::time::Duration;

use proto::ReplyError;
use proto::limits::{IDLE_DEFAULT, LINE_BYTES_MAX};
use proto::net::{Client, ClientSettings, Dialer, Listener, ServerLimits};
use tokio::io::AsyncWriteExt as _;

use crate::echo::start;

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
async fn a_request_that_fits_no_line_is_refused_and_the_others_are_answered() {
    let server = start(ServerLimits::default());
    let dialer = Dialer::Memory(server.connector.clone());
    let (client, _events) = Client::connect(&dialer, ClientSettings::new("echo"))
        .await
        .unwrap();
    // The second text itself is short enough; written with its escapes it is not.
    let mut replies = Vec::new();
    for text in ["before", &"\u{7f}".repeat(LINE_BYTES_MAX / 6), "after"] {
        replies.push(client.send("echo", |line| line.text("text", text)).await.unwrap());
    }
    let [before, long, after] = replies.try_into().unwrap();
    let refused = long.await.unwrap().outcome.unwrap_err();
    assert_eq!(refused.code, "line_too_long");
    for (reply, text) in [(before, "before"), (after, "after")] {
        let told = reply.await.unwrap().outcome.unwrap();
        assert_eq!(told.get(), format!(r#"{{"text":"{text}"}}"#));
    }
}

/// What is too long for a client is not left out: whoever goes on behind it would not know of it.
#[tokio::test]
async fn a_line_of_the_server_that_is_too_long_ends_the_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialer = Dialer::Tcp(listener.local_addr().unwrap().to_string());
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let greeting = r#"{"service":"echo","protocol":1,"version":"1.2.3","connection":"1"}"#;
        let event = |text: &str| format!(r#"{{"lamport":1,"event":"said","text":"{text}"}}"#);
        let lines = [
            greeting.to_owned(),
            event("before"),
            event(&"x".repeat(LINE_BYTES_MAX)),
            event("after"),
        ];
        let lines = lines.join("\n") + "\n";
        // The client may hang up before all of it is written.
        let _ = stream.write_all(lines.as_bytes()).await;
        stream
    };
    let connecting = Client::connect(&dialer, ClientSettings::new("echo"));
    let (_stream, connected) = tokio::join!(serving, connecting);
    let (client, mut events) = connected.unwrap();
    let before = events.recv().await.unwrap();
    assert!(before.line.ends_with(br#""before"}"#));
    assert!(events.recv().await.is_none(), "nothing behind a gap");
    assert!(client.is_over());
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

/// A machine that lost its power, or its network, closes nothing.
#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_given_up() {
    let (mut listener, connector) = Listener::memory();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let greeting = br#"{"service":"echo","protocol":1,"version":"1.2.3","connection":"1"}"#;
        stream.write_all(greeting).await.unwrap();
        stream.write_all(b"\n").await.unwrap();
        stream
    };
    let dialer = Dialer::Memory(connector);
    let (_stream, connected) = tokio::join!(serving, Client::connect(&dialer, ClientSettings::new("echo")));
    let (client, mut events) = connected.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(
        client.request("echo", |line| line).await.unwrap_err(),
        ReplyError::Lost
    );
    assert_eq!(begun.elapsed(), IDLE_DEFAULT);
    assert!(events.recv().await.is_none() && client.is_over());
}
