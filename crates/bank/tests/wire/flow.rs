//! Flow control: statements that nobody reads are not made in advance.

use bank::{PinCost, Server, Settings};
use proto::limits::MEMORY_PIPE_BYTES;
use proto::net::{MemoryConnector, OutboxLimits, Shutdown, Stream};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const STATEMENTS: u64 = 100;

/// Entries of a statement: it is longer than what may wait on the connection.
const ENTRIES: u64 = 100;

/// What may wait there, in bytes.
const SOFT: usize = 8 * 1024;

/// Requests of somebody else while nobody reads: time for many statements.
const MEANWHILE: u64 = 8_000;

struct Wire(BufReader<Stream>);

impl Wire {
    async fn log_in(bank: &MemoryConnector, account: &str) -> Self {
        let mut wire = Self(BufReader::new(bank.connect().await.unwrap()));
        wire.next().await;
        let login = format!("{{\"id\":0,\"op\":\"login\",\"account\":\"{account}\",\"pin\":\"1234\"}}\n");
        wire.send(&login).await;
        assert!(wire.next().await["ok"].is_object());
        wire
    }

    async fn send(&mut self, lines: &str) {
        self.0.write_all(lines.as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The stamp of the reply to a request.
    async fn stamp_now(&mut self) -> u64 {
        self.send("{\"id\":1,\"op\":\"balance\"}\n").await;
        self.next().await["lamport"].as_u64().unwrap()
    }
}

/// A request with each of these ids.
fn requests(ids: std::ops::RangeInclusive<u64>, rest: &str) -> String {
    ids.map(|id| format!("{{\"id\":{id},{rest}}}\n")).collect()
}

#[tokio::test]
async fn statements_are_read_when_the_one_before_is_on_its_way() {
    let place = tempfile::tempdir().unwrap();
    let mut settings = Settings {
        data: place.path().to_owned(),
        pin_cost: PinCost::LEAST,
        ..Settings::default()
    };
    settings.limits.connection.outbox = OutboxLimits {
        soft_bytes: SOFT,
        hard_bytes: 64 * 1024,
    };
    let (server, bank) = Server::in_memory(settings).await.unwrap();
    let shutdown = Shutdown::new();
    let ended = tokio::spawn(server.run(shutdown.clone()));
    let mut antonio = Wire::log_in(&bank, "1111111111").await;
    let mut marcos = Wire::log_in(&bank, "0000000000").await;
    antonio
        .send(&requests(1..=ENTRIES, r#""op":"deposit","amount":"1.00""#))
        .await;
    for _ in 1..=ENTRIES {
        antonio.next().await;
    }

    let statement = format!(r#""op":"statement","limit":{ENTRIES}"#);
    antonio.send(&requests(1..=1, &statement)).await;
    let fit = (MEMORY_PIPE_BYTES + SOFT) / antonio.next().await.to_string().len();
    let before = marcos.stamp_now().await;
    antonio.send(&requests(1..=STATEMENTS, &statement)).await;
    for asked in 1..=MEANWHILE {
        // Every request that is received and every reply is a tick, and what arrives together is received together.
        let ticks = marcos.stamp_now().await - before - 2 * asked;
        let answered = ticks.saturating_sub(STATEMENTS);
        assert!(
            answered <= fit as u64 + 2,
            "{answered} statements were read for who reads nothing"
        );
    }
    for id in 1..=STATEMENTS {
        let reply = antonio.next().await;
        assert_eq!(reply["id"], id);
        assert_eq!(reply["ok"]["entries"].as_array().unwrap().len() as u64, ENTRIES);
    }
    drop((antonio, marcos));
    shutdown.begin();
    ended.await.unwrap().unwrap();
}
