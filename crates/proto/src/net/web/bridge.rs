//! Lines between a browser's WebSocket and the service.

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::BytesMut;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::codec::Decoder;

use crate::frame::{Batch, LineDecoder};
use crate::limits::LINE_BYTES_MAX;
use crate::net::shutdown::Shutdown;
use crate::net::stream::Stream;

/// Carries lines between a browser and the service until one of them ends. The two directions do not wait for each
/// other: a page that floods the service still hears why it is stopped.
pub(super) async fn bridge(socket: WebSocket, stream: Stream, shutdown: &Shutdown) {
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
