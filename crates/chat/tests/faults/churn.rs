//! A hundred clients that talk, change their names, vanish and come back, checked from the traces.
//!
//! Each client records what it receives, as `lamport::trace::facts` lays down, and so does the server. Afterwards the
//! traces alone must show: a client has every event of the room from its first entering on exactly once, over all its
//! reconnects; it has them in the room's order; and every receive is of a message the server sent, with the same
//! room, number and name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lamport::trace::{Event, Kind, Message, Reader, Record, Service, Tracer, facts};
use lamport::{Clock, ProcessId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::stage::{Hub, Wire, lifted, sized};
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

    let (sent, received) = (read(&file("hub")), read(&file("clients")));
    let violations = violations(&sent, &received);
    assert!(
        violations.is_empty(),
        "ANTES_SEED={seed}: {} violations, first {:?}",
        violations.len(),
        &violations[..3.min(violations.len())]
    );
    let deliveries: usize = received.iter().filter(|receive| !receive.own).count();
    assert!(deliveries as u64 >= deliveries_wanted, "{deliveries} deliveries");
    assert!(
        reconnects as usize > CLIENTS / 2,
        "{reconnects} reconnects are no churn"
    );

    // The checker finds what it is there to find.
    let spoiled = |spoil: fn(&mut Vec<Fact>)| {
        let mut received = received.clone();
        spoil(&mut received);
        !self::violations(&sent, &received).is_empty()
    };
    assert!(
        spoiled(|received| drop(received.remove(received.len() / 2))),
        "a loss"
    );
    assert!(
        spoiled(|received| received.insert(received.len() / 2, received[received.len() / 2].clone())),
        "a double"
    );
    assert!(
        spoiled(|received| received[1].name.push('x')),
        "another event under the same number"
    );
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
            random: Random(seed ^ (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        };
        let joined = client
            .ask(json!({"op": "join", "name": client.name}))
            .await
            .expect("the first connection lives");
        client.joined(&joined);
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
                    if let Some(reply) = self.ask(json!({"op": "rename", "name": name})).await {
                        self.own(&reply["rooms"]["lobby"], "renamed");
                        self.name = name;
                    }
                }
                n => {
                    let text = "x".repeat(n as usize);
                    let reply = self
                        .ask(json!({"op": "say", "text": text}))
                        .await
                        .expect("nobody closes it");
                    self.own(&reply["seq"], "said");
                }
            }
        }
        // What the others have caused meanwhile belongs to the view too; the reply comes behind it.
        let _ = self.ask(json!({"op": "who"})).await;
        reconnects
    }

    /// Drops the connection, with a request whose reply is never read, and resumes on another.
    async fn come_back(&mut self) {
        self.requests += 1;
        self.wire
            .send(format!(
                "{{\"id\":{},\"op\":\"say\",\"text\":\"last words\"}}\n",
                self.requests
            ))
            .await;
        self.wire = self.run.hub.open().await;
        let join = json!({"op": "join", "name": self.name, "token": self.token, "since": self.seq});
        // The server may not have noticed the loss yet; then the token takes the name over. The reply comes first, the
        // replay behind it, and then what happened since.
        let joined = self.wire.ok(join).await;
        let entered = joined["seq"].as_u64().unwrap();
        // Everything since, the own last words included.
        while self.seq + 1 < entered {
            let event = self.wire.next().await.expect("the replay goes on");
            self.heard(&event);
        }
        self.joined(&joined);
    }

    /// Asks, and records whatever arrives before the reply.
    async fn ask(&mut self, mut request: Value) -> Option<Value> {
        self.requests += 1;
        request["id"] = json!(self.requests);
        request["lamport"] = json!(self.clock.tick().unwrap());
        self.wire.send(format!("{request}\n")).await;
        loop {
            let line = self.wire.next().await?;
            if line["id"] == self.requests {
                self.clock.receive(line["lamport"].as_u64().unwrap()).unwrap();
                return line.get("ok").cloned();
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
            facts::fact(facts::ROOM, "lobby"),
            facts::fact(facts::SEQ, seq),
            facts::fact(facts::NAME, name),
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

    fn joined(&mut self, reply: &Value) {
        self.token = reply["token"].clone();
        self.own(&reply["seq"], "entered");
    }

    /// An event of its own, whose number it has from a reply.
    fn own(&mut self, seq: &Value, label: &str) {
        let seq = seq.as_u64().unwrap();
        let facts = [
            facts::fact(facts::ROOM, "lobby"),
            facts::fact(facts::SEQ, seq),
            facts::fact(facts::NAME, &*self.name),
        ];
        self.tracer
            .record(self.clock.tick().unwrap(), &Event::local(label, &facts));
        self.seq = seq;
    }
}

/// What the traces say about one event of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    process: String,
    message: Option<String>,
    label: String,
    seq: u64,
    name: String,
    /// Known from a reply instead of a receive.
    own: bool,
}

/// Every event with facts, in the order of each process.
fn read(file: &std::path::Path) -> Vec<Fact> {
    let mut reader = Reader::open(file).unwrap();
    let mut read = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        match record {
            Record::Event(event) => {
                let Some(&lamport::trace::Value::Integer(seq)) = event.fact(facts::SEQ) else {
                    continue;
                };
                read.push(Fact {
                    process: event.process.to_string(),
                    message: event.message.as_deref().map(str::to_owned),
                    label: event.label.to_string(),
                    seq: u64::try_from(seq).unwrap(),
                    name: event.fact(facts::NAME).unwrap().text().unwrap().to_owned(),
                    own: event.kind == Kind::Local,
                });
            }
            Record::Dropped(count) => panic!("{count} events are missing in the trace"),
            Record::Closed(_) => {}
        }
    }
    read
}

fn violations(sent: &[Fact], received: &[Fact]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut by_seq = BTreeMap::new();
    for (n, event) in sent.iter().enumerate() {
        if event.seq != n as u64 + 1 {
            violations.push(format!(
                "the hub sent {} as its event number {}",
                event.seq,
                n + 1
            ));
        }
        by_seq.insert(event.seq, event);
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for receive in received {
        let next = last.get(&*receive.process).map(|last| last + 1);
        if next.is_some_and(|next| next != receive.seq) {
            violations.push(format!(
                "{} had {next:?} next and got {}",
                receive.process, receive.seq
            ));
        }
        last.insert(&receive.process, receive.seq);
        let same = by_seq.get(&receive.seq).is_some_and(|event| {
            event.label == receive.label
                && event.name == receive.name
                && (receive.own || event.message == receive.message)
        });
        if !same {
            violations.push(format!(
                "{} got {receive:?}, sent was {:?}",
                receive.process,
                by_seq.get(&receive.seq)
            ));
        }
    }
    violations
}
