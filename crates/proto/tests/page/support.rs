//! A page before a service that sends every line back, and who asks it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use proto::net::web::{Asset, Page, PageAddress};
use proto::net::{Connection, Identity, Listener, ServerLimits, Shutdown, Turn, Vitals, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const PAGE: &[Asset] = &[Asset {
    path: "/",
    content_type: "text/html; charset=utf-8",
    body: b"<!doctype html>hello",
}];

/// A service that fails when it is told to.
#[derive(Default)]
pub(crate) struct Ailing(pub(crate) AtomicBool);

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

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) ailing: Arc<Ailing>,
    pub(crate) shutdown: Shutdown,
    pub(crate) page: tokio::task::JoinHandle<std::io::Result<()>>,
    pub(crate) served: tokio::task::JoinHandle<bool>,
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

pub(crate) async fn start() -> Running {
    start_at("127.0.0.1:0".into(), ServerLimits::default()).await
}

pub(crate) async fn start_at(address: PageAddress, limits: ServerLimits) -> Running {
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

pub(crate) async fn get(address: SocketAddr, path: &str, host: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    ask(address, &request).await
}

/// What a request is answered.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

pub(crate) type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

pub(crate) async fn open(address: SocketAddr, origin: Option<&str>) -> Result<Socket, tungstenite::Error> {
    let headers: Vec<_> = origin.map(|origin| ("Origin", origin)).into_iter().collect();
    open_with(address, &headers).await
}

pub(crate) async fn open_with(
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

pub(crate) async fn text(socket: &mut Socket) -> String {
    socket
        .next()
        .await
        .unwrap()
        .unwrap()
        .into_text()
        .unwrap()
        .to_string()
}
