//! The client against a scripted peer that drops connections, repeats itself and forgets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport::Clock;
use proto::net::{Connection, Dialer, Identity, Listener, ServerLimits, Shutdown, Turn, serve};
use proto::{IdField, LineWriter, OpenRequest, StampField, Text, WireError};
use serde::Deserialize;

use super::*;

/// What goes wrong at the peer.
#[derive(Clone, Copy, Default)]
struct Script {
    /// Connections end after so many events.
    events_each: usize,
    /// A resumed watch repeats so many messages that the client has already.
    repeats: usize,
    /// The peer keeps only the last so many.
    keeps: Option<usize>,
    /// A watch that asks for something is given what is to come, as if it had asked for nothing.
    forgets_since: bool,
    /// Connections that ask to send end without an answer.
    silent: bool,
}

struct ScriptedPeer {
    script: Script,
    clock: Clock,
    /// Delivered so far: number n is `P1/1/n`.
    delivered: Mutex<u64>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    lamport: StampField,
    #[serde(default)]
    id: IdField,
    #[serde(borrow)]
    op: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    since: Option<Text<'a>>,
}

impl OpenRequest for Request<'_> {
    fn lamport(&self) -> StampField {
        self.lamport
    }

    fn id(&self) -> IdField {
        self.id
    }
}

impl ScriptedPeer {
    fn start(script: Script) -> (Arc<Self>, Dialer, Shutdown) {
        let (listener, connector) = Listener::memory();
        let shutdown = Shutdown::new();
        let peer = Arc::new(Self {
            script,
            clock: Clock::new(),
            delivered: Mutex::new(0),
        });
        let identity = Identity {
            service: SERVICE,
            version: "0",
            process: None,
        };
        let handler = {
            let peer = Arc::clone(&peer);
            move |connection| Arc::clone(&peer).serve_one(connection)
        };
        tokio::spawn(serve(
            listener,
            identity,
            ServerLimits::default(),
            shutdown.clone(),
            handler,
        ));
        (peer, Dialer::Memory(connector), shutdown)
    }

    fn deliver(&self, count: u64) {
        *self.delivered.lock().unwrap() += count;
    }

    async fn serve_one(self: Arc<Self>, mut connection: Connection) {
        connection.establish();
        // The next message to tell a watcher, and how many more this connection tells.
        let mut watching: Option<u64> = None;
        let mut budget = self.script.events_each;
        loop {
            tokio::select! {
                turn = connection.turn() => match turn {
                    Turn::Received(batch) => for line in batch.lines().flatten() {
                        let Ok(Some(request)) = proto::parse::<Request<'_>>(line) else { return };
                        if !self.answer(&connection, &request, &mut watching) {
                            return;
                        }
                    },
                    Turn::Closed(_) => return,
                    Turn::Drained | Turn::ShuttingDown => {}
                },
                () = tokio::time::sleep(Duration::from_millis(1)), if watching.is_some() => {}
            }
            while let Some(next) = watching.filter(|&next| next <= *self.delivered.lock().unwrap()) {
                if budget == 0 {
                    let _ = connection.flush().await;
                    return;
                }
                budget -= 1;
                let mut line = Vec::new();
                LineWriter::event(&mut line, self.clock.tick().unwrap(), "delivered")
                    .text("message", &format!("P1/1/{next}"))
                    .text("from", "P1")
                    .text("data", &format!("text {next}"))
                    .number("stamp", next)
                    .end();
                let _ = connection.outbox().push(line.into());
                watching = Some(next + 1);
            }
        }
    }

    fn answer(&self, connection: &Connection, request: &Request<'_>, watching: &mut Option<u64>) -> bool {
        let id = request.id.get().unwrap();
        let delivered = *self.delivered.lock().unwrap();
        let now = self
            .clock
            .receive(request.lamport.get().unwrap())
            .and_then(|_| self.clock.tick())
            .unwrap();
        let mut line = Vec::new();
        match request.op.as_deref() {
            Some("multicast") if self.script.silent => return false,
            Some("multicast") => {
                assert_eq!(request.data.as_deref(), Some("olá"));
                self.deliver(1);
                LineWriter::ok(&mut line, now, id)
                    .text("message", &format!("P1/1/{}", delivered + 1))
                    .number("stamp", now)
                    .end();
            }
            Some("watch") => {
                let oldest = self
                    .script
                    .keeps
                    .map_or(1, |keeps| delivered.saturating_sub(keeps as u64) + 1);
                let next = match request.since.as_deref() {
                    _ if self.script.forgets_since => delivered + 1,
                    None => delivered + 1,
                    Some("start") => oldest,
                    Some(name) => name.parse::<MessageName>().unwrap().sequence + 1,
                };
                if next < oldest {
                    let error = WireError::new(proto::Code::new(SINCE_UNKNOWN), "no longer kept");
                    LineWriter::error_reply(&mut line, now, id, &error);
                } else {
                    let repeats = if request.since.is_some() {
                        self.script.repeats as u64
                    } else {
                        0
                    };
                    *watching = Some(next.saturating_sub(repeats).max(1));
                    LineWriter::ok(&mut line, now, id)
                        .text("process", "P1")
                        .number("incarnation", 1)
                        .end();
                }
            }
            _ => LineWriter::ok(&mut line, now, id)
                .text("process", "P1")
                .number("sent", delivered)
                .end(),
        }
        let _ = connection.outbox().push_reply(line.into());
        true
    }
}

/// What a watcher of a peer with this script saw of 100 messages: their numbers, and how often the connection ended
/// and something was said to be missing.
async fn watch_a_hundred(script: Script) -> (Vec<u64>, usize, usize) {
    let (peer, dialer, shutdown) = ScriptedPeer::start(script);
    let mut watch = Watch::open(dialer, settings(), Since::Now).await.unwrap();
    let (mut numbers, mut lost, mut gaps) = (Vec::new(), 0, 0);
    peer.deliver(1);
    while numbers.last() != Some(&100) {
        match watch.next().await.unwrap() {
            Seen::Delivered(delivered) => {
                numbers.push(delivered.message.sequence);
                if delivered.message.sequence < 100 {
                    let left = 100 - *peer.delivered.lock().unwrap();
                    peer.deliver(left.min(1 + delivered.message.sequence % 7));
                }
            }
            Seen::Lost => lost += 1,
            Seen::Gap => gaps += 1,
            Seen::Missed(_) | Seen::Resumed(_) | Seen::Lagged => {}
        }
    }
    shutdown.begin();
    (numbers, lost, gaps)
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_where_it_was_over_lost_connections() {
    let script = Script {
        events_each: 7,
        repeats: 3,
        ..Script::default()
    };
    let (numbers, lost, gaps) = watch_a_hundred(script).await;
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert!(lost >= 10 && gaps == 0, "{lost} connections, {gaps} gaps");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_forgets_the_place_is_caught_by_the_same_test() {
    let script = Script {
        events_each: 7,
        forgets_since: true,
        ..Script::default()
    };
    let watched = tokio::time::timeout(Duration::from_secs(60), watch_a_hundred(script)).await;
    assert!(
        watched.is_err() || watched.is_ok_and(|(numbers, ..)| numbers != (1..=100).collect::<Vec<_>>()),
        "the negative control must show a gap"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_kept_is_told_as_a_gap() {
    let (peer, dialer, _shutdown) = ScriptedPeer::start(Script {
        events_each: 5,
        keeps: Some(10),
        ..Script::default()
    });
    let mut watch = Watch::open(dialer, settings(), Since::Now).await.unwrap();
    peer.deliver(100);
    let mut seen = Vec::new();
    while watch.since() != &Since::Message("P1/1/100".parse().unwrap()) {
        seen.push(match watch.next().await.unwrap() {
            Seen::Delivered(delivered) => delivered.message.sequence.to_string(),
            Seen::Gap => "gap".to_owned(),
            _ => continue,
        });
    }
    let expected = [
        "1", "2", "3", "4", "5", "gap", "91", "92", "93", "94", "95", "96", "97", "98", "99", "100",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_message_to_begin_with_is_refused() {
    let (peer, dialer, _shutdown) = ScriptedPeer::start(Script {
        keeps: Some(10),
        ..Script::default()
    });
    peer.deliver(100);
    let since = Since::Message("P1/1/7".parse().unwrap());
    let refused = Watch::open(dialer, settings(), since)
        .await
        .expect_err("it is long gone");
    assert!(matches!(refused, ClientError::Refused(error) if error.code == SINCE_UNKNOWN));
}

#[tokio::test(start_paused = true)]
async fn sends_are_answered_in_order_and_a_lost_answer_is_told() {
    let (_peer, dialer, _shutdown) = ScriptedPeer::start(Script::default());
    let session = Session::attach(&dialer, settings()).await.unwrap();
    let first = session.begin_send("olá").await.unwrap();
    let second = session.begin_send("olá").await.unwrap();
    assert_eq!(second.done().await.unwrap().message.to_string(), "P1/1/2");
    assert_eq!(first.done().await.unwrap().message.to_string(), "P1/1/1");
    assert_eq!(session.status().await.unwrap().sent, Some(2));

    let (_peer, dialer, _shutdown) = ScriptedPeer::start(Script {
        silent: true,
        ..Script::default()
    });
    let session = Session::attach(&dialer, settings()).await.unwrap();
    assert!(matches!(session.send("olá").await, Err(ClientError::Lost)));
}
