//! Who is told of every message that a client sends and receives: traces, and whoever shows the clock.

use lamport::trace::{Event, Message, Tracer};

/// A message of a client, at the moment of its send or receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed<'a> {
    /// The client's Lamport time of the send or receive.
    pub time: u64,
    /// The message's name, unique and the same at both ends: a request's is `<connection>/<n>`, with n counting the connection's
    /// requests from 1; what a server sends with stamp t is `<its process>@t`.
    pub message: &'a str,
    /// The operation that is asked for or answered, or the event.
    pub what: &'a str,
    /// The line on the wire.
    pub line: &'a [u8],
}

/// Is told of every send and receive of a client, in the order of its clock.
///
/// A [`Tracer`] is one: it records what is asked, answered and told, by name. A service whose runs are checked by rules of its own
/// has an observer that reads the [facts](lamport::trace::facts) for them out of the lines.
pub trait Observer: Send + Sync {
    /// A request is sent.
    fn sent(&self, message: Observed<'_>);
    /// A reply or an event was received.
    fn received(&self, message: Observed<'_>);
}

impl Observer for Tracer {
    fn sent(&self, message: Observed<'_>) {
        let event = Event {
            message: Message::Text(message.message),
            ..Event::send(message.what, &[])
        };
        self.record(message.time, &event);
    }

    fn received(&self, message: Observed<'_>) {
        let named = Message::Text(message.message);
        self.record(message.time, &Event::receive(message.what, named, &[]));
    }
}
