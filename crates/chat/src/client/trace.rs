//! Records what a client sends and receives, with the facts that the checks of the chat's rules need.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use lamport::trace::facts::{Fact, fact};
use lamport::trace::{Event, Message, Tracer, facts};
use proto::Text;
use proto::net::{Observed, Observer};
use serde::Deserialize;

/// Tells a [`Tracer`] of everything on a client's connections.
#[derive(Debug)]
pub struct Recorder {
    tracer: Tracer,
    member: Mutex<Member>,
}

/// What a reply's facts depend on.
#[derive(Debug, Default)]
struct Member {
    name: String,
    /// The `since` of each request without a reply: replies come in their order.
    asked: VecDeque<Option<u64>>,
}

#[derive(Deserialize)]
struct Line<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
    since: Option<u64>,
    #[serde(borrow)]
    ok: Option<Fields<'a>>,
    #[serde(flatten, borrow)]
    fields: Fields<'a>,
}

#[derive(Default, Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    room: Option<Text<'a>>,
    seq: Option<u64>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    from: Option<Text<'a>>,
    missed: Option<u64>,
    #[serde(borrow)]
    rooms: Option<&'a serde_json::value::RawValue>,
}

impl Recorder {
    /// Records with `tracer`.
    #[must_use]
    pub fn new(tracer: Tracer) -> Self {
        Self {
            tracer,
            member: Mutex::default(),
        }
    }
}

impl Observer for Recorder {
    fn sent(&self, message: Observed<'_>) {
        self.tracer.sent(message);
        let Ok(Line { id, since, .. }) = serde_json::from_slice::<Line<'_>>(message.line) else {
            return;
        };
        let mut member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
        if id == Some(1) {
            // A new connection: nothing of the one before will be answered.
            member.asked.clear();
        }
        member.asked.push_back(since);
    }

    fn received(&self, message: Observed<'_>) {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(message.line) else {
            return;
        };
        let mut member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
        let what = message.what;
        let record = |facts: &[Fact<'_>]| {
            let named = Message::Text(message.message);
            self.tracer
                .record(message.time, &Event::receive(what, named, facts));
        };
        let Fields {
            room,
            seq,
            name,
            from,
            missed,
            ..
        } = &line.fields;
        if line.event.is_some() {
            return match (room, seq, name.as_ref().or(from.as_ref()), missed) {
                (Some(room), Some(seq), Some(name), _) => {
                    record(&[
                        fact(facts::ROOM, &**room),
                        fact(facts::SEQ, *seq),
                        fact(facts::NAME, &**name),
                    ]);
                }
                (Some(room), _, _, Some(missed)) => {
                    record(&[fact(facts::ROOM, &**room), fact(facts::MISSED, *missed)])
                }
                _ => record(&[]),
            };
        }
        let since = member.asked.pop_front().flatten();
        let Some(Fields {
            room,
            seq,
            name,
            rooms,
            ..
        }) = line.ok
        else {
            return record(&[]);
        };
        let before = member.name.clone();
        if let (Some(name), "join" | "rename") = (&name, what) {
            member.name = name.0.clone().into_owned();
        }
        let (own, mut told) = (member.name.clone(), Vec::new());
        let rooms: std::collections::BTreeMap<String, u64> = match what {
            "rename" | "leave" => rooms
                .and_then(|rooms| serde_json::from_str(rooms.get()).ok())
                .unwrap_or_default(),
            _ => room
                .iter()
                .zip(seq)
                .map(|(room, seq)| (room.to_string(), seq))
                .collect(),
        };
        for (room, seq) in &rooms {
            let name = if what == "rename" { &before } else { &own };
            told.extend([
                fact(facts::ROOM, &**room),
                fact(facts::SEQ, *seq),
                fact(facts::NAME, &**name),
            ]);
            match what {
                "join" | "enter" => {
                    told.push(fact(facts::JOINED, 1_u64));
                    told.extend(since.map(|since| fact(facts::SINCE, since)));
                }
                "exit" | "leave" => told.push(fact(facts::LEFT, 1_u64)),
                _ => told.push(fact(facts::OWN, 1_u64)),
            }
        }
        record(&told);
    }
}
