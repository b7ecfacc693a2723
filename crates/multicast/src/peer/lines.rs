//! What a peer prints: lines for people, or JSON.

use std::io::{self, Write as _};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lamport::ProcessId;
use multicast::{Delivery, Event};
use proto::{Harmless, LineWriter};

pub(crate) struct Printer {
    id: ProcessId,
    json: bool,
    zone: TimeZone,
}

impl Printer {
    pub(crate) fn new(id: ProcessId, json: bool) -> Self {
        Self {
            id,
            json,
            zone: TimeZone::system(),
        }
    }

    /// The lines that tell of `events`.
    pub(crate) fn lines(&self, events: &[Event]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        for event in events {
            if self.json {
                self.json(&mut text, event);
            } else {
                self.line(&mut text, event)?;
            }
        }
        Ok(text)
    }

    fn line(&self, text: &mut Vec<u8>, event: &Event) -> io::Result<()> {
        match event {
            Event::Sent(sent) => {
                self.head(text, sent)?;
                writeln!(text, "Sent: {}", Harmless(sent.text()))
            }
            // Its line said so already, unless its delivery had to wait.
            Event::Delivered(own) if own.own && !own.later => Ok(()),
            Event::Delivered(delivery) => {
                self.head(text, delivery)?;
                writeln!(
                    text,
                    "Delivered: {} | From={}",
                    Harmless(delivery.text()),
                    delivery.from
                )
            }
            Event::Missed {
                from, first, last, ..
            } => {
                writeln!(
                    text,
                    "[{}] Missed: messages {first} to {last} of {from}; nobody keeps them any more",
                    self.id
                )
            }
            // The log on stderr tells people about the rest.
            Event::Suspected(_) | Event::Trusted(_) | Event::Waiting(_) | Event::Refused(_) => Ok(()),
        }
    }

    fn head(&self, text: &mut Vec<u8>, delivery: &Delivery) -> io::Result<()> {
        let at = Timestamp::from_millisecond(delivery.at as i64).unwrap_or_default();
        let at = at.to_zoned(self.zone.clone());
        write!(
            text,
            "[{}] [Lamport={}] {} - ",
            self.id,
            delivery.received,
            at.strftime("%H:%M:%S%.3f")
        )
    }

    fn json(&self, text: &mut Vec<u8>, event: &Event) {
        let line = LineWriter::upkeep(text);
        let names = |ids: &[ProcessId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let process = self.id.as_str();
        match event {
            Event::Sent(delivery) => message(line.text("event", "sent"), process, delivery),
            Event::Delivered(delivery) => message(line.text("event", "delivered"), process, delivery),
            Event::Missed {
                number,
                from,
                incarnation,
                first,
                last,
                ..
            } => line
                .text("event", "missed")
                .text("process", process)
                .text("from", from.as_str())
                .number("incarnation", *incarnation)
                .number("first", *first)
                .number("last", *last)
                .number("number", *number)
                .end(),
            Event::Suspected(id) => {
                line.text("event", "suspected")
                    .text("process", process)
                    .text("member", id.as_str())
                    .end();
            }
            Event::Trusted(id) => {
                line.text("event", "trusted")
                    .text("process", process)
                    .text("member", id.as_str())
                    .end();
            }
            Event::Waiting(ids) => {
                line.text("event", "waiting")
                    .text("process", process)
                    .value("members", &names(ids))
                    .end();
            }
            Event::Refused(why) => line
                .text("event", "refused")
                .text("process", process)
                .text("why", why)
                .end(),
        }
    }
}

fn message(line: LineWriter<'_>, process: &str, delivery: &Delivery) {
    line.text("process", process)
        .text("message", &delivery.name().to_string())
        .text("from", delivery.from.as_str())
        .text("data", delivery.text())
        .number("stamp", delivery.stamp)
        .number("received", delivery.received)
        .number("at", delivery.at)
        .number("number", delivery.number)
        .end();
}
