//! What a client shows and records of its messages: the Lamport clock at each of them, and the trace.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use lamport::trace::facts::{ACCOUNT, BALANCE, ENTRY, fact};
use lamport::trace::{Event, Kind, Message, Tracer};
use proto::net::{Observed, Observer};
use serde::Deserialize;

use crate::amount::Balance;

/// The clock at one send or receive, for people: `[Lamport=1] sent login`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockLine<'a> {
    /// The client's time of the event.
    pub time: u64,
    /// Send or receive.
    pub kind: Kind,
    /// The operation sent or answered, or the event.
    pub what: &'a str,
}

impl fmt::Display for ClockLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.kind == Kind::Send {
            "sent"
        } else {
            "received"
        };
        write!(f, "[Lamport={}] {verb} {}", self.time, self.what)
    }
}

/// Records a client's messages in a trace, with the [facts](lamport::trace::facts) of the bank's clients, and shows
/// the clock to whoever wants to see it.
pub struct Recorder {
    tracer: Tracer,
    show: Box<dyn Fn(ClockLine<'_>) + Send + Sync>,
    /// The account of the latest login, which a reply does not name.
    account: Mutex<Option<String>>,
}

#[derive(Deserialize, Default)]
struct SentFields {
    account: Option<String>,
}

#[derive(Deserialize, Default)]
struct ReceivedFields {
    ok: Option<ReplyFields>,
    error: Option<ErrorFields>,
}

#[derive(Deserialize)]
struct ReplyFields {
    balance: Option<String>,
    entry: Option<u64>,
}

#[derive(Deserialize)]
struct ErrorFields {
    code: String,
}

impl Recorder {
    /// Records in `tracer`, and calls `show` at each send and receive.
    #[must_use]
    pub fn new(tracer: Tracer, show: impl Fn(ClockLine<'_>) + Send + Sync + 'static) -> Self {
        Self {
            tracer,
            show: Box::new(show),
            account: Mutex::default(),
        }
    }

    fn account(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Recorder {
    fn sent(&self, message: Observed<'_>) {
        self.tracer.sent(message);
        (self.show)(ClockLine {
            time: message.time,
            kind: Kind::Send,
            what: message.what,
        });
        if message.what == "login" {
            let sent: SentFields = serde_json::from_slice(message.line).unwrap_or_default();
            *self.account() = sent.account;
        }
    }

    fn received(&self, message: Observed<'_>) {
        let received: ReceivedFields = serde_json::from_slice(message.line).unwrap_or_default();
        let what = match &received.error {
            Some(error) => Cow::from(format!("{}: {}", message.what, error.code)),
            None => message.what.into(),
        };
        let account = self.account().clone();
        let mut facts = Vec::new();
        let told = received.ok.as_ref().and_then(|reply| {
            Some((
                reply.balance.as_deref()?.parse::<Balance>().ok()?.minor(),
                reply.entry,
            ))
        });
        if let (Some(account), Some((balance, entry))) = (&account, told) {
            facts.extend([fact(ACCOUNT, account.as_str()), fact(BALANCE, balance)]);
            facts.extend(entry.map(|entry| fact(ENTRY, entry)));
        }
        let event = Event {
            kind: Kind::Receive,
            label: &what,
            message: Message::Text(message.message),
            facts: &facts,
        };
        self.tracer.record(message.time, &event);
        (self.show)(ClockLine {
            time: message.time,
            kind: Kind::Receive,
            what: &what,
        });
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("tracer", &self.tracer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use lamport::ProcessId;
    use lamport::trace::{Reader, Record, Service, Value};

    use super::*;

    fn observed<'a>(time: u64, message: &'a str, what: &'a str, line: &'a [u8]) -> Observed<'a> {
        Observed {
            time,
            message,
            what,
            line,
        }
    }

    #[test]
    fn the_clock_is_shown_and_the_facts_are_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("client.trace");
        let tracer = Tracer::to_file(&file, ProcessId::new("bank-client-1").unwrap(), Service::Bank).unwrap();
        let (shown, lines) = mpsc::channel();
        let recorder = Arc::new(Recorder::new(tracer.clone(), move |line| {
            shown.send(line.to_string()).unwrap()
        }));
        recorder.sent(observed(
            1,
            "c-1/1",
            "login",
            br#"{"lamport":1,"id":1,"op":"login","account":"007","pin":"1234"}"#,
        ));
        recorder.received(observed(
            4,
            "bank@3",
            "login",
            br#"{"lamport":3,"id":1,"ok":{"account":"007","holder":"A"}}"#,
        ));
        recorder.sent(observed(
            5,
            "c-1/2",
            "deposit",
            br#"{"lamport":5,"id":2,"op":"deposit","amount":"1.00","key":"k"}"#,
        ));
        recorder.received(observed(
            8,
            "bank@7",
            "deposit",
            br#"{"lamport":7,"id":2,"ok":{"balance":"11.00","entry":12}}"#,
        ));
        recorder.sent(observed(
            9,
            "c-1/3",
            "withdraw",
            br#"{"lamport":9,"id":3,"op":"withdraw","amount":"99.00","key":"l"}"#,
        ));
        recorder.received(observed(
            12,
            "bank@11",
            "withdraw",
            br#"{"lamport":11,"id":3,"error":{"code":"insufficient_funds","message":"m"}}"#,
        ));
        tracer.close().unwrap();
        assert_eq!(
            lines.try_iter().collect::<Vec<_>>(),
            [
                "[Lamport=1] sent login",
                "[Lamport=4] received login",
                "[Lamport=5] sent deposit",
                "[Lamport=8] received deposit",
                "[Lamport=9] sent withdraw",
                "[Lamport=12] received withdraw: insufficient_funds",
            ]
        );
        let mut reader = Reader::open(&file).unwrap();
        let mut facts = Vec::new();
        while let Some(record) = reader.read().unwrap() {
            if let Record::Event(event) = record.into_owned() {
                facts.push((event.message.unwrap().into_owned(), event.facts));
            }
        }
        let of_deposit = vec![
            (ACCOUNT.into(), Value::from("007")),
            (BALANCE.into(), Value::from(1100i64)),
            (ENTRY.into(), Value::from(12i64)),
        ];
        assert_eq!(facts[3], ("bank@7".to_owned(), of_deposit));
        assert!(
            facts
                .iter()
                .enumerate()
                .all(|(at, (_, facts))| at == 3 || facts.is_empty())
        );
    }
}
