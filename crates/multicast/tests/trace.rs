//! Looking on at a group, through the port of one of its peers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lamport::ProcessId;
use multicast::client::{Session, TraceSeen, TraceSince, TraceWatch, settings};
use multicast::clients::Clients;
use multicast::limits::{TRACE_CHUNK_EVENTS, TRACE_PACE};
use multicast::{Group, GroupSettings, Members};
use proto::net::Dialer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::members::members;

#[path = "common/members.rs"]
mod members;

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(20);

/// A peer with its clients, until it is told to leave.
struct Peer {
    address: String,
    incarnation: u64,
    leave: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Peer {
    async fn start(id: &str, members: &Members, incarnations: &std::path::Path) -> Self {
        let settings = GroupSettings::new(id.parse().unwrap(), members.clone())
            .data(incarnations.join(id))
            .tell_sends(true);
        let mut group = Group::join(settings).await.unwrap();
        let clients = Clients::install(&group);
        let (address, incarnation) = (group.address().to_string(), group.incarnation());
        let (leave, mut left) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(events) = group.next() => clients.tell(&events),
                    _ = &mut left => break,
                }
            }
            group.leave().await;
        });
        Self {
            address,
            incarnation,
            leave,
            task,
        }
    }

    async fn leave(self) {
        drop(self.leave);
        self.task.await.unwrap();
    }

    async fn send(&self, text: &str) {
        let session = Session::attach(&Dialer::Tcp(self.address.clone()), settings())
            .await
            .unwrap();
        session.send(text).await.unwrap();
    }
}

/// A client that speaks the wire by hand.
struct Raw {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Raw {
    async fn attach(peer: &Peer) -> Self {
        let (read, write) = TcpStream::connect(&peer.address).await.unwrap().into_split();
        let mut raw = Self {
            lines: BufReader::new(read).lines(),
            write,
        };
        assert_eq!(raw.line().await["service"], "multicast");
        raw
    }

    async fn say(&mut self, line: &str) {
        self.write
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn line(&mut self) -> Value {
        let line = timeout(SOON, self.lines.next_line())
            .await
            .expect("a line comes")
            .unwrap();
        serde_json::from_str(&line.expect("the connection goes on")).unwrap()
    }

    /// The next thing that happens, in a few words.
    async fn seen(&mut self) -> String {
        loop {
            let line = self.line().await;
            let process = line["process"].as_str().unwrap_or_default();
            match line["event"].as_str() {
                Some("tracing") => return format!("{process} {}", line["state"].as_str().unwrap()),
                Some("traced") => {
                    let record = &line["record"];
                    assert_eq!(record["process"], process);
                    return format!(
                        "{process} {} {} {} {}",
                        line["number"],
                        record["kind"].as_str().unwrap(),
                        record["lamport"],
                        record["label"].as_str().unwrap()
                    );
                }
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peer_tells_the_events_of_all_and_goes_on_over_the_death_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let members = members(2);
    let one = Peer::start("P1", &members, directory.path()).await;
    let two = Peer::start("P2", &members, directory.path()).await;
    two.send("a").await;
    let mut own = Raw::attach(&one).await;
    own.say(r#"{"id":1,"op":"trace","since":"start"}"#).await;
    for expected in ["P1 attached", "P1 1 local 0 start", "P1 2 receive 2 a"] {
        assert_eq!(own.seen().await, expected);
    }
    let mut other = Raw::attach(&one).await;
    let since_start =
        json!({"id": 1, "op": "trace", "member": "P2", "since": format!("{}/1", two.incarnation)});
    other.say(&since_start.to_string()).await;
    for expected in ["P2 attached", "P2 2 send 1 a"] {
        assert_eq!(other.seen().await, expected);
    }
    two.leave().await;
    assert_eq!(other.seen().await, "P2 lost");
    let two = Peer::start("P2", &members, directory.path()).await;
    // Nothing of its former life comes again.
    assert_eq!(other.seen().await, "P2 attached");
    assert_eq!(other.seen().await, "P2 1 local 0 start");
    two.send("b").await;
    assert!(own.seen().await.ends_with(" b"), "the own line goes on");
    let next = other.seen().await;
    assert!(
        next.starts_with("P2 2 ") && (next.ends_with(" a") || next.ends_with(" b")),
        "{next}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_of_nobody_or_from_nowhere_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let one = Peer::start("P1", &members(2), directory.path()).await;
    let mut client = Raw::attach(&one).await;
    for request in [
        r#"{"id":7,"op":"trace","member":"P9"}"#,
        r#"{"id":7,"op":"trace","member":"<img src=x>"}"#,
        r#"{"id":7,"op":"trace","since":"yesterday"}"#,
        r#"{"id":7,"op":"trace","since":"1/-1"}"#,
    ] {
        client.say(request).await;
        let answer = client.line().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&7.into(), &"invalid_field".into()),
            "{request}"
        );
    }
    client.say(r#"{"id":8,"op":"trace"}"#).await;
    while client.line().await["id"] != 8 {}
    client.say(r#"{"id":9,"op":"trace","member":"P1"}"#).await;
    loop {
        let answer = client.line().await;
        if answer["id"] == 9 {
            assert_eq!(
                answer["error"]["code"], "invalid_field",
                "twice on one connection"
            );
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_fast_is_given_up_and_every_number_is_accounted_for_once() {
    let directory = tempfile::tempdir().unwrap();
    let members = members(2);
    let one = Peer::start("P1", &members, directory.path()).await;
    let two = Peer::start("P2", &members, directory.path()).await;
    let mut watch = TraceWatch::new(
        ProcessId::new("P2").unwrap(),
        Dialer::Tcp(two.address.clone()),
        settings(),
        TraceSince::Start,
    );
    let attached = timeout(SOON, watch.next()).await.unwrap();
    assert!(matches!(attached, TraceSeen::Attached { .. }), "{attached:?}");
    let session = Session::attach(&Dialer::Tcp(one.address.clone()), settings())
        .await
        .unwrap();
    // Until something was given up, however long that takes; the answers are not waited for.
    let began = Instant::now();
    let (enough, mut has_enough) = oneshot::channel::<()>();
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while has_enough.try_recv() == Err(TryRecvError::Empty) {
            drop(session.begin_send(&sent.to_string()).await);
            sent += 1;
        }
        (session, sent)
    });
    let mut account = Account::default();
    while account.missed == 0 {
        account.note(&mut watch).await;
    }
    drop(enough);
    let (_session, sent) = sending.await.unwrap();
    while account.told + account.missed < sent + 1 {
        account.note(&mut watch).await;
    }
    assert_eq!(
        account.numbers.last(),
        Some(&(sent + 1)),
        "the start, and the deliveries"
    );
    let chunks = began.elapsed().div_duration_f64(TRACE_PACE) as u64 + 2;
    assert!(
        account.told <= chunks * TRACE_CHUNK_EVENTS as u64,
        "{} events were told in {:?} to somebody who cannot see so many",
        account.told,
        began.elapsed()
    );
}

/// What one who looks on was told, or told to have missed.
#[derive(Default)]
struct Account {
    told: u64,
    missed: u64,
    numbers: BTreeSet<u64>,
}

impl Account {
    async fn note(&mut self, watch: &mut TraceWatch) {
        let seen = timeout(SOON, watch.next()).await;
        let (first, last) = match seen.expect("events, or that they are missed") {
            TraceSeen::Event { number, .. } => {
                self.told += 1;
                (number, number)
            }
            TraceSeen::Missed { first, last, .. } => {
                self.missed += last - first + 1;
                (first, last)
            }
            other => panic!("{other:?}"),
        };
        for number in first..=last {
            assert!(self.numbers.insert(number), "{number} is told twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_tells_what_happened_elsewhere() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (read, mut write) = listener.accept().await.unwrap().0.into_split();
        let greeting = "{\"service\":\"multicast\",\"protocol\":1,\"version\":\"0\",\"connection\":\"c\"}\n";
        write.write_all(greeting.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let request: Value = serde_json::from_str(&line).unwrap();
            let answer = format!(
                "{{\"lamport\":1,\"id\":{},\"ok\":{{\"process\":\"P2\",\"incarnation\":1}}}}\n",
                request["id"]
            );
            let lie = "{\"lamport\":2,\"event\":\"traced\",\"process\":\"P2\",\"incarnation\":1,\"number\":1,\
                       \"record\":{\"process\":\"P3\",\"lamport\":1,\"kind\":\"local\",\"label\":\"x\",\"at_us\":1,\"service\":\"multicast\"}}\n";
            write.write_all((answer + lie).as_bytes()).await.unwrap();
        }
    });
    let id = ProcessId::new("P2").unwrap();
    let mut watch = TraceWatch::new(id, Dialer::Tcp(address), settings(), TraceSince::Start);
    assert_eq!(
        timeout(SOON, watch.next()).await.unwrap(),
        TraceSeen::Attached { incarnation: 1 }
    );
    let seen = timeout(SOON, watch.next()).await.unwrap();
    assert_eq!(
        seen,
        TraceSeen::Lost("its record is not an event of its own".to_owned())
    );
}
