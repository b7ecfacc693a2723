//! One customer's connection, line by line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// A connection that is logged in as Antonio.
pub(crate) fn log_in(address: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut wire = BufReader::new(stream);
    wire.read_line(&mut String::new()).unwrap();
    let login = json!({"id": 0, "op": "login", "account": "1111111111", "pin": "1234"});
    assert_eq!(ask(&mut wire, &login).unwrap()["ok"]["holder"], "Antonio");
    wire
}

/// The reply, `None` if the connection ended first.
pub(crate) fn ask(wire: &mut BufReader<TcpStream>, request: &Value) -> Option<Value> {
    wire.get_mut().write_all(format!("{request}\n").as_bytes()).ok()?;
    let mut line = String::new();
    wire.read_line(&mut line).ok().filter(|&read| read > 0)?;
    Some(serde_json::from_str(&line).unwrap())
}
