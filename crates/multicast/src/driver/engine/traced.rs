//! What a member's events are in its trace.

use std::sync::Arc;

use lamport::trace::{BatchTracer, Tracer};

use crate::core::frame::{MessageId, StreamId};
use crate::group::text;
use crate::group_file::Members;
use crate::record::{self, About, Act};

/// Records the events of one member.
///
/// In a rush hundreds of events in a row change by one in all that counts. They are not put together, only compared with the
/// number that was expected: a message must not cost much more than that.
pub(super) struct Recorder {
    tracer: BatchTracer,
    members: Arc<Members>,
    /// The next event, if it changes the last one by one in all that counts.
    expected: Option<Step>,
    /// The last event was the expected one.
    steady: bool,
}

/// What is recorded of an event, but for the text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Step {
    act: Act,
    id: MessageId,
    time: u64,
}

impl Recorder {
    /// Records the start of a member, at the time `time`.
    pub(super) fn start(tracer: &Tracer, members: Arc<Members>, order: &str, time: u64) -> Self {
        let mut tracer = tracer.batched();
        record::start(order, |event| tracer.record(time, event));
        tracer.end_batch();
        Self {
            tracer,
            members,
            expected: None,
            steady: false,
        }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.tracer.is_on()
    }

    /// Records a broadcast, `delivered` to the sender itself with it or later.
    pub(super) fn broadcast(&mut self, id: MessageId, stamp: u64, data: &[u8], delivered: bool) {
        let step = Step {
            act: Act::Broadcast { delivered },
            id,
            time: stamp,
        };
        self.record(step, !data.is_empty(), || text(data));
    }

    /// Records a delivery, without the text: that stands where the message was sent.
    pub(super) fn deliver(&mut self, act: Act, id: MessageId, time: u64) {
        self.record(Step { act, id, time }, false, || "");
    }

    /// Records that the messages from `from` on will never come.
    pub(super) fn missed(&mut self, time: u64, stream: StreamId, from: u64, through: u64) {
        let id = MessageId {
            stream,
            sequence: from,
        };
        let act = Act::Miss { through };
        self.record(Step { act, id, time }, false, || "");
    }

    /// Hands over what gathered.
    pub(super) fn end_batch(&mut self) {
        self.tracer.end_batch();
    }

    #[inline]
    fn record<'l>(&mut self, step: Step, labelled: bool, label: impl FnOnce() -> &'l str) {
        if !self.is_on() {
            return;
        }
        let expected = self.expected == Some(step);
        let again = expected && self.steady && self.tracer.again(labelled);
        self.expected = step.next();
        self.steady = expected;
        if !again {
            self.tell(step, label());
        }
    }

    fn tell(&mut self, Step { act, id, time }: Step, label: &str) {
        let about = About {
            origin: self.members.id(id.stream.origin).as_str(),
            incarnation: id.stream.incarnation,
            sequence: id.sequence,
        };
        act.record(about, label, |event| self.tracer.record(time, event));
    }
}

impl Step {
    /// The step that changes this one by one in all that counts.
    fn next(self) -> Option<Self> {
        let act = match self.act {
            Act::Broadcast { .. } | Act::DeliverLater => self.act,
            Act::Deliver { stamp } => Act::Deliver { stamp: stamp + 1 },
            Act::Miss { .. } => return None,
        };
        let id = MessageId {
            sequence: self.id.sequence + 1,
            ..self.id
        };
        let time = self.time + 1;
        Some(Self { act, id, time })
    }
}

#[cfg(test)]
mod tests;
