//! Connections that come in crowds, dawdle, vanish, or all want the same name.

use std::sync::Arc;
use std::time::Duration;

use proto::net::{ConnectionSettings, OutboxLimits, ServerLimits, Stream};
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::stage::{Hub, Reachable, Wire, connect, lifted, patiently, sized};
use chat::Settings;

fn with(limits: ServerLimits) -> Settings {
    Settings { limits, ..lifted() }
}

#[tokio::test]
async fn five_thousand_attempts_do_not_crowd_out_who_is_inside() {
    let hub = Hub::on_tcp(with(ServerLimits {
        connections_max: 50,
        ..ServerLimits::default()
    }))
    .await;
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.join("Bia").await);
    ana.event("entered").await;
    let mut inside = Vec::new();
    for _ in 2..50 {
        inside.push(hub.open().await);
    }
    for n in 0..5000 {
        let Stream::Tcp(stream) = hub.stream().await else {
            unreachable!("the hub is on TCP")
        };
        // Every hundredth waits for its answer; the others do not even do that.
        if n % 100 == 0 {
            let mut refused = String::new();
            let mut stream = stream;
            let _ = patiently(tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut refused)).await;
            assert!(refused.contains("\"too_many_connections\""), "{refused:?}");
            ana.ok(json!({"op": "say", "text": "unhurt"})).await;
            bia.event("said").await;
        }
    }
    drop(inside);
    // Those that went make room again, as soon as the server has noticed.
    loop {
        let mut stream = hub.stream().await;
        let mut first = [0; 64];
        let read = patiently(tokio::io::AsyncReadExt::read(&mut stream, &mut first))
            .await
            .unwrap_or(0);
        if first[..read].starts_with(b"{\"service\"") {
            break;
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let limits = ServerLimits {
        connections_per_address_max: 2,
        ..ServerLimits::default()
    };
    let hub = Hub::on_tcp(with(limits)).await;
    let (mut ana, _bia) = (hub.join("Ana").await, hub.join("Bia").await);
    ana.event("entered").await;
    let mut refused = String::new();
    let mut third = hub.stream().await;
    let _ = patiently(tokio::io::AsyncReadExt::read_to_string(&mut third, &mut refused)).await;
    assert!(refused.contains("\"too_many_connections\""), "{refused:?}");
    ana.ok(json!({"op": "say", "text": "unhurt"})).await;
    hub.stop().await;
}

/// A byte a second, on a paused clock: the handshake deadline does not care that something arrives.
#[tokio::test(start_paused = true)]
async fn a_dawdling_handshake_is_ended() {
    let hub = Hub::in_memory(lifted());
    let mut ana = hub.join("Ana").await;
    let mut dawdler = hub.open().await;
    let begun = tokio::time::Instant::now();
    for byte in "{\"id\":1,\"op\":\"join\",\"name\":\"Dawdler, first of his name\"}"
        .bytes()
        .take(29)
    {
        dawdler.send([byte]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(dawdler.error_event().await, "handshake_timeout");
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(dawdler.rest().await.is_empty());
    ana.ok(json!({"op": "say", "text": "unhurt"})).await;
    hub.check_alive().await;
    hub.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_pinged_and_then_timed_out() {
    let hub = Hub::in_memory(lifted());
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.join("Bia").await);
    ana.event("entered").await;
    let mut pings = 0;
    let left = loop {
        let line = ana.line().await.unwrap();
        if line["event"] != "ping" {
            break line;
        }
        pings += 1;
        ana.send("{\"op\":\"pong\"}\n").await;
    };
    assert!(pings >= 2, "Ana answers and stays");
    assert_eq!(
        (&left["event"], &left["name"], &left["reason"]),
        (&json!("left"), &json!("Bia"), &json!("timeout"))
    );
    assert_eq!(bia.line().await.unwrap()["event"], "ping");
    assert_eq!(bia.error_event().await, "idle_timeout");
    ana.ok(json!({"op": "say", "text": "unhurt"})).await;
    hub.stop().await;
}

/// A member that does not read: the others go on, it is closed as slow; one that reads again is told what it missed.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_lags_and_is_closed() {
    let connection = ConnectionSettings {
        outbox: OutboxLimits {
            soft_bytes: 4 * 1024,
            hard_bytes: 16 * 1024,
        },
        ping_interval: None,
        ..ConnectionSettings::default()
    };
    let hub = Hub::in_memory(with(ServerLimits {
        connection,
        ..ServerLimits::default()
    }));
    let (mut ana, mut lagging) = (hub.join("Ana").await, hub.join("Lagging").await);
    ana.event("entered").await;
    let text = "x".repeat(1000);
    // Ten at a time, so that one chunk holds several events.
    let ten: String = (1..=10)
        .map(|id| format!("{{\"id\":{id},\"op\":\"say\",\"text\":\"{text}\"}}\n"))
        .collect();
    let fill = async |ana: &mut Wire| {
        for _ in 0..20 {
            ana.send(&ten).await;
            for id in 1..=10 {
                let reply = ana.next().await.unwrap();
                assert_eq!(
                    (&reply["id"], reply["ok"].is_null()),
                    (&json!(id), false),
                    "{reply}"
                );
            }
        }
    };
    fill(&mut ana).await;
    // It reads again before its time is over: a gap, said to be one, and then the rest.
    let (mut seq, mut missed) = (2, 0);
    while missed == 0 {
        let line = lagging.line().await.unwrap();
        match line["event"].as_str() {
            Some("said") => {
                seq += 1;
                assert_eq!(line["seq"], seq);
            }
            _ => missed = line["missed"].as_u64().unwrap(),
        }
    }
    assert_eq!(seq + missed, 202, "everything is either there or counted");
    ana.ok(json!({"op": "say", "text": "again"})).await;
    assert_eq!(lagging.event("said").await["seq"], 203);

    fill(&mut ana).await;
    let left = ana.event("left").await;
    assert_eq!(
        (&left["name"], &left["reason"]),
        (&json!("Lagging"), &json!("slow"))
    );
    hub.check_alive().await;
    hub.stop().await;
}

/// 50 clients claim one name at once, in other spellings too: one gets it. 1,000 rounds; 40 without `ANTES_SLOW=1`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_name_has_one_winner() {
    const SPELLINGS: [&str; 5] = ["Evan", "EVAN", "еvan", "Ｅvan", "evan"];
    let hub = Arc::new(Hub::in_memory(lifted()));
    for round in 0..sized(1000, 40) {
        let start = Arc::new(Barrier::new(50));
        let mut claims = JoinSet::new();
        for n in 0..50 {
            let (hub, start) = (Arc::clone(&hub), Arc::clone(&start));
            claims.spawn(async move {
                let mut wire = hub.open().await;
                start.wait().await;
                let name = format!("{} {round}", SPELLINGS[n % SPELLINGS.len()]);
                let room = format!("room {}", n % 3);
                let answer = wire.ask(json!({"op": "join", "name": name, "room": room})).await;
                (wire, answer.map(drop))
            });
        }
        let claims = claims.join_all().await;
        let winners = claims.iter().filter(|(_, answer)| answer.is_ok()).count();
        assert_eq!(winners, 1, "round {round}");
        let refused = claims
            .iter()
            .filter(|(_, answer)| *answer == Err("name_taken".to_owned()))
            .count();
        assert_eq!(refused, 49, "round {round}");
    }
    hub.check_alive().await;
}

/// A crowd of passwords is checked a few at a time, what is too much is refused as busy, and talking goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_passwords_stops_nobody() {
    let hub = Arc::new(Hub::on_tcp(lifted()).await);
    let mut ana = hub.join("Ana").await;
    ana.ok(json!({"op": "register", "password": "sesame street"}))
        .await;
    let crowd = chat::limits::HASHES_RUNNING_MAX + chat::limits::HASHES_WAITING_MAX + 60;
    let start = Arc::new(Barrier::new(crowd));
    let mut guesses = JoinSet::new();
    for _ in 0..crowd {
        let (hub, start) = (Arc::clone(&hub), Arc::clone(&start));
        guesses.spawn(async move {
            let mut wire = hub.open().await;
            start.wait().await;
            wire.ask(json!({"op": "join", "name": "ana", "password": "guess"}))
                .await
                .unwrap_err()
        });
    }
    ana.ok(json!({"op": "say", "text": "unhurt"})).await;
    let codes = guesses.join_all().await;
    let count = |code: &str| codes.iter().filter(|told| *told == code).count();
    assert_eq!(count("wrong_password") + count("busy"), crowd, "{codes:?}");
    assert!(count("busy") > 0 && count("wrong_password") > 0, "{codes:?}");
    hub.check_alive().await;
}

/// A connection that is reset in the middle of a line costs its own place and nothing else.
#[tokio::test]
async fn a_reset_in_mid_line_is_a_loss_like_any_other() {
    let hub = Hub::on_tcp(lifted()).await;
    let mut ana = hub.join("Ana").await;
    let Stream::Tcp(stream) = hub.stream().await else {
        unreachable!("the hub is on TCP")
    };
    let address = stream.peer_addr().unwrap();
    drop(stream);
    let stream = connect(address).await;
    stream.set_zero_linger().unwrap();
    let mut bia = Wire::greeted(Stream::Tcp(stream)).await;
    bia.join("Bia").await;
    ana.event("entered").await;
    bia.send("{\"id\":7,\"op\":\"say\",\"te").await;
    drop(bia);
    let left = ana.event("left").await;
    assert_eq!(
        (&left["name"], &left["reason"], &left["seq"]),
        (&json!("Bia"), &json!("lost"), &json!(3))
    );
    hub.check_alive().await;
    hub.stop().await;
}
