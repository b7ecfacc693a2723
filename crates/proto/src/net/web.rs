//! A server's live page: its files, a WebSocket that speaks the wire, and what monitoring asks for.
//!
//! | path | what |
//! | --- | --- |
//! | `/` and the site's other files | the page; no build step, everything comes out of the binary |
//! | `/ws` | a connection to the service: each text message to the server is a line, each from it one or several |
//! | `/metrics` | counters in Prometheus' text format |
//! | `/healthz` | `ok` while the service may be used; 503 and why not, once it knows that it may not |
//!
//! A browser lets any page on the web talk to a server on this machine, so the page's own requests are told from
//! foreign ones: `Host` must name the address that was asked for (against DNS rebinding) or the [URL](PublicUrl) at which a proxy
//! shows the page, and `Origin`, where there is one, must be the page's own. The Content-Security-Policy lets the page load nothing from elsewhere and run no inline script.

mod bridge;
mod guard;
mod http;
mod proxied;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use super::listener::MemoryConnector;
use super::shutdown::Shutdown;
use super::vitals::Vitals;
use crate::limits::WEB_LINE_BYTES_MAX;

pub use proxied::{PageAddress, PublicUrl, PublicUrlError};

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

impl Asset {
    /// The page itself, found at `/`.
    #[must_use]
    pub const fn page(body: &'static [u8]) -> Self {
        Self {
            path: "/",
            content_type: "text/html; charset=utf-8",
            body,
        }
    }

    /// A script of the page.
    #[must_use]
    pub const fn script(path: &'static str, body: &'static [u8]) -> Self {
        Self {
            path,
            content_type: "text/javascript; charset=utf-8",
            body,
        }
    }

    /// A style sheet of the page.
    #[must_use]
    pub const fn style(path: &'static str, body: &'static [u8]) -> Self {
        Self {
            path,
            content_type: "text/css; charset=utf-8",
            body,
        }
    }
}

/// What the pages share, served beside every page's own files: `/wire.js` speaks the wire, `/state.js` says how the connection
/// is, `/base.css` is the look.
const SHARED: [Asset; 3] = [
    Asset::script("/wire.js", include_bytes!("web/wire.js")),
    Asset::script("/state.js", include_bytes!("web/state.js")),
    Asset::style("/base.css", include_bytes!("web/base.css")),
];

/// A service that is well for as long as it runs and is measured by nothing but what it counts.
struct Unwatched;

impl Vitals for Unwatched {}

struct Site {
    service: MemoryConnector,
    metrics: Option<PrometheusHandle>,
    vitals: Arc<dyn Vitals>,
    /// A proxy stands in front and names those who ask.
    proxied: bool,
    shutdown: Shutdown,
}

/// A page that listens and is not served yet.
pub struct Page {
    listener: TcpListener,
    url: Option<PublicUrl>,
    assets: &'static [Asset],
    service: MemoryConnector,
    vitals: Arc<dyn Vitals>,
}

impl Page {
    /// Listens for browsers at `address`, such as `"127.0.0.1:0"`. `service` opens their connections.
    ///
    /// With a [URL](PageAddress::url) a proxy on this machine is believed who is behind it: its `X-Forwarded-For` names the address
    /// whose bounds a connection counts towards.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the address is in use.
    pub async fn bind(
        address: impl Into<PageAddress>,
        assets: &'static [Asset],
        service: MemoryConnector,
    ) -> io::Result<Self> {
        let PageAddress { listen, url } = address.into();
        Ok(Self {
            listener: TcpListener::bind(listen).await?,
            url,
            assets,
            service,
            vitals: Arc::new(Unwatched),
        })
    }

    /// The same page, whose `/metrics` and `/healthz` ask `vitals`.
    #[must_use]
    pub fn with_vitals(self, vitals: Arc<dyn Vitals>) -> Self {
        Self { vitals, ..self }
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
        let names = Arc::new(guard::Names {
            listens_on: self.listener.local_addr()?,
            url: self.url,
        });
        let site = Arc::new(Site {
            service: self.service,
            metrics: recorder(),
            vitals: self.vitals,
            proxied: names.url.is_some(),
            shutdown: shutdown.clone(),
        });
        let mut router = Router::new()
            .route("/ws", get(open_socket))
            .route("/metrics", get(metrics))
            .route("/healthz", get(health));
        for &asset in self.assets.iter().chain(&SHARED) {
            let file = move || async move { ([(CONTENT_TYPE, asset.content_type)], asset.body) };
            router = router.route(asset.path, get(file));
        }
        let router = router
            .layer(middleware::from_fn_with_state(names, guard::guard))
            .with_state(site);
        http::serve(self.listener, router, shutdown).await;
        Ok(())
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
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

async fn health(State(site): State<Arc<Site>>) -> Response {
    match site.vitals.ailment() {
        None => "ok\n".into_response(),
        Some(ailment) => (StatusCode::SERVICE_UNAVAILABLE, format!("{ailment}\n")).into_response(),
    }
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let Some(metrics) = &site.metrics else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    site.vitals.measure();
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
    let visitor = proxied::visitor(address, &headers, site.proxied);
    upgrade
        .max_message_size(WEB_LINE_BYTES_MAX)
        .max_frame_size(WEB_LINE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            match site.service.connect_for(visitor).await {
                Ok(stream) => bridge::bridge(socket, stream, &site.shutdown).await,
                Err(error) => tracing::debug!(%error, "no connection for a page"),
            }
        })
}
