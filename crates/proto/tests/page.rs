//! A page's requests and its WebSocket, over real TCP on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{SinkExt, StreamExt};
use proto::limits;
use proto::net::web::{Asset, Page, PageAddress};
use proto::net::{Connection, Identity, Listener, ServerLimits, Shutdown, Turn, Vitals, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

const PAGE: &[Asset] = &[Asset {
    path: "/",
    content_type: "text/html; charset=utf-8",
    body: b"<!doctype html>hello",
}];

/// A service that fails when it is told to.
#[derive(Default)]
struct Ailing(AtomicBool);

impl Vitals for Ailing {
    fn ailment(&self) -> Option<String> {
        self.0
            .load(Ordering::Relaxed)
            .then(|| "the disk is gone".to_owned())
    }

    fn measure(&self) {
        metrics::gauge!("measured_when_asked").set(7.0);
    }
}

struct Running {
    address: SocketAddr,
    ailing: Arc<Ailing>,
    shutdown: Shutdown,
    page: tokio::task::JoinHandle<std::io::Result<()>>,
    served: tokio::task::JoinHandle<bool>,
}

/// Sends every line back.
async fn mirror(mut connection: Connection) {
    loop {
        match connection.turn().await {
            Turn::Received(batch) => {
                for line in batch.lines() {
                    let line = [line.expect("tests send short lines"), b"\n"].concat();
                    let _ = connection.outbox().push_reply(line.into());
                }
            }
            Turn::Drained => {}
            Turn::ShuttingDown => return connection.finish().await,
            Turn::Closed(_) => return,
        }
    }
}

async fn start() -> Running {
    start_at("127.0.0.1:0".into(), ServerLimits::default()).await
}

async fn start_at(address: PageAddress, limits: ServerLimits) -> Running {
    let (listener, connector) = Listener::memory();
    let shutdown = Shutdown::new();
    let identity = Identity {
        service: "mirror",
        version: "1",
        process: None,
    };
    let served = tokio::spawn(serve(listener, identity, limits, shutdown.clone(), mirror));
    let ailing = Arc::new(Ailing::default());
    let page = Page::bind(address, PAGE, connector)
        .await
        .unwrap()
        .with_vitals(Arc::clone(&ailing) as Arc<dyn Vitals>);
    let address = page.local_address().unwrap();
    let page = tokio::spawn(page.serve(shutdown.clone()));
    Running {
        address,
        ailing,
        shutdown,
        page,
        served,
    }
}

async fn get(address: SocketAddr, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

async fn open(address: SocketAddr, origin: Option<&str>) -> Result<Socket, tungstenite::Error> {
    let headers: Vec<_> = origin.map(|origin| ("Origin", origin)).into_iter().collect();
    open_with(address, &headers).await
}

async fn open_with(
    address: SocketAddr,
    headers: &[(&'static str, &str)],
) -> Result<Socket, tungstenite::Error> {
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request)
        .await
        .map(|(socket, _)| socket)
}

async fn text(socket: &mut Socket) -> String {
    socket
        .next()
        .await
        .unwrap()
        .unwrap()
        .into_text()
        .unwrap()
        .to_string()
}

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
