//! Which requests are let in, and what a browser must enforce.

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{ask, get, open, start, text};

#[tokio::test]
async fn the_page_comes_with_its_policy_and_nothing_else_is_there() {
    let running = start().await;
    let host = running.address.to_string();
    let page = get(running.address, "/", &host).await;
    assert!(
        page.starts_with("HTTP/1.1 200") && page.ends_with("<!doctype html>hello"),
        "{page}"
    );
    assert!(
        page.contains("content-security-policy: default-src 'none'"),
        "{page}"
    );
    assert!(page.contains("x-content-type-options: nosniff"), "{page}");
    assert!(get(running.address, "/healthz", &host).await.ends_with("ok\n"));
    assert!(
        get(running.address, "/../Cargo.toml", &host)
            .await
            .starts_with("HTTP/1.1 404")
    );
    assert!(
        get(running.address, "/", "evil.example")
            .await
            .starts_with("HTTP/1.1 403")
    );
}

#[tokio::test]
async fn foreign_origins_and_binary_messages_are_refused() {
    let running = start().await;
    for origin in [Some("http://evil.example"), Some("null"), None] {
        match open(running.address, origin).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403, "{origin:?}"),
            other => panic!("{origin:?}: {other:?}"),
        }
    }
    let own = format!("http://{}", running.address);
    let mut socket = open(running.address, Some(&own)).await.unwrap();
    text(&mut socket).await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
        panic!("it is told why")
    };
    assert_eq!(u16::from(frame.code), 1003, "unsupported data");
}

#[tokio::test]
async fn a_browser_is_told_what_to_enforce_whatever_is_asked_for() {
    let running = start().await;
    let host = running.address.to_string();
    for path in ["/", "/wire.js", "/metrics", "/healthz", "/nothing"] {
        let response = get(running.address, path, &host).await;
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; \
             img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            "cache-control: no-cache\r\n",
        ] {
            assert!(response.contains(header), "{path}: {header:?} in {response}");
        }
    }
}

/// A name that somebody points at this machine reaches nothing, whatever it asks for.
#[tokio::test]
async fn a_foreign_host_is_let_in_nowhere() {
    let running = start().await;
    for host in ["evil.example", "127.0.0.1:1", "localhost:1", ""] {
        for path in ["/", "/wire.js", "/ws", "/metrics", "/healthz", "/nothing"] {
            let response = get(running.address, path, host).await;
            assert!(
                response.starts_with("HTTP/1.1 403"),
                "{host:?} {path}: {response}"
            );
        }
    }
    let response = ask(running.address, "GET /metrics HTTP/1.0\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.0 403"), "no host: {response}");
}
