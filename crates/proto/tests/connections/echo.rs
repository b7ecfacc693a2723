//! The server of these tests: it echoes a text, stamps by the rules, and tells how each connection ended.

use lamport::Clock;
use proto::net::{
    Closed, Connection, ConnectionSettings, Identity, Listener, MemoryConnector, Pushed, ServerLimits,
    Shutdown, Stream, Turn, serve,
};
use proto::{IdField, LineWriter, OpenRequest, StampField, Text, parse};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;

pub(super) const ECHO: Identity = Identity {
    service: "echo",
    version: "1.2.3",
    process: None,
};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    lamport: StampField,
    #[serde(default)]
    id: IdField,
    #[serde(borrow)]
    text: Option<Text<'a>>,
}

impl OpenRequest for Request<'_> {
    fn lamport(&self) -> StampField {
        self.lamport
    }

    fn id(&self) -> IdField {
        self.id
    }
}

/// Replies to each request with its text, and tells how the connection ended.
async fn echo(mut connection: Connection, ends: mpsc::Sender<Closed>) {
    let clock = Clock::new();
    loop {
        match connection.turn().await {
            Turn::Received(batch) => {
                for line in batch.lines().map(|line| line.expect("tests send short lines")) {
                    match parse::<Request<'_>>(line) {
                        Ok(None) => {}
                        Ok(Some(request)) => {
                            clock.receive(request.lamport.get().unwrap()).unwrap();
                            let mut reply = Vec::new();
                            let text = request.text.as_deref().unwrap_or_default();
                            LineWriter::ok(&mut reply, clock.tick().unwrap(), request.id.get().unwrap())
                                .text("text", text)
                                .end();
                            assert_ne!(connection.outbox().push_reply(reply.into()), Pushed::Closed);
                            connection.establish();
                        }
                        Err(refusal) => {
                            if !connection.refuse(clock.tick().unwrap(), &refusal) {
                                return connection.finish().await;
                            }
                        }
                    }
                }
            }
            Turn::Drained => {}
            Turn::ShuttingDown => return connection.finish().await,
            Turn::Closed(closed) => return ends.send(closed).await.expect("the test waits for the end"),
        }
    }
}

pub(super) struct Server {
    pub(super) connector: MemoryConnector,
    pub(super) shutdown: Shutdown,
    pub(super) ends: mpsc::Receiver<Closed>,
    pub(super) served: tokio::task::JoinHandle<bool>,
}

pub(super) fn start(limits: ServerLimits) -> Server {
    let (listener, connector) = Listener::memory();
    let shutdown = Shutdown::new();
    let (ends_tx, ends) = mpsc::channel(16);
    let served = tokio::spawn(serve(
        listener,
        ECHO,
        limits,
        shutdown.clone(),
        move |connection| echo(connection, ends_tx.clone()),
    ));
    Server {
        connector,
        shutdown,
        ends,
        served,
    }
}

pub(super) fn connection_limits(connection: ConnectionSettings) -> ServerLimits {
    ServerLimits {
        connection,
        ..ServerLimits::default()
    }
}

/// Opens a raw connection and reads the greeting.
pub(super) async fn raw(server: &Server) -> BufReader<Stream> {
    let mut stream = BufReader::new(server.connector.connect().await.unwrap());
    assert!(
        line(&mut stream)
            .await
            .starts_with(r#"{"service":"echo","protocol":1,"version":"1.2.3","connection":""#)
    );
    stream
}

pub(super) async fn line(stream: &mut BufReader<Stream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}
