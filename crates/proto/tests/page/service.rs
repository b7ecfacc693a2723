//! What the page passes on: lines in both directions, and how the service is.

use std::sync::atomic::Ordering;

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{get, open, start, text};

#[tokio::test]
async fn monitoring_hears_how_the_service_is() {
    let running = start().await;
    let host = running.address.to_string();
    let measured = get(running.address, "/metrics", &host).await;
    assert!(
        measured.starts_with("HTTP/1.1 200") && measured.contains("measured_when_asked 7"),
        "{measured}"
    );
    running.ailing.0.store(true, Ordering::Relaxed);
    let ailment = get(running.address, "/healthz", &host).await;
    assert!(
        ailment.starts_with("HTTP/1.1 503") && ailment.ends_with("the disk is gone\n"),
        "{ailment}"
    );
}

#[tokio::test]
async fn a_websocket_speaks_the_wire() {
    let running = start().await;
    let mut socket = open(running.address, Some(&format!("http://{}", running.address)))
        .await
        .unwrap();
    assert!(
        text(&mut socket)
            .await
            .starts_with(r#"{"service":"mirror","protocol":1"#)
    );
    socket.send(Message::text(r#"{"id":1}"#)).await.unwrap();
    assert_eq!(text(&mut socket).await, r#"{"id":1}"#);
    running.shutdown.begin();
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
        panic!("a page is told of the end")
    };
    assert_eq!(u16::from(frame.code), 1001, "going away");
    assert!(running.served.await.unwrap());
    running.page.await.unwrap().unwrap();
}
