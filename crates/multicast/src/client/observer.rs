//! A client's own trace.

use lamport::trace::{Event, Message, Tracer};
use proto::Text;
use proto::net::Observer;
use serde::Deserialize;

/// Records every send and receive of a client.
#[derive(Debug, Clone)]
pub struct TraceObserver(pub Tracer);

/// What a line is about.
#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    op: Option<Text<'a>>,
    #[serde(borrow)]
    event: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
}

fn label(line: &[u8]) -> String {
    let Ok(about) = serde_json::from_slice::<About<'_>>(line) else {
        return "reply".to_owned();
    };
    let word = about.op.or(about.event);
    match (word, about.data) {
        (Some(word), Some(data)) => format!("{}: {}", &*word, &*data),
        (Some(word), None) => word.0.into_owned(),
        (None, _) => "reply".to_owned(),
    }
}

impl Observer for TraceObserver {
    fn sent(&self, time: u64, message: &str, line: &[u8]) {
        let label = label(line);
        let event = Event {
            message: Message::Text(message),
            ..Event::send(&label, &[])
        };
        self.0.record(time, &event);
    }

    fn received(&self, time: u64, message: &str, line: &[u8]) {
        self.0
            .record(time, &Event::receive(&label(line), Message::Text(message), &[]));
    }
}
