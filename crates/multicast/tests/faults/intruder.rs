//! Somebody who speaks to a peer's port by hand, as P3 or as whoever it likes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::peers::{Group, PATIENCE};

/// A connection to a peer's port that says whatever it likes.
pub(crate) struct Intruder {
    pub(crate) stream: BufReader<TcpStream>,
    group: String,
}

impl Intruder {
    /// Connects to P1 and reads its greeting.
    pub(crate) fn connect(group: &Group) -> Self {
        let stream = TcpStream::connect(group.address(0)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut intruder = Self {
            stream: BufReader::new(stream),
            group: group.setting.members.fingerprint(),
        };
        assert_eq!(intruder.hear().unwrap()["service"], "multicast");
        intruder
    }

    pub(crate) fn say(&mut self, line: impl AsRef<[u8]>) {
        let bytes = [line.as_ref(), b"\n"].concat();
        // A peer that has closed already has answered before.
        let _ = self.stream.get_mut().write_all(&bytes);
    }

    /// The next line, nothing at the end of the connection.
    pub(crate) fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }

    /// Hears the code of a refusal and then the end of the connection.
    pub(crate) fn refused(mut self) -> String {
        let mut code = String::from("nothing was told");
        while let Some(line) = self.hear() {
            if line["event"] == "error" {
                code = line["code"].as_str().unwrap().to_owned();
            }
        }
        let ended = self.stream.get_mut().read(&mut [0]);
        assert!(
            matches!(ended, Ok(0))
                || ended.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock),
            "the connection goes on"
        );
        code
    }

    /// The code of the next refusal on a link that goes on.
    pub(crate) fn told(&mut self) -> String {
        loop {
            let line = self.hear().expect("the link goes on");
            if line["event"] == "error" {
                assert!(line["hint"].is_string(), "{line}");
                return line["code"].as_str().unwrap().to_owned();
            }
        }
    }

    /// What P3 says first.
    pub(crate) fn hello(&self, incarnation: u64) -> Value {
        json!({"op": "peer", "id": "P3", "incarnation": incarnation, "group": self.group, "order": "causal", "nonce": "00ff", "proof": ""})
    }

    /// Becomes P3 in this life, as far as P1 can tell; the lines that did it, and which life of P1 it is.
    pub(crate) fn link(&mut self, incarnation: u64, secret: Option<&[u8]>) -> ([String; 2], u64) {
        let hello = self.hello(incarnation);
        self.say(hello.to_string());
        let answer = self.hear().unwrap();
        assert_eq!(answer["event"], "peer", "{answer}");
        let proof = secret.map_or(String::new(), |secret| dialler_proof(secret, &hello, &answer));
        let proof = json!({"op": "proof", "proof": proof}).to_string();
        self.say(&proof);
        let linked = self.hear().unwrap();
        assert_eq!(linked["event"], "linked", "{linked}");
        let of_one = answer["incarnation"].as_u64().unwrap();
        // Of P2 it knows nothing yet.
        let about = json!([
            [of_one, of_one, 0, 0, 0],
            [0, 0, 0, 0, 0],
            [incarnation, incarnation, 0, 0, 0]
        ]);
        let status = json!({"incarnation": incarnation, "number": 1, "hears": 7, "wants": 0, "members": about, "streams": []});
        self.say(json!({"event": "status", "status": status}).to_string());
        // P1 came without its state and asks where it was.
        let welcome =
            json!({"incarnation": of_one, "from": incarnation, "clock": 0, "delivered": [], "former": []});
        self.say(json!({"event": "welcome", "welcome": welcome}).to_string());
        ([hello.to_string(), proof], of_one)
    }
}

/// The proof that the documentation of the handshake describes, written down a second time.
fn dialler_proof(secret: &[u8], dialler: &Value, acceptor: &Value) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(b"antes multicast 1\0dialler\0");
    for hello in [dialler, acceptor] {
        for part in ["id", "group", "order", "nonce"] {
            let part = hello[part].as_str().unwrap();
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&hello["incarnation"].as_u64().unwrap().to_be_bytes());
    }
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
