//! What one visitor may take of the page: connections, and time for half a request or half a message.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use proto::limits::{self, WEB_LINE_BYTES_MAX};
use proto::net::ServerLimits;
use proto::net::web::PageAddress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{get, open, open_with, start, start_at, text};

#[tokio::test]
async fn behind_a_proxy_everybody_has_bounds_of_their_own() {
    let address = PageAddress {
        url: Some("https://mirror.example.org".parse().unwrap()),
        ..PageAddress::from("127.0.0.1:0")
    };
    let one_each = ServerLimits {
        connections_per_address_max: 1,
        ..ServerLimits::default()
    };
    let running = start_at(address, one_each).await;
    let page = get(running.address, "/", "mirror.example.org").await;
    assert!(page.contains("upgrade-insecure-requests"), "{page}");
    let mut sockets = Vec::new();
    for (visitor, greeting) in [
        ("192.0.2.1", r#"{"service":"mirror""#),
        ("192.0.2.2", r#"{"service":"mirror""#),
        ("192.0.2.2", r#"{"event":"error","code":"too_many_connections""#),
    ] {
        let headers = [
            ("Host", "mirror.example.org"),
            ("Origin", "https://mirror.example.org"),
            ("X-Forwarded-For", visitor),
        ];
        let mut socket = open_with(running.address, &headers).await.unwrap();
        let told = text(&mut socket).await;
        assert!(told.starts_with(greeting), "{visitor}: {told}");
        sockets.push(socket);
    }
}

/// Strangers that send nothing, half a line, or half a head.
async fn strangers(address: SocketAddr) -> Vec<TcpStream> {
    let mut strangers = Vec::new();
    for sent in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: "] {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(sent.as_bytes()).await.unwrap();
        strangers.push(stranger);
    }
    strangers
}

#[tokio::test]
async fn half_a_request_holds_up_no_shutdown() {
    let running = start().await;
    let _strangers = strangers(running.address).await;
    // All are accepted before this one is.
    assert!(
        get(running.address, "/", &running.address.to_string())
            .await
            .ends_with("hello")
    );
    running.shutdown.begin();
    running.page.await.unwrap().unwrap();
}

#[tokio::test]
async fn half_a_request_is_not_waited_for_and_so_many_are_too_many() {
    let running = start().await;
    let host = running.address.to_string();
    let mut all = Vec::new();
    while all.len() < limits::WEB_CONNECTIONS_MAX {
        all.extend(strangers(running.address).await);
    }
    // One more than the places is closed without a word.
    let mut response = String::new();
    let mut beyond = TcpStream::connect(running.address).await.unwrap();
    let _ = beyond
        .write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
        .await;
    let closed = beyond.read_to_string(&mut response).await;
    assert!(closed.is_err() || response.is_empty(), "{response}");
    // In their time all of them are gone; hyper tells some of them why.
    for stranger in &mut all {
        let _ = stranger.read_to_end(&mut Vec::new()).await;
    }
    assert!(get(running.address, "/", &host).await.ends_with("hello"));
}

/// The head of a WebSocket frame from a client, whose mask changes nothing.
fn frame_head(is_last: bool, is_first: bool, bytes: usize) -> Vec<u8> {
    let (end, text) = (u8::from(is_last) << 7, u8::from(is_first));
    let mut head = vec![end | text, 0xff];
    head.extend_from_slice(&(bytes as u64).to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    head
}

/// The server ends the connection instead of waiting for the rest.
async fn check_ended(case: &str, sent: &[u8]) {
    let running = start().await;
    let mut socket = open(running.address, Some(&format!("http://{}", running.address)))
        .await
        .unwrap();
    text(&mut socket).await;
    socket.get_mut().write_all(sent).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
    let told = told.unwrap_or_else(|_| panic!("{case}: it waits for the rest"));
    assert!(!matches!(&told, Some(Ok(Message::Text(_)))), "{case}: {told:?}");
}

#[tokio::test]
async fn a_message_longer_than_a_line_is_not_waited_for() {
    let too_long = WEB_LINE_BYTES_MAX + 1;
    check_ended("one frame", &frame_head(true, true, too_long)).await;
    let half = [frame_head(false, true, too_long / 2), vec![b' '; too_long / 2]].concat();
    let rest = [frame_head(false, false, too_long / 2), vec![b' '; too_long / 2]].concat();
    check_ended("many frames", &[half, rest].concat()).await;
}
