//! Flow control: however many send as fast as they can, who goes on reading misses nothing.

use std::time::Duration;

use proto::net::OutboxLimits;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::stage::{Hub, Reachable, Wire, lifted, patiently, sized};

const RECEIVERS: usize = 10;
/// One batch of one of them fits between the two marks, one of each does not.
const SENDERS: usize = 20;
const MARKS: OutboxLimits = OutboxLimits {
    soft_bytes: 64 * 1024,
    hard_bytes: 192 * 1024,
};

/// Each sender has 1,000 texts of 4 KiB (100 without `ANTES_SLOW=1`): many times what the outboxes hold. Time stands
/// still while there is anything to do, so that nobody is slow because the machine is.
#[tokio::test(start_paused = true)]
async fn senders_wait_for_receivers_that_read() {
    let texts = sized(1_000, 100);
    let mut settings = lifted();
    settings.limits.connection.outbox = MARKS;
    let hub = Hub::in_memory(settings);
    // Everybody is in before anybody begins.
    let mut wires = Vec::new();
    for n in 0..RECEIVERS + SENDERS {
        wires.push(hub.join(&format!("member {n}")).await);
    }
    let mut members = JoinSet::new();
    for (n, wire) in wires.into_iter().enumerate() {
        let (own, all) = (if n < SENDERS { texts } else { 0 }, SENDERS * texts);
        members.spawn(take_part(wire, own, all - own));
    }
    patiently(members.join_all()).await;
    hub.stop().await;
}

/// Sends without waiting for anything, and reads until the others' texts and its own replies are there.
async fn take_part(wire: Wire, texts: usize, due: usize) {
    let (mut reader, mut writer) = wire.into_halves();
    let line = format!("{{\"op\":\"say\",\"id\":7,\"text\":\"{}\"}}\n", "x".repeat(4096));
    let write = async {
        for _ in 0..texts {
            writer.write_all(line.as_bytes()).await.unwrap();
        }
    };
    let read = async {
        let (mut said, mut acknowledged) = (0, 0);
        let mut line = String::new();
        while said < due || acknowledged < texts {
            line.clear();
            assert!(
                reader.read_line(&mut line).await.unwrap() > 0,
                "closed after {said} texts"
            );
            assert!(
                !line.contains("\"event\":\"lagged\""),
                "after {said} texts: {line}"
            );
            said += usize::from(line.contains("\"event\":\"said\""));
            acknowledged += usize::from(line.contains("\"id\":7,\"ok\""));
        }
    };
    tokio::join!(write, read);
}

const PAGES: u64 = 100;

/// One batch may ask for far more than the outbox may hold: what nobody reads is not read from the history either.
#[tokio::test(start_paused = true)]
async fn pages_of_history_are_read_when_the_one_before_is_on_its_way() {
    let mut settings = lifted();
    settings.limits.connection.outbox = MARKS;
    let hub = Hub::in_memory(settings);
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.join("Bia").await);
    ana.event("entered").await;
    for _ in 0..20 {
        ana.ok(json!({"op": "say", "text": "x".repeat(4096)})).await;
        bia.event("said").await;
    }
    let stamp_now = async |ana: &mut Wire| {
        ana.request(json!({"op": "who"})).await;
        ana.next().await.unwrap()["lamport"].as_u64().unwrap()
    };
    let before = stamp_now(&mut ana).await;
    let batch: String = (1..=PAGES)
        .map(|id| format!("{{\"op\":\"history\",\"id\":{id},\"limit\":20}}\n"))
        .collect();
    bia.send(batch).await;
    let mut asked = 0;
    for _ in 0..50 {
        asked += 1;
        // Time passes when everybody waits for somebody.
        tokio::time::sleep(Duration::from_millis(10)).await;
        stamp_now(&mut ana).await;
    }
    asked += 1;
    let ticks = stamp_now(&mut ana).await - before;
    // Every request and every reply is a tick.
    let answered = ticks / 2 - asked;
    assert!(
        (1..10).contains(&answered),
        "{answered} pages were read for who reads nothing"
    );
    for id in 1..=PAGES {
        assert_eq!(bia.next().await.unwrap()["id"], id);
    }
    hub.stop().await;
}
