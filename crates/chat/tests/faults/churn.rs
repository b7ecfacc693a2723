//! A hundred clients that talk, change their names, vanish and come back, checked from the traces.
//!
//! Each client records what it sends and receives, as `lamport::trace::facts` lays down, and so does the server.
//! Afterwards the traces alone must prove by `lamport::check`, with nothing left unproved: a client has every event of
//! the room from its first entering on exactly once, over all its reconnects; it has them in the room's order, with
//! the same number, name and stamp as everybody; and every clock passed every stamp it was shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lamport::check::{Check, Merge, Options, Report, Rule, Violation};
use lamport::trace::facts::{Fact, fact};
use lamport::trace::{Event, Kind, Message, Reader, Service, Tracer, facts};
use lamport::{Clock, ProcessId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::stage::{Hub, Reachable, Wire, lifted, sized};
use chat::Settings;

const CLIENTS: usize = 100;

/// What happened, for all clients to stop at.
struct Run {
    hub: Hub,
    deliveries: AtomicU64,
    deliveries_wanted: u64,
}

/// One client: a process of its own, over all its connections.
struct Client {
    run: Arc<Run>,
    name: String,
    tracer: Tracer,
    clock: Clock,
    wire: Wire,
    token: Value,
    /// The last number of the room up to which it has everything.
    seq: u64,
    requests: u64,
    /// Of them on this connection.
    sent: u64,
    random: Random,
}

/// A small generator of our own (xorshift64*): a run is repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// 100 clients and 1,000,000 deliveries; 100,000 without `ANTES_SLOW=1`. `ANTES_SEED=N` repeats a run, as far as the
/// scheduler lets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_doubled_or_disordered_under_churn() {
    let seed = std::env::var("ANTES_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_121);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let hub_tracer = Tracer::to_file(file("hub"), ProcessId::new("chat").unwrap(), Service::Chat).unwrap();
    let hub = Hub::on_tcp(Settings {
        tracer: hub_tracer,
        ..lifted()
    })
    .await;
    let deliveries_wanted = sized(1_000_000, 100_000) as u64;
    let run = Arc::new(Run {
        hub,
        deliveries: AtomicU64::new(0),
        deliveries_wanted,
    });
    let tracer = Tracer::to_file(file("clients"), ProcessId::new("clients").unwrap(), Service::Chat).unwrap();
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let (run, tracer) = (Arc::clone(&run), tracer.clone());
        clients.spawn(async move { Client::enter(run, n, &tracer, seed).await.live().await });
    }
    let reconnects: u64 = clients.join_all().await.into_iter().sum();
    tracer.close().unwrap();
    Arc::into_inner(run)
        .expect("the clients are done")
        .hub
        .stop()
        .await;

    let [hub, clients] = ["hub", "clients"].map(|name| std::fs::read_to_string(file(name)).unwrap());
    let report =
        proof(&hub, &clients, &[]).unwrap_or_else(|violation| panic!("ANTES_SEED={seed}: {violation}"));
    assert_eq!(
        (report.unproved.len(), report.dropped, report.unfinished),
        (0, 0, 0),
        "{report:?}"
    );
    let checked = report
        .tested(Rule::RoomNoGap)
        .min(report.tested(Rule::RoomAgreed));
    assert!(checked > deliveries_wanted, "{report:?}");
    assert!(
        reconnects as usize > CLIENTS / 2,
        "{reconnects} reconnects are no churn"
    );

    // The checks find what they are there to find: each of these is one line of the clients' trace, spoiled. What is told by
    // its changes against an earlier line would spoil those after it.
    let clients = in_full(&clients);
    let is_delivery =
        |line: &&str| line.contains("\"kind\":\"receive\"") && line.contains("\"label\":\"said\"");
    let deliveries: Vec<&str> = clients.lines().filter(is_delivery).collect();
    let line = deliveries[deliveries.len() / 2];
    let name = "\"name\":\"client";
    assert!(line.contains(name), "{line}");
    for (rule, instead) in [
        (Rule::RoomNoGap, String::new()),
        (Rule::RoomNoDouble, format!("{line}\n{line}\n")),
        (
            Rule::RoomAgreed,
            format!("{}\n", line.replace(name, "\"name\":\"nobody")),
        ),
    ] {
        let spoiled = clients.replacen(&format!("{line}\n"), &instead, 1);
        // A line written twice has its time twice too.
        let violation = proof(&hub, &spoiled, &[Rule::TimesGrow]).expect_err("it was spoiled");
        assert_eq!(violation.rule, rule, "{violation}");
    }
}

/// The trace with every event on a line that says all of it.
fn in_full(trace: &str) -> String {
    let mut reader = Reader::new(trace.as_bytes());
    let mut lines = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        record.write(&mut lines);
    }
    String::from_utf8(lines).unwrap()
}

/// What the rules, but for those lifted, say about the two traces.
fn proof(hub: &str, clients: &str, lifted: &[Rule]) -> Result<Report, Box<Violation>> {
    let mut merge = Merge::new();
    merge.add("hub", hub.as_bytes()).unwrap();
    merge.add("clients", clients.as_bytes()).unwrap();
    let everybody_is_traced = Options {
        complete: true,
        lifted: lifted.to_vec(),
        ..Options::default()
    };
    merge.check(Check::new(everybody_is_traced)).unwrap()
}

impl Client {
    async fn enter(run: Arc<Run>, n: usize, tracer: &Tracer, seed: u64) -> Self {
        let name = format!("client {n}");
        let mut client = Self {
            wire: run.hub.open().await,
            run,
            tracer: tracer.for_process(ProcessId::new(&format!("client-{n}")).unwrap()),
            clock: Clock::new(),
            name,
            token: Value::Null,
            seq: 0,
            requests: 0,
            sent: 0,
            random: Random(seed ^ (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        };
        client.seq = client.join(json!({"op": "join", "name": client.name})).await;
        client
    }

    /// Talks, listens, vanishes and comes back until there were enough deliveries; returns how often it came back.
    async fn live(mut self) -> u64 {
        let mut reconnects = 0;
        while self.run.deliveries.load(Ordering::Relaxed) < self.run.deliveries_wanted {
            match self.random.below(10) {
                0 => {
                    self.come_back().await;
                    reconnects += 1;
                }
                1 => {
                    let name = format!("{} {}", self.name.split(" as ").next().unwrap(), "as ")
                        + &self.random.below(1000).to_string();
                    self.act(json!({"op": "rename", "name": name}), "/rooms/lobby")
                        .await;
                    self.name = name;
                }
                n => {
                    let text = "x".repeat(n as usize);
                    self.act(json!({"op": "say", "text": text}), "/seq").await;
                }
            }
        }
        // What the others have caused meanwhile belongs to the view too; the reply comes behind it.
        if let Some((time, stamp, _)) = self.ask(json!({"op": "who"})).await {
            let message = Message::Sent {
                process: "chat",
                time: stamp,
            };
            self.tracer.record(time, &Event::receive("who", message, &[]));
        }
        reconnects
    }

    /// Drops the connection, with a request whose reply is never read, and resumes on another.
    async fn come_back(&mut self) {
        self.send(json!({"op": "say", "text": "last words"})).await;
        self.wire = self.run.hub.open().await;
        self.sent = 0;
        // The server may not have noticed the loss yet; then the token takes the name over. The reply comes first, the
        // replay behind it, and then what happened since.
        let since = self.seq;
        let join = json!({"op": "join", "name": self.name, "token": self.token, "since": since});
        let entered = self.join(join).await;
        // Everything since, the own last words included.
        while self.seq + 1 < entered {
            let event = self.wire.next().await.expect("the replay goes on");
            self.heard(&event);
        }
        self.seq = entered;
    }

    /// Joins; returns the number of its own `entered`. What came before that one is not there yet.
    async fn join(&mut self, request: Value) -> u64 {
        let since = request["since"].as_u64();
        let (time, stamp, reply) = self.ask(request).await.expect("the connection lives");
        self.token = reply["token"].clone();
        let seq = reply["seq"].as_u64().unwrap();
        let mut told = vec![fact(facts::JOINED, 1_u64)];
        told.extend(since.map(|since| fact(facts::SINCE, since)));
        self.record_own("join", time, stamp, seq, &told);
        seq
    }

    /// Does something that is an event of the room, and takes its number from the reply.
    async fn act(&mut self, request: Value, number: &str) {
        let label = request["op"].as_str().unwrap().to_owned();
        let (time, stamp, reply) = self.ask(request).await.expect("nobody closes it");
        self.seq = reply.pointer(number).and_then(Value::as_u64).unwrap();
        self.record_own(&label, time, stamp, self.seq, &[fact(facts::OWN, 1_u64)]);
    }

    /// Sends a request; returns its id.
    async fn send(&mut self, mut request: Value) -> u64 {
        self.requests += 1;
        self.sent += 1;
        let time = self.clock.tick().unwrap();
        request["id"] = json!(self.requests);
        request["lamport"] = json!(time);
        let message = Message::Request {
            connection: &self.wire.connection,
            number: self.sent,
        };
        let event = Event {
            kind: Kind::Send,
            label: request["op"].as_str().unwrap(),
            message,
            facts: &[],
        };
        self.tracer.record(time, &event);
        self.wire.send(format!("{request}\n")).await;
        self.requests
    }

    /// Asks, and records whatever arrives before the reply. Returns when that came, its stamp, and what it says.
    async fn ask(&mut self, request: Value) -> Option<(u64, u64, Value)> {
        let id = self.send(request).await;
        loop {
            let line = self.wire.next().await?;
            if line["id"] == id {
                let stamp = line["lamport"].as_u64().unwrap();
                let time = self.clock.receive(stamp).unwrap();
                return Some((time, stamp, line.get("ok")?.clone()));
            }
            self.heard(&line);
        }
    }

    /// An event of the room, live or replayed.
    fn heard(&mut self, event: &Value) {
        let stamp = event["lamport"].as_u64().unwrap();
        assert_ne!(event["event"], "lagged", "clients that read lag behind nothing");
        let seq = event["seq"].as_u64().unwrap_or_else(|| panic!("{event}"));
        let name = event["from"].as_str().or(event["name"].as_str()).unwrap();
        let facts = [
            fact(facts::ROOM, "lobby"),
            fact(facts::SEQ, seq),
            fact(facts::NAME, name),
        ];
        let message = Message::Sent {
            process: "chat",
            time: stamp,
        };
        let time = self.clock.receive(stamp).unwrap();
        self.tracer.record(
            time,
            &Event::receive(event["event"].as_str().unwrap(), message, &facts),
        );
        self.run.deliveries.fetch_add(1, Ordering::Relaxed);
        self.seq = seq;
    }

    /// An event of its own, whose number it has from a reply.
    fn record_own(&self, label: &str, time: u64, stamp: u64, seq: u64, told: &[Fact<'_>]) {
        let mut facts = vec![
            fact(facts::ROOM, "lobby"),
            fact(facts::SEQ, seq),
            fact(facts::NAME, &*self.name),
        ];
        facts.extend_from_slice(told);
        let message = Message::Sent {
            process: "chat",
            time: stamp,
        };
        self.tracer.record(time, &Event::receive(label, message, &facts));
    }
}
