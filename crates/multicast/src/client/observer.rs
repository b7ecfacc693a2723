//! A client's own trace.

use lamport::trace::Tracer;
use proto::Text;
use proto::net::{Observed, Observer};
use serde::Deserialize;

/// Records every send and receive of a client, with the texts of messages.
#[derive(Debug, Clone)]
pub struct TraceObserver(pub Tracer);

/// The text that a line carries, if it does.
#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    data: Option<Text<'a>>,
}

fn label(message: &Observed<'_>) -> String {
    let what = message.what;
    match serde_json::from_slice(message.line) {
        Ok(About { data: Some(data) }) => format!("{what}: {}", &*data),
        _ => what.to_owned(),
    }
}

impl Observer for TraceObserver {
    fn sent(&self, message: Observed<'_>) {
        let what = label(&message);
        self.0.sent(Observed {
            what: &what,
            ..message
        });
    }

    fn received(&self, message: Observed<'_>) {
        let what = label(&message);
        self.0.received(Observed {
            what: &what,
            ..message
        });
    }
}
