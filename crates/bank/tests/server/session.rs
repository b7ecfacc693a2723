//! A whole session: its answers, its stamps, and the order of its replies.

use serde_json::{Value, json};

use crate::support::{Wire, settings, start};

#[tokio::test]
async fn the_session_of_the_seed_has_its_stamps() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wire = Wire::open(running.address).await;
    let mut clock = 0;
    let mut seen = Vec::new();
    for (request, expected) in [
        (
            json!({"op": "login", "account": "1111111111", "pin": "1234"}),
            json!({"account": "1111111111", "holder": "Antonio"}),
        ),
        (json!({"op": "balance"}), json!({"balance": "10.00", "entry": 2})),
        (
            json!({"op": "deposit", "amount": "100.00"}),
            json!({"balance": "110.00", "entry": 11}),
        ),
        (
            json!({"op": "balance"}),
            json!({"balance": "110.00", "entry": 11}),
        ),
        (
            json!({"op": "withdraw", "amount": "15.00"}),
            json!({"balance": "95.00", "entry": 12}),
        ),
        (
            json!({"op": "transfer", "to": "0000000000", "amount": "20.00"}),
            json!({"balance": "75.00", "entry": 13}),
        ),
        (json!({"op": "balance"}), json!({"balance": "75.00", "entry": 13})),
    ] {
        clock += 1;
        let mut request = request;
        request["lamport"] = json!(clock);
        request["id"] = json!(clock);
        let reply = wire.ask(request).await;
        assert_eq!(reply["ok"], expected);
        let sent = reply["lamport"].as_u64().unwrap();
        seen.extend([clock, sent - 1, sent]);
        clock = sent.max(clock) + 1;
        seen.push(clock);
    }
    // Client, server, server, client: 1 2 3 4, 5 6 7 8, …
    assert_eq!(seen, (1..=28).collect::<Vec<u64>>());

    let reply = wire.ask(json!({"id": 1, "op": "statement", "limit": 3})).await;
    let lines = reply["ok"]["entries"].as_array().unwrap();
    assert_eq!(reply["ok"]["more"], true);
    let line = |n: usize| {
        (
            &lines[n]["kind"],
            &lines[n]["amount"],
            &lines[n]["balance"],
            &lines[n]["entry"],
            &lines[n]["stamp"],
        )
    };
    assert_eq!(
        line(0),
        (
            &json!("sent"),
            &json!("20.00"),
            &json!("75.00"),
            &json!(13),
            &json!(22)
        )
    );
    assert_eq!(lines[0]["counterparty"], "0000000000");
    assert_eq!(
        line(2),
        (
            &json!("deposit"),
            &json!("100.00"),
            &json!("110.00"),
            &json!(11),
            &json!(10)
        )
    );
    let rest = wire.ask(json!({"id": 1, "op": "statement", "before": 11})).await;
    assert_eq!(
        (&rest["ok"]["entries"][0]["kind"], &rest["ok"]["more"]),
        (&json!("opened"), &json!(false))
    );
    assert_eq!(
        wire.code(json!({"id": 1, "op": "statement", "before": 1})).await,
        "invalid_field"
    );
    running.stop().await;
}

#[tokio::test]
async fn strangers_send_short_lines_and_pipelined_replies_come_in_order() {
    let place = tempfile::tempdir().unwrap();
    let running = start(settings(place.path())).await;
    let mut wire = Wire::open(running.address).await;
    let long = "x".repeat(4090);
    let line = format!(r#"{{"id":1,"op":"login","account":"1111111111","pin":"1234","more":"{long}"}}"#);
    wire.send(&line).await;
    assert_eq!(wire.receive().await["code"], "line_too_long");
    wire.send(r#"{"id":1,"op":"login","account":"1111111111","pin":"1234"}"#)
        .await;
    wire.send(r#"{"id":2,"op":"deposit","amount":"1.00"}"#).await;
    wire.send(r#"{"id":3,"op":"nonsense"}"#).await;
    wire.send("no JSON").await;
    wire.send(r#"{"id":4,"op":"balance"}"#).await;
    let mut stamps = Vec::new();
    for expected in [json!(1), json!(2), json!(3), Value::Null, json!(4)] {
        let reply = wire.receive().await;
        assert_eq!(reply.get("id").unwrap_or(&Value::Null), &expected, "{reply}");
        stamps.push(reply["lamport"].as_u64().unwrap());
    }
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
    wire.send(&line.replace("login", "balance")).await;
    assert_eq!(
        wire.receive().await["ok"]["balance"],
        "11.00",
        "64 KiB after a login"
    );
    running.stop().await;
}
