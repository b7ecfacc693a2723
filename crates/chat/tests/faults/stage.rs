//! A server, members that speak the raw wire, and the proof that the server lives.

use std::time::Duration;

use chat::{Server, Settings};
use proto::net::{MemoryConnector, Shutdown, Stream};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// How long anything may take before the test gives up. Never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(300);

/// What `full` runs use, and `quick` ones instead.
pub(crate) fn sized(full: usize, quick: usize) -> usize {
    if std::env::var_os("ANTES_SLOW").is_some_and(|value| value == "1") {
        full
    } else {
        quick
    }
}

/// Settings without storage and without a flood limit.
pub(crate) fn lifted() -> Settings {
    Settings {
        flood: None,
        ..Settings::default()
    }
}

/// A server that newcomers can reach.
pub(crate) trait Reachable {
    async fn stream(&self) -> Stream;

    /// A connection whose greeting has been read.
    async fn open(&self) -> Wire {
        Wire::greeted(self.stream().await).await
    }

    async fn join(&self, name: &str) -> Wire {
        let mut wire = self.open().await;
        wire.join(name).await;
        wire
    }

    /// The server answers newcomers, hands out what is said and loses nothing of it.
    async fn check_alive(&self) {
        let (mut ana, mut bia) = (self.open().await, self.open().await);
        check_conversation(&mut ana, &mut bia).await;
    }
}

/// A server within this process, reached over TCP or directly.
pub(crate) struct Hub {
    door: Door,
    shutdown: Shutdown,
    running: JoinHandle<Result<(), chat::RunError>>,
}

enum Door {
    Tcp(std::net::SocketAddr),
    Memory(MemoryConnector),
}

impl Reachable for Hub {
    async fn stream(&self) -> Stream {
        match &self.door {
            Door::Tcp(address) => Stream::Tcp(connect(*address).await),
            Door::Memory(connector) => connector.connect().await.unwrap(),
        }
    }
}

impl Hub {
    /// On a free port.
    pub(crate) async fn on_tcp(settings: Settings) -> Self {
        let server = Server::bind("127.0.0.1:0", settings).await.unwrap();
        let door = Door::Tcp(server.local_address().unwrap());
        Self::run(server, door)
    }

    /// Without a network.
    pub(crate) fn in_memory(settings: Settings) -> Self {
        let (server, connector) = Server::in_memory(settings).unwrap();
        Self::run(server, Door::Memory(connector))
    }

    fn run(server: Server, door: Door) -> Self {
        let shutdown = Shutdown::new();
        let running = tokio::spawn(server.run(shutdown.clone()));
        Self {
            door,
            shutdown,
            running,
        }
    }

    /// Ends the server, which must do so in order.
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        patiently(self.running).await.unwrap().unwrap();
    }
}

/// Two newcomers talk in a room of their own: numbers without a gap, every text where it belongs.
pub(crate) async fn check_conversation(ana: &mut Wire, bia: &mut Wire) {
    let room = format!("proof {}", ana.connection.rsplit('-').next().unwrap());
    let named = |wire: &Wire| format!("witness {}", wire.connection.rsplit('-').next().unwrap());
    let (ana_name, bia_name) = (named(ana), named(bia));
    ana.ok(json!({"op": "join", "name": ana_name, "room": room}))
        .await;
    let first = bia
        .ok(json!({"op": "join", "name": bia_name, "room": room}))
        .await["seq"]
        .as_u64()
        .unwrap();
    assert_eq!(ana.event("entered").await["seq"], first);
    for n in 1..=20 {
        let said = ana.ok(json!({"op": "say", "text": format!("text {n}")})).await;
        assert_eq!(said["seq"], first + n);
        let heard = bia.event("said").await;
        assert_eq!(
            (&heard["seq"], &heard["text"]),
            (&json!(first + n), &json!(format!("text {n}")))
        );
    }
    ana.ok(json!({"op": "leave"})).await;
    bia.event("left").await;
    bia.ok(json!({"op": "leave"})).await;
}

/// One connection as its peer sees it.
pub(crate) struct Wire {
    reader: BufReader<ReadHalf<Stream>>,
    writer: WriteHalf<Stream>,
    requests: u64,
    /// The text of the greeting that names this connection.
    pub(crate) connection: String,
}

impl Wire {
    pub(crate) async fn greeted(stream: Stream) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let mut wire = Self {
            reader: BufReader::new(reader),
            writer,
            requests: 0,
            connection: String::new(),
        };
        let greeting = wire.line().await.expect("the server greets");
        assert_eq!(
            (&greeting["service"], &greeting["protocol"]),
            (&json!("chat"), &json!(1))
        );
        wire.connection = greeting["connection"].as_str().unwrap().to_owned();
        wire
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        patiently(self.writer.write_all(bytes.as_ref())).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    /// The next line as it came, without its newline; nothing at the end of the stream.
    pub(crate) async fn raw(&mut self) -> Option<String> {
        let mut line = String::new();
        match patiently(self.reader.read_line(&mut line)).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end_matches('\n').to_owned()),
        }
    }

    pub(crate) async fn line(&mut self) -> Option<Value> {
        self.raw()
            .await
            .map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}")))
    }

    /// The next line that is no ping; pings are answered.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.line().await;
            if line.as_ref().is_none_or(|line| line["event"] != "ping") {
                return line;
            }
            self.send("{\"op\":\"pong\"}\n").await;
        }
    }

    /// The next line, which must be this event.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        let line = self
            .next()
            .await
            .unwrap_or_else(|| panic!("the stream ended instead of {event}"));
        assert_eq!(line["event"], event, "{line}");
        line
    }

    /// The code of the next line, which must be an error event.
    pub(crate) async fn error_event(&mut self) -> String {
        self.event("error").await["code"].as_str().unwrap().to_owned()
    }

    /// Sends a request with an id of its own.
    pub(crate) async fn request(&mut self, mut request: Value) -> u64 {
        self.requests += 1;
        request["id"] = json!(self.requests);
        self.send(format!("{request}\n")).await;
        self.requests
    }

    /// Sends a request and takes the next line as its reply.
    pub(crate) async fn ask(&mut self, request: Value) -> Result<Value, String> {
        let id = self.request(request).await;
        let reply = self.next().await.expect("the stream ended instead of a reply");
        assert_eq!(reply["id"], id, "{reply}");
        match reply["error"]["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(reply["ok"].clone()),
        }
    }

    pub(crate) async fn ok(&mut self, request: Value) -> Value {
        let shown = request.to_string();
        self.ask(request)
            .await
            .unwrap_or_else(|code| panic!("{shown} was refused: {code}"))
    }

    pub(crate) async fn join(&mut self, name: &str) -> Value {
        self.ok(json!({"op": "join", "name": name})).await
    }

    /// Writes all of it and reads meanwhile: everything up to the end of the stream.
    pub(crate) async fn exchange(self, bytes: Vec<u8>) -> Vec<u8> {
        let Self {
            mut reader,
            mut writer,
            ..
        } = self;
        let mut read = Vec::new();
        let write = async {
            // The server may end before it has taken everything.
            let _ = writer.write_all(&bytes).await;
        };
        let _ = patiently(async { tokio::join!(reader.read_to_end(&mut read), write) }).await;
        read
    }

    /// Both directions, for who reads and writes at once.
    pub(crate) fn into_halves(self) -> (BufReader<ReadHalf<Stream>>, WriteHalf<Stream>) {
        (self.reader, self.writer)
    }

    /// Everything up to the end of the stream.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = patiently(self.reader.read_to_end(&mut rest)).await;
        rest
    }
}

pub(crate) async fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = patiently(TcpStream::connect(address)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}
