//! Lines as they arrive: those of a batch are received together, before the first of them is handled.
//!
//! So their receives have successive times whatever other connections do meanwhile, and a trace tells most of them by their
//! count.

use lamport::ClockError;
use lamport::trace::{Event, Message};
use proto::{Lines, OpenRequest as _, Refusal};

use super::Session;
use crate::limits::RECEIVED_TOGETHER_MAX;
use crate::ops::Request;

/// What a line says, and when it was received.
pub(super) struct Arrival<'a> {
    pub(super) says: Result<Request<'a>, Refusal>,
    /// The stamp that it carries and the time of its receive; nothing if it is no message.
    pub(super) message: Option<(u64, Result<u64, ClockError>)>,
}

impl Session {
    /// Receives the next lines of a batch; none at its end.
    pub(super) fn receive<'b>(&mut self, lines: &mut Lines<'b>) -> Vec<Arrival<'b>> {
        let parse = |line: Result<&'b [u8], _>| {
            let says = match line {
                Ok(line) => proto::parse::<Request<'b>>(line).transpose()?,
                Err(error) => Err(Refusal::from(error)),
            };
            Some(Arrival { says, message: None })
        };
        let mut arrivals: Vec<Arrival<'b>> = lines.filter_map(parse).take(RECEIVED_TOGETHER_MAX).collect();
        let shared = &*self.shared;
        self.here = shared.tracer.here();
        let horizon = shared.clock.horizon();
        let mut lane = shared.tracer.lane(self.here);
        for Arrival { says, message } in &mut arrivals {
            let (stamp, label) = match says {
                Ok(request) => (request.lamport().get(), request.name()),
                Err(refusal) => (refusal.lamport, "refused"),
            };
            let Some(stamp) = stamp else { continue };
            self.requests += 1;
            let named = Message::Request {
                connection: self.connection.id(),
                number: self.requests,
            };
            let receive = || shared.clock.receive_within(stamp, horizon);
            let received = lane.stamped(receive, &Event::receive(label, named, &[]));
            *message = Some((stamp, received));
        }
        arrivals
    }
}
