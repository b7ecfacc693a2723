//! The client port of a real peer, through the client library.

use std::time::Duration;

use lamport::{HORIZON_AT_START, ProcessId};
use multicast::client::{ClientError, Seen, Session, Since, Watch, settings};
use multicast::clients::Clients;
use multicast::limits::DATA_BYTES_MAX;
use multicast::{Group, GroupSettings, Members};
use proto::net::Dialer;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::members::members;

#[path = "common/members.rs"]
mod members;

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(20);

/// A group of one, whose deliveries its clients see. Returns where it listens.
async fn peer() -> String {
    let id = ProcessId::new("P1").unwrap();
    let mut group = Group::join(GroupSettings::new(id, members(1))).await.unwrap();
    let address = group.address().to_string();
    let clients = Clients::install(&group);
    tokio::spawn(async move {
        while let Some(events) = group.next().await {
            clients.tell(&events);
        }
    });
    address
}

async fn next(watch: &mut Watch) -> String {
    loop {
        match timeout(SOON, watch.next())
            .await
            .expect("a delivery comes")
            .unwrap()
        {
            Seen::Delivered(delivered) => return format!("{} {}", delivered.message, delivered.data),
            Seen::Resumed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sends_and_watchers_see_it_once_and_from_where_they_ask() {
    let dialer = Dialer::Tcp(peer().await);
    let mut live = Watch::open(dialer.clone(), settings(), Since::Now).await.unwrap();
    let session = Session::attach(&dialer, settings()).await.unwrap();
    assert_eq!(
        session.process(),
        "P1.clients",
        "what its stamps are named by in traces"
    );
    let first = session.send("one").await.unwrap();
    assert_eq!((first.stamp, first.message.sequence), (1, 1));
    let second = session.send("two \u{1b}[2J").await.unwrap();
    let (one, two) = (
        format!("{} one", first.message),
        format!("{} two \u{1b}[2J", second.message),
    );
    assert_eq!(
        (next(&mut live).await, next(&mut live).await),
        (one.clone(), two.clone())
    );
    let mut all = Watch::open(dialer.clone(), settings(), Since::Start)
        .await
        .unwrap();
    assert_eq!((next(&mut all).await, next(&mut all).await), (one, two.clone()));
    let mut rest = Watch::open(dialer, settings(), Since::Message(first.message))
        .await
        .unwrap();
    assert_eq!(next(&mut rest).await, two);
    let status = session.status().await.unwrap();
    assert_eq!(
        (status.process.as_str(), status.sent, status.delivered),
        ("P1", Some(2), Some(2))
    );
    assert_eq!(status.members[0].state.as_deref(), Some("self"));
}

/// The longest texts there are, of characters that are longer on the wire than in memory too, reach whoever watches.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_fits_a_line_of_the_watchers_and_what_does_not_is_refused() {
    let dialer = Dialer::Tcp(peer().await);
    let mut watch = Watch::open(dialer.clone(), settings(), Since::Now).await.unwrap();
    let session = Session::attach(&dialer, settings()).await.unwrap();
    for (character, bytes) in [("x", 1), ("\u{7f}", 6), ("\u{2028}", 6), ("\u{e0041}", 12)] {
        let longest = character.repeat(DATA_BYTES_MAX / bytes);
        let sent = session.send(&longest).await.unwrap();
        assert!(
            next(&mut watch).await == format!("{} {longest}", sent.message),
            "{character:?}"
        );
        let refused = session.send(&(longest + character)).await.unwrap_err();
        let ClientError::Refused(told) = refused else {
            panic!("{refused}");
        };
        assert_eq!(told.code, "invalid_field", "{character:?}");
    }
    // What does not even fit the request.
    let ClientError::Refused(told) = session.send(&"\u{7f}".repeat(DATA_BYTES_MAX)).await.unwrap_err() else {
        panic!("sent");
    };
    assert_eq!(told.code, "line_too_long");
}

/// Sends `line` to a fresh peer and expects an answer that holds `expected`; the group's clock does not move.
async fn check_refused(line: &str, expected: &str) {
    let address = peer().await;
    let stream = TcpStream::connect(&address).await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    lines.next_line().await.unwrap();
    write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let answer = timeout(SOON, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap_or_default();
    assert!(answer.contains(expected), "{line} is answered with {answer}");
    let session = Session::attach(&Dialer::Tcp(address), settings()).await.unwrap();
    assert_eq!(session.status().await.unwrap().lamport, Some(0), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_answered_with_its_code_and_moves_no_clock() {
    check_refused("nonsense", r#""code":"invalid_json""#).await;
    check_refused(r#"{"id":1,"op":"fly"}"#, r#""code":"unknown_operation""#).await;
    check_refused(r#"{"id":1,"op":"multicast"}"#, r#""code":"missing_field""#).await;
    check_refused(r#"{"op":"status"}"#, r#""code":"missing_field""#).await;
    check_refused(
        r#"{"lamport":-1,"id":1,"op":"status"}"#,
        r#""code":"invalid_stamp""#,
    )
    .await;
    check_refused(
        r#"{"lamport":9007199254740991,"id":1,"op":"status"}"#,
        r#""code":"clock_leap""#,
    )
    .await;
    check_refused(
        r#"{"id":1,"op":"watch","since":"P1/1/99"}"#,
        r#""code":"since_unknown""#,
    )
    .await;
    let hello = |id: &str, group: &str| {
        format!(
            r#"{{"op":"peer","id":"{id}","incarnation":1,"group":"{group}","order":"causal","nonce":"00"}}"#
        )
    };
    check_refused(&hello("P2", "other"), r#""code":"group_differs""#).await;
    check_refused(&hello("P1", "other"), r#""code":"duplicate_peer""#).await;
    let one = Members::new([(ProcessId::new("P1").unwrap(), "x:1".to_owned())]).unwrap();
    check_refused(&hello("P9", &one.fingerprint()), r#""code":"not_a_member""#).await;
}

/// Leap after leap, each of which may be believed, does not use up the times of a peer's clients.
#[tokio::test(flavor = "multi_thread")]
async fn leap_after_leap_does_not_use_up_the_times() {
    const LEAP: u64 = (1 << 32) - 1024;
    let leaps: String = (1..=100)
        .map(|n| format!("{{\"lamport\":{},\"id\":{n},\"op\":\"status\"}}\n", n * LEAP))
        .collect();
    let answers = answers(leaps.as_bytes(), 100).await;
    let believed = answers
        .iter()
        .take_while(|answer| answer.contains(r#""ok":"#))
        .count();
    assert_eq!(believed as u64, HORIZON_AT_START / LEAP);
    for refused in &answers[believed..] {
        assert!(refused.contains(r#""code":"clock_leap""#), "{refused}");
    }
}

/// What a fresh peer answers to `bytes`, line by line, until it closes the connection or has answered `count` times.
async fn answers(bytes: &[u8], count: usize) -> Vec<String> {
    let stream = TcpStream::connect(peer().await).await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    lines.next_line().await.unwrap();
    // A peer that closes the connection before it has read all this breaks it: what it answered before is still there.
    let _ = write.write_all(bytes).await;
    let mut answers = Vec::new();
    while answers.len() < count
        && let Ok(Some(answer)) = timeout(SOON, lines.next_line()).await.unwrap()
    {
        answers.push(answer);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_line_that_is_too_long_is_refused_like_any_other() {
    let long = [vec![b'x'; 70_000], b"\n".to_vec()].concat();
    let then = [&long[..], b"{\"id\":1,\"op\":\"members\"}\n"].concat();
    let told = answers(&then, 2).await;
    assert!(
        told[0].starts_with(r#"{"lamport":1,"event":"error","code":"line_too_long""#),
        "{told:?}"
    );
    assert!(told[1].starts_with(r#"{"lamport":3,"id":1,"ok":"#), "{told:?}");
    assert_eq!(answers(&long.repeat(9), 9).await.len(), 8, "then it is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_about_a_link_has_no_stamp() {
    let told = answers(b"{\"op\":\"peer\"}\n", 2).await;
    assert_eq!(told.len(), 1, "then it is closed");
    assert!(
        told[0].starts_with(r#"{"event":"error","code":"missing_field""#),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_operation_is_not_repeated_at_length() {
    let request = format!("{{\"id\":1,\"op\":\"{}\"}}\n", "z".repeat(60_000));
    let told = answers(request.as_bytes(), 1).await;
    assert!(told[0].contains("unknown_operation"), "{:.200}", told[0]);
    assert!(told[0].len() < 300, "{} bytes of answer", told[0].len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_trace_that_is_none_is_told_with_a_hint() {
    let told = answers(b"{\"id\":1,\"op\":\"trace\",\"since\":\"x\"}\n", 1).await;
    assert!(told[0].contains(r#","hint":"say start"#), "{told:?}");
    assert!(!told[0].contains("hint: "), "{told:?}");
}
