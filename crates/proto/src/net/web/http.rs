//! HTTP connections within bounds. `axum::serve` has none: who sends half a request would hold a file for ever, and a
//! shutdown with it. A WebSocket is counted here until it is upgraded; then it is a connection of the service.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Extension};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::limits::{ACCEPT_BACKOFF, WEB_CONNECTIONS_MAX, WEB_GRACE, WEB_HEADER_MAX};
use crate::net::backoff::Backoff;
use crate::net::shutdown::Shutdown;

/// Serves `router` until `shutdown` begins, and what is being answered then to its end within [`WEB_GRACE`].
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let places = Arc::new(Semaphore::new(WEB_CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    let mut backoff = Backoff::new(ACCEPT_BACKOFF);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.begun() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a request for now");
                tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => continue,
                    () = shutdown.begun() => break,
                }
            }
        };
        backoff.reset();
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%address, "page request refused: too many");
            metrics::counter!("connections_refused_total").increment(1);
            continue;
        };
        let router = router.clone().layer(Extension(ConnectInfo(address)));
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            answer(stream, address, router, &shutdown).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn answer(stream: TcpStream, address: SocketAddr, router: Router, shutdown: &Shutdown) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(WEB_HEADER_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            match timeout(WEB_GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!(%address, "page request cut off"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "page request ended early");
    }
}
