//! A server in this process, and connections to it, line by line.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bank::{PinCost, RunError, Server, Settings};
use proto::net::Shutdown;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A server on a port of its own.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    shutdown: Shutdown,
    ended: JoinHandle<Result<(), RunError>>,
}

pub(crate) fn settings(data: &Path) -> Settings {
    Settings {
        data: data.to_owned(),
        pin_cost: PinCost::LEAST,
        ..Settings::default()
    }
}

pub(crate) async fn start(settings: Settings) -> Running {
    let server = Server::bind("127.0.0.1:0", settings).await.unwrap();
    let (address, shutdown) = (server.local_address().unwrap(), Shutdown::new());
    let ended = tokio::spawn(server.run(shutdown.clone()));
    Running {
        address,
        shutdown,
        ended,
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.ended.await.unwrap().unwrap();
    }
}

/// A connection whose greeting was read.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut wire = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        let greeting = wire.receive().await;
        assert_eq!(
            (&greeting["service"], &greeting["protocol"]),
            (&json!("bank"), &json!(1))
        );
        assert!(greeting.get("lamport").is_none());
        wire
    }

    /// A connection that is logged in.
    pub(crate) async fn log_in(address: SocketAddr, account: &str) -> Self {
        let mut wire = Self::open(address).await;
        let reply = wire
            .ask(json!({"id": 0, "op": "login", "account": account, "pin": "1234"}))
            .await;
        assert_eq!(reply["ok"]["account"], account, "{reply}");
        wire
    }

    pub(crate) async fn send(&mut self, line: &str) {
        self.0
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Value {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.0.read_line(&mut line));
        assert!(
            read.await.expect("an answer in time").unwrap() > 0,
            "the connection ended"
        );
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) async fn ask(&mut self, request: Value) -> Value {
        self.send(&request.to_string()).await;
        self.receive().await
    }

    /// The code of the error that the request is answered with.
    pub(crate) async fn code(&mut self, request: Value) -> String {
        let reply = self.ask(request).await;
        reply["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {reply}"))
            .to_owned()
    }
}
