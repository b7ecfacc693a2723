//! Requests that are refused, and texts and floods that must do no harm.

use chat::Settings;
use serde_json::{Value, json};

use super::stage::{Hub, Reachable, lifted};

/// A member's request is refused with this code and changes nothing: its next text has the next number.
async fn check_refused(cases: &[(&str, &str)]) {
    let hub = Hub::on_tcp(lifted()).await;
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.join("Bia").await);
    ana.event("entered").await;
    for (n, (line, code)) in cases.iter().enumerate() {
        ana.send(format!("{line}\n")).await;
        let answer = ana.line().await.unwrap();
        let told = if answer["event"] == "error" {
            &answer["code"]
        } else {
            &answer["error"]["code"]
        };
        assert_eq!(told, code, "{line}: {answer}");
        let said = ana.ok(json!({"op": "say", "text": "still here"})).await;
        assert_eq!(said["seq"], 3 + n, "{line} changed something");
        assert_eq!(bia.event("said").await["seq"], 3 + n);
    }
    hub.check_alive().await;
    hub.stop().await;
}

#[tokio::test]
async fn fields_that_are_wrong() {
    check_refused(&[
        (r#"{"id":1,"op":"say","text":"a","text":"b"}"#, "duplicate_field"),
        (r#"{"id":1,"id":2,"op":"say","text":"a"}"#, "duplicate_field"),
        (r#"{"id":1,"op":"say","text":7}"#, "invalid_field"),
        (r#"{"id":1,"op":"say","text":{"a":1}}"#, "invalid_field"),
        (r#"{"id":1,"op":["say"],"text":"a"}"#, "invalid_field"),
        (r#"{"id":"one","op":"say","text":"a"}"#, "invalid_field"),
        (r#"{"id":-1,"op":"say","text":"a"}"#, "invalid_field"),
        (
            r#"{"id":18446744073709551616,"op":"say","text":"a"}"#,
            "invalid_field",
        ),
        (
            r#"{"id":1,"op":"enter","room":"tea","since":-1}"#,
            "invalid_field",
        ),
        (r#"{"id":1,"op":"history","limit":501}"#, "invalid_field"),
        (r#"{"op":"say","text":"a"}"#, "missing_field"),
        (r#"{"id":1,"text":"a"}"#, "missing_field"),
        (r#"{"id":1,"op":"say"}"#, "missing_field"),
        (r#"{"id":1,"op":"tell","to":"Bia"}"#, "missing_field"),
        (r#"{"id":1,"op":"fly"}"#, "unknown_operation"),
        (r#"{"id":1,"op":""}"#, "unknown_operation"),
        (r#"{"id":1,"op":"say","text":""}"#, "invalid_text"),
        (r#"{"id":1,"op":"join","name":"Eva"}"#, "already_joined"),
        (r#"{"id":1,"op":"say","text":"a","room":"tea"}"#, "no_such_room"),
        (r#"{"id":1,"op":"enter","room":"<b>"}"#, "invalid_room"),
        (r#"{"id":1,"op":"enter","room":"LOBBY"}"#, "already_in_room"),
        (r#"{"id":1,"op":"tell","to":"Eva","text":"a"}"#, "no_such_name"),
        (r#"{"id":1,"op":"rename","name":"ВIА"}"#, "name_taken"),
        (
            r#"{"id":1,"op":"register","password":"short"}"#,
            "invalid_password",
        ),
    ])
    .await;
}

/// Of several codes that apply, the protocol says which is told.
#[tokio::test]
async fn what_is_wrong_in_more_than_one_way() {
    check_refused(&[
        (r#"{"lamport":9007199254740991,"op":"fly"}"#, "missing_field"),
        (r#"{"lamport":9007199254740991,"id":1}"#, "clock_leap"),
        (r#"{"lamport":9007199254740991,"id":1,"op":"fly"}"#, "clock_leap"),
        (r#"{"lamport":9007199254740991,"id":1,"op":"say"}"#, "clock_leap"),
        (r#"{"lamport":-1,"op":"fly"}"#, "invalid_stamp"),
        (r#"{"lamport":-1,"id":1,"op":"say","text":7}"#, "invalid_field"),
        (r#"{"id":1,"op":"say","text":7,"op":"say"}"#, "invalid_field"),
    ])
    .await;
}

#[tokio::test]
async fn texts_that_are_too_long() {
    let longest = "x".repeat(chat::limits::TEXT_BYTES_MAX);
    let line = format!(r#"{{"id":1,"op":"say","text":"{longest}x"}}"#);
    check_refused(&[(line.as_str(), "invalid_text")]).await;
    let hub = Hub::on_tcp(lifted()).await;
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.join("Bia").await);
    // All control characters: the line is six times as long as the text, and still arrives.
    let worst = "\u{1}".repeat(chat::limits::TEXT_BYTES_MAX);
    ana.event("entered").await;
    ana.ok(json!({"op": "say", "text": worst})).await;
    assert_eq!(bia.event("said").await["text"], worst);
    hub.stop().await;
}

#[tokio::test]
async fn stamps_that_poison_no_clock() {
    let lines: Vec<(String, &str)> = [
        ("-1", "invalid_stamp"),
        ("1.5", "invalid_stamp"),
        ("1e3", "invalid_stamp"),
        ("\"7\"", "invalid_stamp"),
        ("[7]", "invalid_stamp"),
        ("9007199254740992", "invalid_stamp"),
        ("18446744073709551615", "invalid_stamp"),
        ("18446744073709551616", "invalid_stamp"),
        ("9007199254740991", "clock_leap"),
        ("8589934592", "clock_leap"),
    ]
    .map(|(stamp, code)| {
        (
            format!(r#"{{"lamport":{stamp},"id":1,"op":"say","text":"a"}}"#),
            code,
        )
    })
    .to_vec();
    let cases: Vec<(&str, &str)> = lines.iter().map(|(line, code)| (line.as_str(), *code)).collect();
    check_refused(&cases).await;

    let hub = Hub::on_tcp(lifted()).await;
    let mut ana = hub.join("Ana").await;
    ana.send(format!("{}\n", lines[8].0)).await;
    let refused = ana.line().await.unwrap();
    assert!(
        refused["lamport"].as_u64().unwrap() < 100,
        "the clock moved: {refused}"
    );
    ana.send("{\"lamport\":1000000,\"id\":1,\"op\":\"say\",\"text\":\"a\"}\n")
        .await;
    let said = ana.line().await.unwrap();
    assert_eq!(said["lamport"], 1_000_003, "received, said and replied: {said}");
    hub.stop().await;
}

#[tokio::test]
async fn nothing_works_before_joining() {
    let hub = Hub::on_tcp(lifted()).await;
    let mut nobody = hub.open().await;
    for request in [
        json!({"op": "say", "text": "a"}),
        json!({"op": "tell", "to": "Ana", "text": "a"}),
        json!({"op": "enter", "room": "tea"}),
        json!({"op": "exit"}),
        json!({"op": "rooms"}),
        json!({"op": "who"}),
        json!({"op": "history"}),
        json!({"op": "rename", "name": "Ana"}),
        json!({"op": "register", "password": "long enough"}),
        json!({"op": "leave"}),
    ] {
        assert_eq!(
            nobody.ask(request.clone()).await,
            Err("not_joined".to_owned()),
            "{request}"
        );
    }
    assert_eq!(nobody.join("Ana").await["seq"], 1, "the lobby is untouched");
    hub.check_alive().await;
    hub.stop().await;
}

#[tokio::test]
async fn names_that_are_none_or_taken() {
    let hub = Hub::on_tcp(lifted()).await;
    let (_admin, _bob, mut evan) = (
        hub.join("admin").await,
        hub.join("bob").await,
        hub.join("evan").await,
    );
    let mut other = hub.open().await;
    let too_long = "x".repeat(chat::limits::NAME_CHARS_MAX + 1);
    for (name, code) in [
        ("", "invalid_name"),
        ("   ", "invalid_name"),
        (too_long.as_str(), "invalid_name"),
        ("a\u{0}b", "invalid_name"),
        ("a\u{1b}[2Jb", "invalid_name"),
        ("a\nb", "invalid_name"),
        ("a\u{202e}b", "invalid_name"),
        ("ad\u{200b}min", "invalid_name"),
        ("ad\u{200d}min", "invalid_name"),
        ("\u{feff}admin", "invalid_name"),
        ("../x", "invalid_name"),
        ("SERVIDOR", "invalid_name"),
        ("admin", "name_taken"),
        ("ADMIN", "name_taken"),
        ("admın", "name_taken"),
        ("ａｄｍｉｎ", "name_taken"),
        ("еvan", "name_taken"),
        ("ЕVАN", "name_taken"),
        ("Evan", "name_taken"),
        ("Вob", "name_taken"),
    ] {
        let answer = other.ask(json!({"op": "join", "name": name})).await;
        assert_eq!(answer, Err(code.to_owned()), "{name:?}");
    }
    assert_eq!(other.join("eva").await["seq"], 4, "refusals change nothing");
    assert_eq!(evan.event("entered").await["name"], "eva");
    hub.check_alive().await;
    hub.stop().await;
}

#[tokio::test]
async fn control_characters_never_arrive_raw() {
    let hub = Hub::on_tcp(lifted()).await;
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.join("Bia").await);
    ana.event("entered").await;
    let all: String = ('\0'..='\u{2fff}').filter(|&c| proto::is_harmful(c)).collect();
    for text in [
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{9b}31m",
        "a\r\nb\tc",
        "\u{202e}reversed",
        all.as_str(),
    ] {
        ana.ok(json!({"op": "say", "text": text})).await;
        let raw = bia.raw().await.unwrap();
        assert!(!raw.contains(proto::is_harmful), "{raw:?}");
        let said: Value = serde_json::from_str(&raw).unwrap();
        assert_eq!(said["text"], text, "and nothing was altered");
        ana.ok(json!({"op": "tell", "to": "Bia", "text": text})).await;
        assert!(!bia.raw().await.unwrap().contains(proto::is_harmful));
    }
    ana.request(json!({"op": "history"})).await;
    assert!(!ana.raw().await.unwrap().contains(proto::is_harmful));
    hub.stop().await;
}

#[tokio::test]
async fn a_flood_is_refused_and_hurts_nobody_else() {
    let hub = Hub::on_tcp(Settings::default()).await;
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.join("Bia").await);
    ana.event("entered").await;
    let flood: String = (0..1000)
        .map(|id| format!("{{\"id\":{id},\"op\":\"say\",\"text\":\"x\"}}\n"))
        .collect();
    ana.send(flood).await;
    let mut said = 0;
    for _ in 0..1000 {
        let reply = ana.line().await.unwrap();
        if reply["error"].is_null() {
            said += 1;
        } else {
            assert_eq!(reply["error"]["code"], "rate_limited");
            assert!(
                reply["error"]["hint"].as_str().unwrap().starts_with("wait "),
                "{reply}"
            );
        }
    }
    let burst = u64::from(chat::limits::FLOOD_BURST_DEFAULT);
    assert!((burst - 1..1000).contains(&said), "{said} were taken");
    for n in 0..said {
        assert_eq!(bia.event("said").await["seq"], 3 + n, "what was taken arrives");
    }
    assert_eq!(
        bia.ok(json!({"op": "say", "text": "unhurt"})).await["seq"],
        3 + said
    );
    hub.check_alive().await;
    hub.stop().await;

    let lifted = Hub::on_tcp(lifted()).await;
    let mut ana = lifted.join("Ana").await;
    for n in 0..1000 {
        assert_eq!(
            ana.ok(json!({"op": "say", "text": "x"})).await["seq"],
            2 + n,
            "without a limit all are taken"
        );
    }
    lifted.stop().await;
}
