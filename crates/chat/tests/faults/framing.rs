//! Lines that are none.

use serde_json::json;

use super::stage::{Hub, Reachable, Wire, lifted};

/// Sends `bytes`, expects the error event, and then the connection and the server go on.
async fn check(bytes: &[u8], code: &str) {
    let hub = Hub::on_tcp(lifted()).await;
    let mut ana = hub.join("Ana").await;
    ana.send(bytes).await;
    assert_eq!(ana.error_event().await, code);
    assert_eq!(
        ana.ok(json!({"op": "say", "text": "still here"})).await["seq"],
        2,
        "nothing was lost in between"
    );
    hub.check_alive().await;
    hub.stop().await;
}

fn line_of(bytes: usize) -> Vec<u8> {
    let mut line = vec![b'x'; bytes];
    line.push(b'\n');
    line
}

#[tokio::test]
async fn a_line_that_is_too_long() {
    check(&line_of(proto::limits::LINE_BYTES_MAX + 1), "line_too_long").await;
}

#[tokio::test]
async fn a_line_just_short_enough_is_only_no_json() {
    check(&line_of(proto::limits::LINE_BYTES_MAX), "invalid_json").await;
}

#[tokio::test]
async fn a_line_without_an_end() {
    check(&line_of(16 * 1024 * 1024), "line_too_long").await;
}

#[tokio::test]
async fn a_line_that_is_not_utf8() {
    check(
        b"{\"id\":1,\"op\":\"say\",\"text\":\"\xff\xfe\"}\n",
        "invalid_utf8",
    )
    .await;
}

/// 100,000 levels are more than a line may have bytes; a line full of brackets is as deep as it gets.
#[tokio::test]
async fn nesting_without_end() {
    check(&[b"[".repeat(100_000), b"\n".to_vec()].concat(), "line_too_long").await;
    check(&[b"[".repeat(60_000), b"\n".to_vec()].concat(), "too_deep").await;
    let unknown = [
        &b"{\"id\":1,\"op\":\"say\",\"text\":\"hi\",\"more\":"[..],
        &b"[".repeat(30_000),
        &b"]".repeat(30_000),
        b"}\n",
    ];
    check(&unknown.concat(), "too_deep").await;
}

#[tokio::test]
async fn lines_that_are_no_objects() {
    for line in [
        "nonsense\n",
        "[]\n",
        "7\n",
        "null\n",
        "\"say\"\n",
        "{\n",
        "{\"id\":1}}\n",
        "{\"id\":1,}\n",
    ] {
        check(line.as_bytes(), "invalid_json").await;
    }
}

#[tokio::test]
async fn who_breaks_the_framing_again_and_again_is_closed() {
    let hub = Hub::on_tcp(lifted()).await;
    let (mut ana, mut bia) = (hub.join("Ana").await, hub.open().await);
    let since = bia.ok(json!({"op": "join", "name": "Bia"})).await["seq"]
        .as_u64()
        .unwrap();
    ana.event("entered").await;
    for _ in 0..proto::limits::FRAME_ERRORS_MAX {
        ana.send("nonsense\n").await;
        assert_eq!(ana.error_event().await, "invalid_json");
    }
    assert!(ana.rest().await.is_empty(), "nothing but the end follows");
    let left = bia.event("left").await;
    assert_eq!(
        (&left["name"], &left["reason"], &left["seq"]),
        (&json!("Ana"), &json!("lost"), &json!(since + 1))
    );
    hub.check_alive().await;
    hub.stop().await;
}

/// A conversation cut in two at every byte reads as if it had come in one piece. The runtime has one thread, so the
/// server reads the first part before the second is written.
#[tokio::test]
async fn every_split_point() {
    let conversation = "{\"id\":1,\"op\":\"join\",\"name\":\"Zoë\"}\r\n\n{\"id\":2,\"op\":\"say\",\"text\":\"olá\"}\nnonsense\n{\"id\":3,\"op\":\"leave\"}\n";
    let hub = Hub::in_memory(lifted());
    let mut told = None;
    for at in 0..=conversation.len() {
        let mut zoe = hub.open().await;
        zoe.send(&conversation.as_bytes()[..at]).await;
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        zoe.send(&conversation.as_bytes()[at..]).await;
        let now = outline(zoe).await;
        assert_eq!(now.len(), 4, "{now:?}");
        assert_eq!(told.get_or_insert_with(|| now.clone()), &now, "split at {at}");
    }
    hub.check_alive().await;
    hub.stop().await;
}

/// What each line is, without stamps and numbers.
async fn outline(wire: Wire) -> Vec<String> {
    let lines = String::from_utf8(wire.rest().await).unwrap();
    lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let keys = |part: &str| {
                line[part]
                    .as_object()
                    .map(|part| part.keys().cloned().collect::<Vec<_>>())
            };
            format!(
                "{} {:?} {:?} {}",
                line["id"],
                keys("ok"),
                keys("error"),
                line["code"]
            )
        })
        .collect()
}
