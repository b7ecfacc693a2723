//! A connection to a bank, as plain as possible: lines out, lines in, nothing repeated or hidden.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, ipproto, socket};
use serde_json::Value;

/// How long an answer may take before it counts as lost.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The PIN of every account in these tests.
pub(crate) const PIN: &str = "1234";

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    sent: u64,
    /// The Lamport time this end has reached.
    pub(crate) time: u64,
}

/// What a request brought: the `ok` object, or the code of the refusal.
pub(crate) type Answer = Result<Value, String>;

impl Wire {
    /// Connects and reads the greeting.
    pub(crate) fn open(to: SocketAddr) -> io::Result<Self> {
        Self::greeted(TcpStream::connect(to)?)
    }

    /// Connects from another address of this machine.
    pub(crate) fn open_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP))?;
        bind(&socket, &SocketAddrV4::new(from, 0))?;
        connect(&socket, &to)?;
        Self::greeted(TcpStream::from(socket))
    }

    fn greeted(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let reader = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
        let mut wire = Self {
            stream,
            reader,
            sent: 0,
            time: 0,
        };
        let greeting = wire.read()?;
        assert_eq!(greeting["service"], "bank", "{greeting}");
        assert!(
            greeting.get("lamport").is_none(),
            "the greeting is not stamped: {greeting}"
        );
        Ok(wire)
    }

    /// Connects and logs in.
    pub(crate) fn login(to: SocketAddr, account: &str) -> io::Result<Self> {
        let mut wire = Self::open(to)?;
        let login = serde_json::json!({"account": account, "pin": PIN});
        match wire.ask("login", &login)? {
            Ok(_) => Ok(wire),
            Err(code) => Err(io::Error::other(format!(
                "the login to {account} was refused: {code}"
            ))),
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The request's line, with the next id and stamp.
    pub(crate) fn line(&mut self, op: &str, fields: &Value) -> String {
        self.sent += 1;
        self.time += 1;
        let mut line = format!("{{\"lamport\":{},\"id\":{},\"op\":\"{op}\"", self.time, self.sent);
        for (key, value) in fields.as_object().into_iter().flatten() {
            line.push_str(&format!(",\"{key}\":{value}"));
        }
        line.push_str("}\n");
        line
    }

    /// Sends a request without waiting.
    pub(crate) fn send(&mut self, op: &str, fields: &Value) -> io::Result<()> {
        let line = self.line(op, fields);
        self.send_raw(line.as_bytes())
    }

    /// The next line, pings answered and left out.
    pub(crate) fn read(&mut self) -> io::Result<Value> {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let value: Value = serde_json::from_str(&line).map_err(io::Error::other)?;
            if value["event"] == "ping" {
                self.send_raw(b"{\"op\":\"pong\"}\n")?;
                continue;
            }
            if let Some(stamp) = value["lamport"].as_u64() {
                self.time = self.time.max(stamp) + 1;
            }
            return Ok(value);
        }
    }

    /// The next reply; what the bank says in between, such as that it is going down, is no reply.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        loop {
            let reply = self.read()?;
            match (reply.get("ok"), reply["error"]["code"].as_str()) {
                (Some(ok), _) => return Ok(Ok(ok.clone())),
                (None, Some(code)) => return Ok(Err(code.to_owned())),
                (None, None) => {}
            }
        }
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn ask(&mut self, op: &str, fields: &Value) -> io::Result<Answer> {
        self.send(op, fields)?;
        self.answer()
    }

    /// Cuts the connection, so that what is on its way is lost.
    pub(crate) fn cut(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A decimal text of the wire in cents.
pub(crate) fn cents(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
    let (whole, fraction) = text
        .split_once('.')
        .unwrap_or_else(|| panic!("{text} has no point"));
    assert_eq!(fraction.len(), 2, "{text}");
    format!("{whole}{fraction}")
        .parse()
        .unwrap_or_else(|_| panic!("{text} is no number"))
}

/// Cents as a decimal text of the wire.
pub(crate) fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
