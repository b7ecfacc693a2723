//! What a client of a server meets: replies in order, stamps by the rules, upkeep without its doing.

use std::time::Duration;

use proto::net::{Client, ClientSettings, Dialer, ServerLimits};

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
