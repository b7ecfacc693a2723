//! A server's live page: its files, a WebSocket that speaks the wire, and what monitoring asks for.
//!
//! | path | what |
//! | --- | --- |
//! | `/` and the site's other files | the page; no build step, everything comes out of the binary |
//! | `/ws` | a connection to the service: each text message to the server is a line, each from it one or several |
//! | `/metrics` | counters in Prometheus' text format |
//! | `/healthz` | `ok` while the server accepts |
//!
//! A browser lets any page on the web talk to a server on this machine, so the page's own requests are told from
//! foreign ones: `Host` must name the address that was asked for (against DNS rebinding) and `Origin`, where there is one, must be the
//! page's own. The Content-Security-Policy lets the page load nothing from elsewhere and run no inline script.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::BytesMut;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_util::codec::Decoder;

use super::listener::MemoryConnector;
use super::shutdown::Shutdown;
use super::stream::Stream;
use crate::frame::{Batch, LineDecoder};
use crate::limits::{LINE_BYTES_MAX, WEB_LINE_BYTES_MAX};

/// A file of a page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Where it is found: `/` or `/app.js`.
    pub path: &'static str,
    /// Its media type: `text/html; charset=utf-8`.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
}

/// What the pages share, served beside every page's own files: `/wire.js` speaks the wire, `/base.css` is the look.
const SHARED: [Asset; 2] = [
    Asset {
        path: "/wire.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_bytes!("web/wire.js"),
    },
    Asset {
        path: "/base.css",
        content_type: "text/css; charset=utf-8",
        body: include_bytes!("web/base.css"),
    },
];

const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Site {
    service: MemoryConnector,
    metrics: Option<PrometheusHandle>,
    /// What `Host` may say, besides an address of this machine's loopback when we listen there.
    listens_on: SocketAddr,
    shutdown: Shutdown,
}

/// A page that listens and is not served yet.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    assets: &'static [Asset],
    service: MemoryConnector,
}

impl Page {
    /// Listens for browsers at `address`; port 0 takes a free one. `service` opens their connections.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the address is in use.
    pub async fn bind(
        address: impl ToSocketAddrs,
        assets: &'static [Asset],
        service: MemoryConnector,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            assets,
            service,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves the page's files, what all pages share, and the browsers' connections until `shutdown` begins.
    ///
    /// # Errors
    ///
    /// What the system says of the listener.
    ///
    /// # Panics
    ///
    /// If two files have the same path, or one has the path of what every page has.
    pub async fn serve(self, shutdown: Shutdown) -> io::Result<()> {
        let site = Arc::new(Site {
            service: self.service,
            metrics: recorder(),
            listens_on: self.listener.local_addr()?,
            shutdown: shutdown.clone(),
        });
        let mut router = Router::new()
            .route("/ws", get(open_socket))
            .route("/metrics", get(metrics))
            .route("/healthz", get(|| async { "ok\n" }));
        for &asset in self.assets.iter().chain(&SHARED) {
            let file = move || async move { ([(CONTENT_TYPE, asset.content_type)], asset.body) };
            router = router.route(asset.path, get(file));
        }
        let router = router
            .layer(middleware::from_fn_with_state(Arc::clone(&site), guard))
            .with_state(site);
        axum::serve(
            self.listener,
            router.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(async move { shutdown.begun().await })
        .await
    }
}

/// What this process has recorded since its first page was served; nothing if somebody else's recorder is in place.
/// The process has one recorder, however many pages it serves: that is how the `metrics` crate works.
fn recorder() -> Option<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        PrometheusBuilder::new()
            .install_recorder()
            .inspect_err(|error| tracing::warn!(%error, "metrics are not recorded"))
            .ok()
    };
    RECORDER.get_or_init(install).clone()
}

/// Lets only the page's own requests through, and adds what a browser must enforce.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = site.check_source(request.headers()) {
        tracing::warn!(reason = refusal, "page request refused");
        return (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response();
    }
    let mut response = next.run(request).await;
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Site {
    fn check_source(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let text = |name| {
            headers
                .get(name)
                .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
        };
        let host = text(HOST).ok_or("the request names no host")?;
        if !self.is_own_host(host) {
            return Err("the host is not this server's; hint: open the page by the address it listens on");
        }
        match text(ORIGIN) {
            Some(origin) if origin.strip_prefix("http://") != Some(host) => Err("the origin is another page"),
            _ => Ok(()),
        }
    }

    /// On loopback only names of loopback are ours; elsewhere any literal address is, because a rebinding attack needs a name.
    fn is_own_host(&self, host: &str) -> bool {
        let port = self.listens_on.port();
        let name = host.strip_suffix(&format!(":{port}")).unwrap_or(host);
        let address = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>();
        match address {
            Ok(address) => !self.listens_on.ip().is_loopback() || address.is_loopback(),
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let Some(metrics) = &site.metrics else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    metrics.run_upkeep();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.render(),
    )
        .into_response()
}

async fn open_socket(
    State(site): State<Arc<Site>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Every browser says where a WebSocket comes from; who does not is not one, and can speak TCP.
    if !headers.contains_key(ORIGIN) {
        return (StatusCode::FORBIDDEN, "a WebSocket must name its origin\n").into_response();
    }
    upgrade
        .max_message_size(WEB_LINE_BYTES_MAX)
        .max_frame_size(WEB_LINE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            match site.service.connect_for(address).await {
                Ok(stream) => bridge(socket, stream, &site.shutdown).await,
                Err(error) => tracing::debug!(%error, "no connection for a page"),
            }
        })
}

/// Carries lines between a browser and the service until one of them ends. The two directions do not wait for each
/// other: a page that floods the service still hears why it is stopped.
async fn bridge(socket: WebSocket, stream: Stream, shutdown: &Shutdown) {
    let (from_service, to_service) = tokio::io::split(stream);
    let (mut to_page, from_page) = socket.split();
    let code = tokio::select! {
        code = carry_to_service(from_page, to_service) => code,
        code = carry_to_page(from_service, &mut to_page) => code,
    };
    let code = if shutdown.has_begun() {
        close_code::AWAY
    } else {
        code
    };
    // The page may be gone already.
    let _ = to_page
        .send(Message::Close(Some(CloseFrame {
            code,
            reason: "".into(),
        })))
        .await;
}

/// Returns the code to close with.
async fn carry_to_service(mut from_page: SplitStream<WebSocket>, mut to_service: WriteHalf<Stream>) -> u16 {
    while let Some(Ok(message)) = from_page.next().await {
        let line = match message {
            Message::Text(line) => line,
            Message::Binary(_) => return close_code::UNSUPPORTED,
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => break,
        };
        if to_service.write_all(line.as_bytes()).await.is_err() || to_service.write_all(b"\n").await.is_err()
        {
            break;
        }
    }
    close_code::NORMAL
}

/// Returns the code to close with.
async fn carry_to_page(
    mut from_service: ReadHalf<Stream>,
    to_page: &mut SplitSink<WebSocket, Message>,
) -> u16 {
    let mut decoder = LineDecoder::new(LINE_BYTES_MAX);
    let mut buffer = BytesMut::new();
    while from_service
        .read_buf(&mut buffer)
        .await
        .is_ok_and(|bytes| bytes > 0)
    {
        while let Ok(Some(batch)) = decoder.decode(&mut buffer) {
            if to_page.send(Message::text(text_of(&batch))).await.is_err() {
                return close_code::NORMAL;
            }
        }
    }
    close_code::NORMAL
}

fn text_of(batch: &Batch) -> String {
    let lines = batch.lines().filter_map(Result::ok).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listens_on: &str, host: &str, origin: Option<&str>) -> bool {
        let (_, service) = super::super::listener::Listener::memory();
        let site = Site {
            service,
            metrics: None,
            listens_on: listens_on.parse().unwrap(),
            shutdown: Shutdown::new(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        site.check_source(&headers).is_ok()
    }

    #[test]
    fn the_page_itself_gets_through() {
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
            assert!(check("127.0.0.1:8080", host, None), "{host}");
            assert!(
                check("127.0.0.1:8080", host, Some(&format!("http://{host}"))),
                "{host}"
            );
        }
        assert!(check(
            "0.0.0.0:8080",
            "192.0.2.7:8080",
            Some("http://192.0.2.7:8080")
        ));
    }

    #[test]
    fn foreign_pages_and_rebound_names_do_not() {
        for origin in [
            "http://evil.example",
            "https://127.0.0.1:8080",
            "http://127.0.0.1:9090",
            "null",
        ] {
            assert!(
                !check("127.0.0.1:8080", "127.0.0.1:8080", Some(origin)),
                "{origin}"
            );
        }
        for host in ["evil.example:8080", "evil.example", "192.0.2.7:8080"] {
            assert!(!check("127.0.0.1:8080", host, None), "{host}");
        }
        assert!(!check("0.0.0.0:8080", "evil.example:8080", None));
    }
}
